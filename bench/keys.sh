#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# keys - how long messages of quiet keys take beside a key that has very many: without 'key:', with it,
# and with more of the noisy key than the broker may send ahead at first.
#
#     keys.sh [--json] BUILD_DIRECTORY
#
# A private RabbitMQ; messages take 5 ms each, eight at once, so that one alone takes 5 ms and a little.
set -u
json=
[ "${1:-}" != --json ] || { json=yes; shift; }
top_builddir=$(cd "${1:?usage: keys.sh [--json] BUILD_DIRECTORY}" && pwd) || exit 2
top_srcdir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
plugins_dir=$top_builddir/bench/.libs
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-bench.XXXXXX") || exit 1
trap broker_test_clean EXIT
trap 'exit 130' INT TERM HUP
rabbit_available || { echo "keys: no rabbitmq-server"; exit 0; }
rabbit_start || exit 1

# measure NAME NOISY LINE: one case.
measure() {
    local queue=$1 count median p99 longest
    amqp declare "$queue"
    rm -f "$work/result"
    ackd_config "
consumers:
  bench: {queue: $queue, handler: keyed, concurrency: 8${3:+, $3}, settings: {queue: $queue, file: $work/result, noisy: $2, quiet: 200}}"
    ackd_start
    wait_for "${wait_s:-90}" test -s "$work/result" || { tail -n 5 "$ackd_log"; exit 1; }
    ackd_kill
    amqp delete "$queue"
    read -r count median p99 longest <"$work/result"
    if [ -n "$json" ]; then
        printf '{"bench": "keys", "what": "%s", "noisy": %d, "quiet": %d, "median_ms": %.1f, "p99_ms": %.1f, "longest_ms": %.1f}\n' \
            "$1" "$2" "$count" "$((median / 100))e-1" "$((p99 / 100))e-1" "$((longest / 100))e-1"
    else
        printf '%-28s %6d %12.1f %10.1f %10.1f\n' \
            "$1" "$2" "$((median / 100))e-1" "$((p99 / 100))e-1" "$((longest / 100))e-1"
    fi
}

[ -n "$json" ] || printf '%-28s %6s %12s %10s %10s\n' 'quiet keys, ms in all' noisy median p99 longest
measure alone 0 'key: "header:key"'
measure no-key 400 ''
measure key 400 'key: "header:key"'
measure no-key-many 4000 ''
measure key-many 4000 'key: "header:key"'
measure key-many-prefetch-fixed 4000 'key: "header:key", prefetch: 512'

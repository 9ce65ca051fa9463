#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# recovery - how long after the end of an outage the first message is delivered again.
#
#     recovery.sh BUILD_DIRECTORY [OUTAGES [KILLS]]
#
# With the defaults of 'reconnect:'. In an outage nobody listens and all connections are reset; it lasts
# 1, 2, 4, 8 or 16 seconds, and between two of them a connection lives for more than the ten seconds that
# make it a good one. In a kill the broker itself dies and starts again, as fast as it does. A table on standard output, and exit status 1 beyond the targets: the median under a
# second, the worst under three seconds more than the greatest wait between two tries.
# shellcheck disable=SC2034,SC2154 # rabbit.sh, ackd.sh and rows.sh set and read them
set -u
top_builddir=$(cd "${1:?usage: recovery.sh BUILD_DIRECTORY [OUTAGES [KILLS]]}" && pwd) || exit 2
outages=${2:-20} kills=${3:-5}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/tap.sh"
. "$here/../lib/rabbit.sh"
. "$here/../lib/ackd.sh"
. "$here/../lib/rows.sh"

die() {
    echo "recovery: $*" >&2
    exit 1
}

recovered() {
    [ "$(proxy recovered)" != - ]
}

# measure KIND SECONDS: the end of an outage, which took so long; a line for the table.
measure() {
    proxy listen
    wait_for 90 recovered || die "no delivery for 90 s: $(tail -n 5 "$ackd_log")"
    echo "$1 $2 $(proxy recovered)" >>"$work/measured"
    sleep "0.$((RANDOM % 10))"
}

table() {
    echo "| after | outages | median ms | worst ms |"
    echo "|---|---:|---:|---:|"
    sort -k1,1 -k3,3n "$work/measured" | awk -v cap_ms=30000 '
        function row() {
            median = values[int((count + 1) / 2)]
            printf "| %s | %d | %d | %d |\n", kind, count, median, values[count]
            if (median >= 1000 || values[count] >= cap_ms + 3000) bad = 1
        }
        $1 != kind { if (count) row(); kind = $1; count = 0 }
        { values[++count] = $3 }
        END { if (count) row(); exit bad }'
}

rabbit_available || { echo "recovery: no rabbitmq-server" >&2; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-recovery.XXXXXX") || exit 1
trap broker_test_clean EXIT
trap 'exit 130' INT TERM HUP
rabbit_start || die "no private RabbitMQ: $(tail -n 5 "$(rabbit_log)")"
proxy_start || die "no proxy"
row_uses_proxy
ackd_reconnect_first=500ms ackd_reconnect_max=30s ackd_heartbeat=15s ackd_log_level=debug
ackd_config "
consumers:
  record: {queue: q, handler: record, settings: {file: $work/record, delay: 500ms, quiet: true}}"
amqp declare q && amqp publish -c q 20000 || die "nothing to deliver"
ackd_start
ackd_wait_ready || die "it does not consume: $(tail -n 5 "$ackd_log")"
for number in $(seq "$outages"); do
    seconds=$((1 << (number % 5)))
    sleep 11
    proxy refuse
    proxy cut reset
    sleep "$seconds"
    measure refused "$seconds"
done
for number in $(seq "$kills"); do
    sleep 11
    seconds=$SECONDS
    proxy refuse
    rabbit_kill
    rabbit_restart || die "the broker does not start again"
    measure killed $((SECONDS - seconds))
done
[ -z "${ACKD_RECOVERY_ALL:-}" ] || cat "$work/measured"
table

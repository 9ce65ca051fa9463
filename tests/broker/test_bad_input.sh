#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bad_input - wrong configurations end at once with 78 and a place; wrong brokers are waited for, and named.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
impostor_pid=

# refused NAME PATTERN: 'run' and 'check' both end with 78 and say PATTERN.
refused() {
    local command text status
    for command in check run; do
        text=$(timeout 20 env LD_LIBRARY_PATH="$top_builddir/.libs" "$top_builddir/.libs/ackd" \
            "$command" -c "$work/ackd.yaml" 2>&1)
        status=$?
        tap_is "$1: $command exits with 78" "$status" 78
        tap_check "$1: $command says why" grep -qE "$2" <<<"$text"
        grep -qE "$2" <<<"$text" || tap_note "$text"
    done
}

# waits NAME PATTERN: it stays up, logs PATTERN, and stops with 0 within two seconds.
waits() {
    local from
    ackd_start
    tap_check "$1: the log says why" wait_for 15 grep -qE "$2" "$ackd_log"
    grep -qE "$2" "$ackd_log" || tap_note "$(tail -n 5 "$ackd_log")"
    tap_check "$1: it stays up" ackd_alive
    from=$SECONDS
    ackd_stop
    tap_is "$1: it stops with 0" "$ackd_status" 0
    tap_within "$1: without delay" $((SECONDS - from)) 0 3
}

consumer="
consumers:
  record:
    queue: q
    handler: record
    settings: {file: $work/record}"

amqp declare q
ackd_config "consumers: {record: [}"
refused "broken YAML" 'ackd\.yaml:[0-9]+:[0-9]+: '
ackd_config "${consumer/handler:/concurency: 5
    handler:}"
refused "unknown option" "ackd\.yaml:[0-9]+:[0-9]+: unknown option 'concurency'.*concurrency"
ackd_config "${consumer/handler:/concurrency: many
    handler:}"
refused "not a number" 'ackd\.yaml:[0-9]+:[0-9]+: .*concurrency'
ackd_config "${consumer/handler: record/handler: nowhere}"
refused "missing plugin" "nowhere"
ackd_config "${consumer/handler: record/handler: foreign_major}"
refused "plugin of another ABI" 'ABI|abi'
ackd_config "${consumer/file:/fiel:}"
refused "unknown setting" "ackd\.yaml:[0-9]+:[0-9]+: .*fiel.*file"
rm "$work/ackd.yaml"
refused "no file" 'ackd\.yaml'

real=$rabbit_port
ackd_config "$consumer"
sed -i "s|uri: .*|uri: amqp://127.0.0.1:$((real + 5))/|" "$work/ackd.yaml"
waits "nobody listens" 'refused'
ackd_config "$consumer"
sed -i "s|password: .*|password: wrong-one|" "$work/ackd.yaml"
waits "wrong password" 'ACCESS_REFUSED'
tap_check "the password is not in the log" eval '! grep -q wrong-one "$ackd_log"'
ackd_config "$consumer"
sed -i "s|uri: .*|uri: amqp://127.0.0.1:$real/nope|" "$work/ackd.yaml"
waits "missing virtual host" 'vhost nope not found|NOT_ALLOWED'
ackd_config "${consumer/queue: q/queue: missing}"
waits "missing queue" "NOT_FOUND.*missing"

ackd_config "${consumer/queue: q/queue: late}"
ackd_start
wait_for 15 grep -q NOT_FOUND "$ackd_log"
amqp declare late
tap_check "a queue that comes late is consumed" ackd_wait_ready
ackd_stop

# impostor NAME TEXT PATTERN
impostor() {
    "$top_builddir/tests/lib/impostor" $((real + 5)) "$2" &
    impostor_pid=$!
    ackd_config "$consumer"
    sed -i "s|uri: .*|uri: amqp://127.0.0.1:$((real + 5))/|" "$work/ackd.yaml"
    waits "$1" "$3"
    kill "$impostor_pid"
    wait "$impostor_pid" 2>/dev/null
}
impostor "a peer that speaks HTTP" 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n' 'AMQP|HTTP'
impostor "a peer of another AMQP" 'AMQP    ' 'AMQP|version'
impostor "a peer that hangs up" 'A' 'level=warning'
broker_test_end

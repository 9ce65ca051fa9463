#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# concurrency - as many handlers run as were asked for: no more, and no fewer while there is work.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# The largest number of handlers that ran at once, as they counted themselves.
peak() {
    awk '$1 == "start" && $3 > peak { peak = $3 } END { print peak + 0 }' "$work/record"
}

# runs CONCURRENCY MESSAGES DELAY [LOOPS]
runs() {
    local loops=${4:-1}
    ackd_config "
runtime: {loops: $loops}
consumers:
  record:
    queue: q
    handler: record
    concurrency: $1
    loops: $loops
    settings: {file: $work/record, delay: $3}"
    : >"$work/record"
    amqp publish q "$2"
    ackd_start
    tap_check "concurrency $1 on $loops loops: $2 messages are handled" \
        eval "wait_s=90 wait_recorded ' ok\$' $2"
    tap_is "concurrency $1 on $loops loops: exactly that many at once" "$(peak)" "$1"
    ackd_stop 60
    tap_is "concurrency $1 on $loops loops: it stops with 0" "$ackd_status" 0
    tap_is "concurrency $1 on $loops loops: the queue is empty" "$(amqp depth q)" 0
}

amqp declare q
runs 1 50 5ms
runs 16 500 10ms
runs 16 500 20ms 2
runs 10000 12000 6s
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hog - a handler that holds its loop holds neither the heartbeats nor the shutdown.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
burn=20
[ "${ACKD_TEST_FULL:-no}" = no ] || burn=120
ackd_config "
shutdown: {timeout: 3s, soft: 50%}
consumers:
  record:
    queue: q
    handler: record
    concurrency: 4
    settings: {file: $work/record, burn: ${burn}s}"

amqp declare q
amqp publish -h do=hog q
ackd_start
tap_check "a handler starts to burn" wait_recorded '^start ' 1
tap_check "after $burn s it ends" eval "wait_s=$((burn + 20)) wait_recorded ' ok\$' 1"
tap_is "the connection lived all the while" "$(ackd_events consuming)" 1
tap_is "promise_c6_the_broker_missed_no_heartbeat" "$(grep -c 'missed heartbeats' "$(rabbit_log)")" 0
tap_check "promise_c5_who_holds_the_loop_is_named_with_its_message" \
    grep -qE 'event=loop-stalled .*queue=q.*record\.c' "$ackd_log"
amqp publish -n 2 q
tap_check "the next message is handled" wait_recorded '^end 2 ok' 1
tap_check "all is acknowledged" queue_settles q 0

amqp publish -n 3 -h do=hog q
wait_recorded '^start 3 ' 1
from=$SECONDS
ackd_stop
tap_is "a stop gives the message back by force" "$ackd_status" 75
tap_within "within the time for stopping" $((SECONDS - from)) 1 8
tap_is "it is in the queue" "$(amqp depth q)" 1
amqp drain q >/dev/null

# A stack that overflows ends the process, not in silence, and the message is the broker's again.
amqp publish -n 4 -h do=overflow q
ackd_start
ackd_wait_exit
tap_is "a stack that overflows ends the process" "$ackd_status" $((128 + 11))
tap_check "promise_c7_the_report_names_handler_and_message" \
    grep -qE 'fatal: task .*record.*queue=q.* overflowed its stack' "$ackd_log"
tap_check "and the message is back" queue_settles q 1
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# single_active - a classic queue with a single active consumer goes to the next host when one stops in the
# middle of its work, in order and without a stall: RabbitMQ 3.10 stalls and crashes behind a basic.cancel.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
ackd_config "
consumers:
  record:
    queue: one
    handler: record
    concurrency: 2
    single-active: true
    declare: {type: classic}
    settings: {file: $work/record, delay: 100ms}"

ackd_start
ackd_wait_ready
first=$ackd_pid first_log=$ackd_log
also_running=$first
ackd_start
tap_check "two hosts are subscribed" ackd_wait_ready
second=$ackd_pid
tap_check "the queue has a single active consumer" \
    grep -q 'x-single-active-consumer",true' <<<"$(rabbit_ctl -q list_queues arguments --no-table-headers)"
amqp publish -c -h wait=2000 one 2
amqp publish -c one 60
tap_check "one of them works" wait_recorded '^start ' 2

# It stops with messages in work, and more come meanwhile: behind a cancel the queue would crash here.
ackd_pid=$first ackd_log=$first_log
ackd_signal TERM
tap_check "it finishes what is in work" ackd_wait stopping
amqp publish -c one 20
ackd_wait_exit
tap_is "promise_s2_single_active: the first stops with 0" "$ackd_status" 0
ackd_pid=$second also_running=''
ackd_log=$work/ackd.2.log
tap_check "promise_s2_single_active_does_not_stall: the second does the rest" wait_recorded ' ok$' 82
tap_is "each was done once" "$(recorded ' ok$')" 82
tap_is "nothing crashed" "$(grep -c 'badmatch\|CRASH' "$(rabbit_log)")" 0
tap_is "the second lost nothing on the way" "$(ackd_events canceled)" 0
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
tap_is "and the queue is empty" "$(amqp depth one)" 0
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# publish_stop - publishing begins before consuming and outlives it, and does not hold a stop beyond its budget.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
ackd_config "
consumers:
  relay:
    queue: q
    handler: relay
    concurrency: 8
    settings: {file: $work/record, start-key: started, run-key: runs, stop-key: stopped}"

says() {
    grep -qE "^$1 $2" "$work/record" 2>/dev/null
}

for queue in q out started runs stopped; do amqp declare "$queue"; done
ackd_start
ackd_wait_ready
tap_is "start() has published before the first message" "$(amqp depth started)" 1
tap_check "run() publishes" wait_for 20 says run ok
tap_check "and so does what it detached" wait_for 20 says detached ok

amqp publish -i late- -h key=out -h gate="$work/gate1" q 1
wait_for 20 says late-1 begins
ackd_signal TERM
tap_check "a stop begins" ackd_wait stopping
touch "$work/gate1"
ackd_wait_exit
tap_is "promise_s4_it_ends_with_0" "$ackd_status" 0
tap_check "promise_s4_a_handler_publishes_during_the_stop" says late-1 ok
tap_is "and its message is acknowledged" "$(amqp depth q)" 0
tap_is "what it published is there" "$(amqp depth out)" 1
tap_check "stop() publishes when nothing is consumed any more" says stop ok
tap_is "and it is there" "$(amqp depth stopped)" 1

# A confirm that does not come.
ackd_start
ackd_wait_ready
amqp publish -i stuck- -h key=out -h gate="$work/gate2" q 1
wait_for 20 says stuck-1 begins
rabbit_freeze
touch "$work/gate2"
ackd_signal TERM
tap_check "a stop begins that has to wait for a confirm" ackd_wait stopping
sleep 0.5
tap_check "it waits" ackd_alive
ackd_signal TERM
tap_check "promise_s9_a_further_signal_cancels_what_waits" wait_for 20 says stuck-1 canceled
ackd_signal TERM # stop() waits for a confirm as well
ackd_wait_exit 40
tap_check "promise_s9_and_it_ends_long_before_its_budget" [ "$ackd_status" != hung ]
tap_note "status $ackd_status"
rabbit_thaw
tap_check "the message is not lost" queue_settles q 1
broker_test_end

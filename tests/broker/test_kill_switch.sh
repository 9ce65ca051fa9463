#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# kill_switch - a consumer whose messages fail stops, gives back what it holds, tries one, and goes on when that works.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
ackd_config "
consumers:
  record:
    queue: q
    handler: record
    concurrency: 4
    kill-switch: {failures: 50%, of: 10, pause: 1s}
    retry: {attempts: 1000, first: 200ms, max: 1s}
    settings: {file: $work/record, act: down, delay: 1ms}"
: >"$work/record"

# Failed ones are in the delay queues meanwhile: an empty queue does not say that all is done.
done_count() {
    awk '$1 == "end" && $3 == "ok" && !done[$2]++ { count++ } END { print count + 0 }' "$work/record"
}

all_done() {
    [ "$(done_count)" -ge 200 ]
}

amqp declare q
: >"$work/record.down"
amqp publish -c q 200
ackd_start
ackd_wait_ready
tap_check "it trips" ackd_wait kill-switch 1
tap_check "what it has not started is back in the queue" wait_for 5 test "$(amqp depth q)" -ge 150
tap_check "it tries one, and trips again" ackd_wait kill-switch 2
tried=$(recorded '^start')
ackd_wait kill-switch 3
tap_check "one at a time" [ "$(($(recorded '^start') - tried))" -le 2 ]
tap_check "without going through the queue" [ "$(recorded '^start')" -le 40 ]
rm "$work/record.down"
tap_check "when one succeeds all are done" wait_for 40 all_done
tap_check "and it says so" grep -q 'the message that was tried is done' "$ackd_log"
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

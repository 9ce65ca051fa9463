#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# kill - ackd is killed at ten random moments and loses nothing.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
count=$(scaled 100000)
concurrency=256
kills=10

ackd_config "
consumers:
  record:
    queue: q
    handler: record
    concurrency: $concurrency
    settings: {file: $work/record, delay: 10ms, quiet: true}"

handled() {
    awk '$1 == "end" && $3 == "ok" && !seen[$2]++ { count++ } END { print count + 0 }' "$work/record"
}

amqp declare q
tap_check "$count messages are published" amqp publish -c q "$count"
for _ in $(seq "$kills"); do
    ackd_start
    sleep "0.$((RANDOM % 9))"
    ackd_kill
done
ackd_start
wait_s=120 tap_check "the queue runs empty" queue_settles q 0
ackd_stop
tap_is "the last one ends with 0" "$ackd_status" 0
tap_is "nothing was given back" "$(amqp depth q)" 0
tap_is "every message was handled" "$(handled)" "$count"
duplicates=$(($(recorded ' ok$') - count))
tap_within "at most what was in flight was handled twice" "$duplicates" 0 $((kills * (concurrency * 5 / 4 + 1)))
tap_note "$duplicates of $count messages were handled again after $kills kills"
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# dead_letter - a message that a handler gives up is in the dead-letter queue, and is never lost on the way.
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
    concurrency: 32
    settings: {file: $work/record, quiet: true}"

numbers() {
    sed 's/.*"order": \([0-9]*\).*/\1/' | sort -n | uniq
}

amqp declare q
ackd_start
ackd_wait_ready
amqp publish -i id- -h do=dead -h shop=north q
tap_check "a dead message is in q.dead" queue_settles q.dead 1
letter=$(amqp get -H q.dead)
tap_note "$letter"
for part in 'content-type=application/json' 'message-id=id-1' 'delivery-mode=2' 'shop=north' \
    'told to die' '{"order": 1,'; do
    tap_check "it still says $part" grep -qF "$part" <<<"$letter"
done
tap_check "it tells its consumer" grep -qE 'x-ackd-[a-z-]*consumer=record' <<<"$letter"
tap_check "it tells its queue or key" grep -qE 'x-ackd-[a-z-]*=q	' <<<"$letter"
tap_is "and is gone from its queue" "$(amqp depth q)" 0
amqp publish -h do=drop q 5
tap_check "dropped messages are handled" wait_recorded ' dropped$' 5
tap_check "and are nowhere" queue_settles q 0
tap_is "not even in q.dead" "$(amqp depth q.dead)" 0
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0

# Killed between the copy and the acknowledgement, a message may be there twice, but never not at all.
count=$(scaled 5000)
amqp publish -c -h do=dead -h wait=5 q "$count"
for _ in 1 2 3 4 5; do
    ackd_start
    sleep "0.$((RANDOM % 5 + 2))"
    ackd_kill
done
ackd_start
wait_s=60 tap_check "after five kills the queue runs empty" queue_settles q 0
ackd_stop
amqp drain q.dead | numbers >"$work/dead"
tap_is "all $count are dead letters" "$(wc -l <"$work/dead")" "$count"

# A broker that dies takes no confirmed dead letter with it.
amqp publish -c -h do=dead -h wait=5 q 500
ackd_start
ackd_wait_ready
rabbit_kill
rabbit_restart
wait_s=60 tap_check "after a kill of the broker the queue runs empty" queue_settles q 0
ackd_stop
tap_is "all 500 are dead letters" "$(amqp drain q.dead | numbers | wc -l)" 500
broker_test_end

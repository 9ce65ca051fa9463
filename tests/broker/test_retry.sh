#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# retry - what fails is tried again later, from a queue of its own, and after its last attempt is a dead letter.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
configure() {
    ackd_config "
consumers:
  record:
    queue: $1
    handler: record
    concurrency: 32
    retry: {attempts: ${2:-5}, first: 100ms, factor: 2, max: ${3:-1s}}
    settings: {file: $work/record, delay: 1ms}"
}

# header NAME LINE: the value of a header in a line of amqptool.
header() {
    tr '\t' '\n' <<<"$2" | sed -n "s/^$1=//p"
}

for type in classic quorum; do
    queue=$type
    amqp declare "$queue" x-queue-type=$type
    configure "$queue"
    ackd_start
    ackd_wait_ready
    amqp publish -i $type- -h do=fail -h shop=north "$queue"
    tap_check "promise_d12_after_its_last_attempt_a_message_is_dead ($type)" queue_settles "$queue.dead" 1
    tap_is "$type: it was tried five times" "$(recorded "^start $type-1 ")" 5
    tap_is "$type: each try knew its number" \
        "$(sed -n "s/^start $type-1 [0-9]* \([0-9]*\) .*/\1/p" "$work/record" | tr '\n' ' ')" "1 2 3 4 5 "
    letter=$(amqp get -H "$queue.dead")
    tap_note "$letter"
    tap_is "$type: the dead letter counts its attempts" "$(header x-ackd-attempts "$letter")" 5
    tap_is "$type: ... and is a message as before" "$(header shop "$letter")" north
    first=$(header x-ackd-first-failed-at "$letter") last=$(header x-ackd-failed-at "$letter")
    waited=$(($(date -d "$last" +%s%3N) - $(date -d "$first" +%s%3N)))
    # 100, 200, 400 and 800 ms, rounded up to steps of 100, 200, 500 and 1000 ms.
    tap_within "$type: it waited as long as it was told, at least (ms)" "$waited" 1750 30000
    id=$(header x-ackd-error-id "$letter")
    tap_check "$type: its error id is in the log" grep -qE "event=dead .*error_id=$id" "$ackd_log"
    tap_is "$type: and it is nowhere else" "$(amqp depth "$queue")" 0
    ackd_stop
    tap_is "$type: it stops with 0" "$ackd_status" 0
done
broker_test_end

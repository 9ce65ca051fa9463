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

# A quorum queue with a delivery limit of 3, and ten stops while messages wait: none is destroyed. On
# RabbitMQ before 4.3 four releases would do that.
amqp declare limited x-queue-type=quorum x-delivery-limit=3
ackd_config "
consumers:
  record:
    queue: limited
    handler: record
    concurrency: 1
    prefetch: 20
    delivery-limit: 3
    settings: {file: $work/limited, delay: 1h, quiet: true}
shutdown: {timeout: 10s, soft: 0%}"
amqp publish -c limited 15
for _ in 1 2 3 4 5 6 7 8 9 10; do
    ackd_start
    ackd_wait_ready
    ackd_stop
done
tap_check "ten stops destroy nothing at a delivery limit of 3" queue_settles limited 15
tap_is "and each message is there once" "$(amqp drain limited | sort -u | wc -l)" 15
tap_is "nor is anything a dead letter" "$(amqp depth limited.dead)" 0

# A delay queue that somebody deleted: what fails goes back, with a pause, and the queue is declared anew.
amqp declare gone x-queue-type=quorum
configure gone 5 100ms
ackd_start
ackd_wait_ready
amqp delete gone.retry.100ms
amqp publish -i gone- -h do=fail gone
tap_check "without its delay queue a failed message is not lost" queue_settles gone.dead 1
tap_within "nor does it go round and round" "$(ackd_events copy-failed)" 1 5

# An error of 1 MB, and headers that leave no room for a story.
amqp publish -n 7 -h do=fail -h size=1000000 gone
tap_check "an error of 1 MB ends in the dead letters" queue_settles gone.dead 2
amqp publish -n 8 -L 130900 -h do=fail gone
tap_check "so does what has no room for a story" queue_settles gone.dead 3
# Told to wait for longer than any delay queue: it goes round in the last one, as one attempt each time. And
# an expiration ends it while it waits.
amqp publish -i long- -h do=retry -h after=700 -n 21 gone
amqp publish -i short- -h do=retry -h after=2500 -n 22 -P expiration=2000 gone
tap_check "what waits for long, and what expires meanwhile, are dead in the end" queue_settles gone.dead 5
tap_is "a long wait is one attempt each time" "$(recorded "^start long-21 ")" 5
tap_is "what expired was not tried again" "$(recorded "^start short-22 ")" 1
letters=$(amqp drain -H gone.dead)
long=$(grep 'long-21' <<<"$letters") short=$(grep 'short-22' <<<"$letters")
waited=$(($(date -d "$(header x-ackd-failed-at "$long")" +%s%3N) - \
    $(date -d "$(header x-ackd-first-failed-at "$long")" +%s%3N)))
tap_within "it waited as long as it was told, at least (ms)" "$waited" 2800 30000
tap_is "what expired says so" "$(header x-ackd-error-code "$short")" E_TIMEOUT
tap_is "... with the expiration it had" "$(header x-ackd-original-expiration "$short")" 2000
tap_is "the connections stayed up" "$(ackd_events disconnected)" 0
ackd_stop

# Delay queues that are refused: the consumer is paused, and says why.
amqp declare refused
amqp declare refused.retry.100ms
configure refused 5 100ms
amqp publish -h do=fail refused
ackd_start
tap_check "a delay queue of another kind pauses the consumer" ackd_wait paused
tap_check "which names it" grep -q "refused.retry.100ms" "$ackd_log"
tap_is "its messages stay" "$(amqp depth refused)" 1
ackd_stop

# Killed between any two steps: ackd, and the broker.
for type in classic quorum; do
    queue=swept.$type
    amqp declare "$queue" x-queue-type=$type
    configure "$queue" 3 200ms
    amqp publish -c -h do=fail "$queue" 400
    for round in 1 2 3 4 5; do
        ackd_start
        # What was declared last, RabbitMQ itself could lose.
        [ "$round" != 3 ] || { ackd_wait_ready && rabbit_sync; }
        sleep "0.$((RANDOM % 6 + 3))"
        [ "$round" != 3 ] || rabbit_kill
        ackd_kill
        [ "$round" != 3 ] || rabbit_restart
    done
    ackd_start
    all_dead() {
        [ "$(amqp depth "$queue")" = 0 ] && [ "$(amqp depth "$queue.retry.100ms")" = 0 ] &&
            [ "$(amqp depth "$queue.retry.200ms")" = 0 ] && [ "$(amqp depth "$queue.dead")" -ge 400 ]
    }
    tap_check "$type: after five kills, and one of the broker, all come to an end" wait_for 60 all_dead
    all_dead || tap_note "without a leader: $(rabbit_leaderless "$queue.dead" "$queue.retry.100ms" "$queue.retry.200ms")"
    ackd_stop
    tap_is "$type: all 400 are dead letters" \
        "$(amqp drain "$queue.dead" | sed 's/.*"order": \([0-9]*\).*/\1/' | sort -u | wc -l)" 400
done
broker_test_end

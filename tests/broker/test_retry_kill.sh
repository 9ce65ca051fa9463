#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# retry_kill - ackd is killed ten times, and the broker twice, between the steps of retries and dead letters,
# of a classic and of a quorum queue: no message is lost on the way.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
count=$(scaled 200)
ackd_log_level=warning

consumer() {
    echo "
  $1: {queue: $1, handler: record, concurrency: 32, settings: {file: $work/record},
    retry: {attempts: 4, first: 100ms, factor: 2, max: 500ms}}"
}
ackd_config "
consumers:$(consumer classic)$(consumer quorum)"

# dead QUEUE: the different messages among its dead letters.
dead() {
    amqp drain -H "$1.dead" | grep -oE 'x-id-[0-9]+' | sort -u | wc -l
}

# Every message is dead in the end: as many as that, or copies of some; and none is under way.
all_dead() {
    local type
    for type in classic quorum; do
        [ "$(amqp depth "$type.dead" 2>/dev/null || echo 0)" -ge "$count" ] && queue_depth_is "$type" 0 &&
            queue_depth_is "$type.retry.100ms" 0 && queue_depth_is "$type.retry.200ms" 0 &&
            queue_depth_is "$type.retry.500ms" 0 || return
    done
}

: >"$work/record"
for type in classic quorum; do
    amqp declare "$type" x-queue-type=$type
    amqp publish -c -i x-id- -h do=fail "$type" "$count"
done
for kill in 1 2 3 4 5 6 7 8 9 10; do
    begun=$(recorded '^start ')
    ackd_start
    wait_s=5 wait_recorded "^start " $((begun + 1 + RANDOM % 80))
    sleep "0.$((RANDOM % 6))"
    if [ $((kill % 5)) -eq 0 ]; then
        rabbit_kill
        rabbit_restart || tap_not_ok "the broker starts again"
    fi
    ackd_kill
done
ackd_start
tap_check "all have failed four times" wait_for 120 all_dead
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
for type in classic quorum; do
    tap_is "promise_d12_killed_between_the_steps_no_message_is_lost ($type)" "$(dead "$type")" "$count"
done
tap_note "$(recorded '^end ') tries of $((2 * count)) messages"
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# control - an operator pauses, resumes and bounds consumers while they run, on the same connections and channels.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# The daemon with an operator at file descriptor 7.
steered_start() {
    ackd_log=$work/steered.log
    rm -f "$work/orders"
    mkfifo "$work/orders"
    "$top_builddir/tests/lib/steered" "$work/ackd.yaml" <"$work/orders" >"$work/answers" 2>"$ackd_log" &
    ackd_pid=$!
    exec 7>"$work/orders"
    : >"$work/answers"
}

answered() {
    grep -qF "$1: " "$work/answers"
}

# order COMMAND: given, and its answer awaited.
order() {
    echo "$1" >&7
    wait_for 10 answered "$1" && sed -n "s/^$1: //p" "$work/answers" | tail -n 1
}

unacked() {
    rabbit_eval 'lists:sum([N || Q <- rabbit_amqqueue:list(), {_, N} <- rabbit_amqqueue:info(Q, [messages_unacknowledged]), is_integer(N)]).'
}

unacked_is() {
    [ "$(unacked)" = "{ok, $1}" ]
}

channels() {
    rabbit_eval '[proplists:get_value(pid, C) || C <- rabbit_channel:info_all([pid])].'
}

running_is() {
    [ "$(($(recorded "^start .*") - $(recorded '^end')))" -eq "$1" ]
}

running_at_most() {
    [ "$(($(recorded "^start .*") - $(recorded '^end')))" -le "$1" ]
}

ackd_config "
limits:
  shared: {concurrency: 6}
consumers:
  one: {queue: one, handler: record, concurrency: 4, prefetch: 20, limits: [shared], settings: {file: $work/record, delay: 300ms}}
  two: {queue: two, handler: record, concurrency: 4, prefetch: 20, limits: [shared], settings: {file: $work/record, delay: 300ms}}"
: >"$work/record"
amqp declare one
amqp declare two
amqp publish -c one 40
amqp publish -c -n 1001 two 40
steered_start
ackd_wait_ready 2
tap_check "promise_c4_two_consumers_share_the_places_of_their_group" wait_for 10 running_is 6
before=$(channels)
tap_note "channels: $before"
for queue in one two; do
    tap_is "$queue is paused" "$(order "pause $queue")" ok
done
tap_check "promise_s3_what_it_has_not_started_is_given_back_at_once" wait_for 3 running_at_most 6
tap_check "and nothing is left when what ran has ended" wait_for 10 unacked_is 0
left=$(($(amqp depth one) + $(amqp depth two)))
tap_is "all that was not done is in the queues" "$((80 - $(recorded ' ok$')))" "$left"
sleep 0.5
tap_is "nothing starts while it is paused" "$((80 - $(recorded ' ok$')))" "$left"
tap_is "a group is bounded otherwise" "$(order 'limit shared 2 0 0')" ok
for queue in one two; do
    tap_is "$queue is resumed" "$(order "resume $queue")" ok
done
tap_check "it consumes again" wait_recorded ' ok$' $((80 - left + 2))
tap_check "promise_c8_within_its_new_bound" running_at_most 2
tap_is "no bound" "$(order 'limit shared 0 0 0')" ok
tap_is "more at once" "$(order 'concurrency one 30')" ok
tap_is "more ahead" "$(order 'prefetch two 40')" ok
tap_check "all are done" wait_recorded ' ok$' 80
tap_is "without a new channel" "$(channels)" "$before"
tap_check "of which there are some" grep -q '<' <<<"$before"

# Of what runs, one is cancelled: it goes back, and is done then; one is made dead.
amqp publish -c -n 2001 -h wait=60000 one 2
tap_check "two run for a minute" wait_recorded '^start 200[12] ' 2
tap_is "all of it is made dead" "$(order 'kill one 0')" ok
tap_check "they are dead letters" queue_settles one.dead 2
tap_check "with the reason" grep -q 'cancelled by an operator' <<<"$(amqp get -H one.dead)"
amqp publish -c -n 2003 -h wait=60000 one 1
tap_check "one runs for a minute" wait_recorded '^start 2003 ' 1
tap_is "the consumer is paused, and what runs cancelled" "$(order 'stop-and-pause one')" ok
tap_check "it is back in the queue" queue_settles one 1
tap_is "a stranger is not found" "$(order 'pause three')" "there is no consumer 'three'"
tap_is "a bound is a bound" "$(order 'prefetch one 0')" "a prefetch of 0: from 1 to 65535 is possible"

# A rate, from nothing to slow.
tap_is "a rate" "$(order 'rate two 10 1000')" ok
amqp publish -c -n 3001 -h wait=0 two 100
tap_check "some start" wait_recorded '^start 3' 10
from=$(recorded '^start 3')
sleep 1
tap_check "about ten in a second" [ "$(($(recorded '^start 3') - from))" -le 14 ]
exec 7>&-
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# recovery - what a real broker takes away under running handlers, and what comes of their results.
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
    concurrency: 8
    priority: 7
    arguments: {x-team: shipping, x-level: 3}
    probe: 1s
    settings: {file: $work/record, act: hold}
  canceled:
    queue: c
    handler: record
    orphans: cancel
    settings: {file: $work/record, act: hold}
  alone:
    queue: x
    handler: record
    exclusive: true
    probe: 1s
    settings: {file: $work/record}"

close_connections() {
    rabbit_ctl close_all_connections "for the test" >/dev/null
}

# connection_names: those of all there are.
connection_names() {
    rabbit_ctl -q list_connections client_properties | tr '{' '\n' |
        sed -n 's/^"connection_name","\(.*\)"}.*/\1/p'
}

consuming() {
    ackd_wait_ready $((3 * $1))
}

for queue in q c x; do
    amqp declare "$queue"
done
ackd_start
tap_check "it consumes" consuming 1
tap_check "a connection is named after host, purpose and consumers" \
    grep -qE "^ackd [^ ]+ consuming: .*record.*canceled.*alone" <(connection_names)
tap_check "a consumer has its priority" \
    grep -qE "^q.*x-priority.*7" <(rabbit_ctl -q list_consumers queue_name arguments)
tap_check "and the arguments of its configuration" \
    grep -qE "^q.*x-team.*shipping.*x-level.*3" <(rabbit_ctl -q list_consumers queue_name arguments)

# The same configuration once more: an exclusive consumer waits for its queue.
first_pid=$ackd_pid first_log=$ackd_log
ackd_start
tap_check "another exclusive consumer is told to wait" wait_for 20 grep -q 'this one waits for it' "$ackd_log"
ackd_kill
ackd_pid=$first_pid ackd_log=$first_log

# One message, published twice: two runs, whose channel dies under them, and no more.
amqp publish -n 7 q 1
amqp publish -n 7 q 1
amqp publish -n 8 c 1
tap_check "three run" eval "wait_recorded '^start 7' 2 && wait_recorded '^start 8' 1"
close_connections
tap_check "it consumes again" consuming 2
tap_check "a handler is cancelled where that is wanted" wait_recorded "^end 8 canceled" 1
touch "$work/record.go"
tap_check "the others go on" wait_recorded "^end 7 ok" 2
tap_check "what came back is acknowledged for them" ackd_wait recognized 2
tap_is "and did not run again" "$(recorded '^start 7')" 2
tap_check "the one that was cancelled runs again" wait_recorded "^end 8 ok" 1
tap_check "nothing is left" eval "queue_settles q 0 && queue_settles c 0"

# The broker takes the channel of a message that is not acknowledged in its time.
rm "$work/record.go"
consumed=$(ackd_events consuming)
rabbit_ctl eval 'application:set_env(rabbit, consumer_timeout, 1000),
                 application:set_env(rabbit, channel_tick_interval, 500).' >/dev/null
close_connections
tap_check "it consumes once more" ackd_wait_ready $((consumed + 3))
amqp publish -n 9 q 1
tap_check "a late message costs its channel, which is told with its handler" \
    wait_for 20 grep -qE "level=error.*event=not-consuming.*timed out.*handler 'record'" "$ackd_log"
rabbit_ctl eval 'application:set_env(rabbit, consumer_timeout, 1800000).' >/dev/null
touch "$work/record.go"
tap_check "it ends" wait_recorded "^end 9 ok" 1
tap_check "and is acknowledged when it comes back" ackd_wait recognized 3
tap_is "without running again" "$(recorded '^start 9')" 1

tap_is "idle subscriptions are not condemned" "$(grep -c 'has forgotten' "$ackd_log")" 0
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

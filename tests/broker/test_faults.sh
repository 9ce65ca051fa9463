#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# faults - the broker goes, freezes, restarts, loses the queue: consumption comes back by itself.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
ackd_reconnect_max=3s
ackd_config "
consumers:
  record:
    queue: q
    handler: record
    concurrency: 16
    settings: {file: $work/record}"

number=0

# flows: a message that is published now is handled.
flows() {
    number=$((number + 1))
    amqp publish -n "$number" q && wait_recorded "^end $number ok" 1
}

# lines: of warning or worse in the log.
lines() {
    grep -cE 'level=(warning|error)' "$ackd_log"
}

# losses: of the connection or the subscription that consumes, in the log.
losses() {
    grep -cE 'event=disconnected .*link=consuming|event=canceled' "$ackd_log"
}

more_losses_than() {
    [ "$(losses)" -gt "$1" ]
}

# survives NAME FAULT CURE: after both, messages flow again, and the log says so in few words.
survives() {
    local before lost consuming from=$SECONDS
    before=$(lines)
    lost=$(losses)
    consuming=$(ackd_events consuming)
    "$2"
    tap_check "$1: the log tells of it" wait_for 15 more_losses_than "$lost"
    "$3"
    tap_check "$1: it consumes again" ackd_wait_ready $((consuming + 1))
    tap_check "$1: messages are handled again" flows
    # A line for each attempt, and attempts get rarer.
    tap_within "$1: the log is short" $(($(lines) - before)) 1 $((12 + SECONDS - from))
}

nothing() {
    :
}

delete_queue() {
    amqp delete q
}

declare_queue() {
    amqp declare q
}

close_connections() {
    rabbit_ctl close_all_connections "for the test" >/dev/null
}

amqp declare q
ackd_start
tap_check "it consumes" ackd_wait_ready
tap_check "messages are handled" flows
survives "connections closed by an operator" close_connections nothing
survives "broker stopped and started" rabbit_stop_node rabbit_restart
survives "broker killed and started" rabbit_kill rabbit_restart
survives "broker frozen" rabbit_freeze rabbit_thaw
survives "queue deleted and declared again" delete_queue declare_queue
tap_check "it never ended" ackd_alive
tap_is "each loss is told with its reason" "$(grep -c 'an error was lost' "$ackd_log")" 0
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0

# Stopping does not wait for a broker that is not there.
ackd_start
ackd_wait_ready
rabbit_freeze
from=$SECONDS
ackd_stop
tap_is "with a frozen broker it stops with 0" "$ackd_status" 0
tap_within "and soon" $((SECONDS - from)) 0 8
rabbit_thaw
broker_test_end

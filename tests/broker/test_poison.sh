#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# poison - messages made to hurt their consumer are set aside; connection and neighbours are not harmed.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
ackd_heartbeat=15s
ackd_config "
consumers:
  record:
    queue: q
    handler: record
    concurrency: 8
    message-size: 16MiB
    buffer: 32MiB
    settings: {file: $work/record}"

number=0
flows() {
    number=$((number + 1))
    amqp publish -n "$number" q && wait_recorded "^end $number ok" 1
}

peak_rss_kb() {
    awk '$1 == "VmHWM:" { print $2 }' "/proc/$ackd_pid/status"
}

# harmless NAME: neighbours are handled, the queue empties, nothing was torn down.
harmless() {
    tap_check "$1: the next message is handled" flows
    tap_check "$1: it is out of the queue" queue_settles q 0
    tap_check "$1: ackd is alive" ackd_alive
    tap_is "$1: the connection stayed up" "$(ackd_events consuming)" 1
}

amqp declare q x-queue-type=quorum
ackd_start
tap_check "it consumes" ackd_wait_ready
amqp publish -N 20000 q
harmless "promise_d6_headers_nested_20000_deep"
amqp publish -N 33 q
harmless "promise_d6_headers_nested_33_deep"
amqp publish -L 131000 q
harmless "131 kB of headers"
amqp publish -s 104857600 q
harmless "a body of 100 MiB"
amqp publish -s 16777216 -n 1000 q
tap_check "a body of just the limit is handled" wait_recorded '^end 1000 ok' 1
amqp publish -s 16777217 -n 1001 q
harmless "a body of one byte more"
tap_is "its handler never saw it" "$(recorded '^start 1001 ')" 0
tap_within "memory stays within bounds (kB)" "$(peak_rss_kb)" 1 160000
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
tap_is "none of the four is lost: each is in q.dead or given back" \
    $(($(amqp depth q) + $(amqp depth q.dead 2>/dev/null || echo 0))) 4
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rows_wire - what networks do, by a proxy between ackd and the broker: rows 7 to 11, 33 and 38 of
# the table of faults, with every message accounted for.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
. "$top_srcdir/tests/lib/rows.sh"
broker_test_begin
proxy_start || { tap_not_ok "the proxy starts"; exit 1; }
row_uses_proxy
ackd_reconnect_first=10ms ackd_reconnect_max=100ms

ackd_config "
shutdown: {timeout: 20s}
consumers:
  record:
    queue: q
    handler: record
    concurrency: 16
    prefetch: $row_prefetch
    settings: {file: $work/record}"

: >"$work/record"
amqp declare q
ackd_start
tap_check "it consumes" ackd_wait_ready

# heal: no faults, and no connection that still suffers from one: it would be waited for.
heal() {
    proxy pass
    proxy cut close
}

row_begin promise_r3_row_07_packets_are_lost_both_ways
row_running
proxy hold up
proxy hold down
row_logs "silence for two heartbeats is noticed" 'event=disconnected .*(nothing came from|taken no bytes).*link=consuming'
proxy pass
row_back
row_end

row_begin row_08_nothing_arrives_at_the_broker
row_running
proxy hold up
row_lost
heal
row_back
row_end

# The other way is what the liveness of the peer hangs on.
row_begin row_08_nothing_comes_from_the_broker
row_running
proxy swallow down
row_lost
heal
row_back
row_end

row_begin row_08_acknowledgements_are_swallowed
row_running
proxy swallow up
row_lost
heal
row_back
row_end

# sessions_end COUNT: so many were begun since @before, or there is nothing more to be had of them.
sessions_end() {
    proxy_accepted_at_least $((before + $1)) || row_handled_at_least "$row_count"
}

# Every byte of a session, from the protocol header to the deliveries, with both ends; at the usual
# length every eleventh.
step=11
[ "${ACKD_TEST_FULL:-no}" = no ] || step=1
for way in up down; do
    for end in close reset; do
        row_begin "row_09_${end}_after_any_byte_$way" 100
        sessions=$((1100 / step))
        before=$(proxy_accepted)
        proxy limit "$way" 0 "$end" "$step"
        tap_check "$row: sessions end" wait_for 120 sessions_end "$sessions"
        tap_note "$row: $(($(proxy_accepted) - before)) sessions, one in $step bytes"
        heal
        row_end $((sessions * row_prefetch))
    done
done

row_begin row_10_segments_of_one_byte
row_running
proxy slice up 1
proxy slice down 1
row_end 0
row_kept
row_begin row_10_segments_of_one_byte_from_the_greeting_on
proxy cut close
row_back
row_end
proxy pass

row_begin row_11_latency_and_jitter 200 -h wait=10
row_running
proxy latency up 150 300
proxy latency down 150 300
row_end 0
row_kept
proxy pass

row_begin row_11_little_bandwidth 60 -s 2000
proxy bandwidth down 40000
row_end 0
row_kept
proxy pass

# One byte after the other is made another one, in one session after the other. Whatever it was, the
# connection recovers; a body that was changed is another body, so that numbers say nothing here.
row_begin row_38_any_byte_is_another 60
before=$(proxy_accepted)
proxy corrupt down 0 29
for _ in $(seq 20); do
    proxy cut close
    sleep 0.2
done
heal
tap_within "$row: sessions went wrong" $(($(proxy_accepted) - before)) 12 400
tap_check "$row: the queue runs empty" wait_for 60 queue_depth_is q 0
tap_check "$row: ackd is alive" ackd_alive

# twisted NAME ACT WHICH: a frame from the broker is lost or comes twice.
twisted() {
    row_begin "row_33_$1"
    row_running
    proxy frame down "$2" "$3"
    row_lost
    proxy pass
    row_back
    row_end
}
twisted a_delivery_without_a_header drop header
twisted a_delivery_without_a_body drop body
twisted a_header_twice twice header
twisted a_body_twice twice body
broker_test_end

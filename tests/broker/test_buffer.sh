#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# buffer - what is held of the bodies is bounded by bytes too, and the connection lives through it.
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
    concurrency: 4
    prefetch: 200
    buffer: 8MiB
    settings: {file: $work/record, delay: 100ms}
  small:
    queue: small
    handler: record
    message-size: 64KiB
    settings: {file: $work/small}
  large:
    queue: large
    handler: record
    settings: {file: $work/large}"

peak_rss_kb() {
    awk '$1 == "VmHWM:" { print $2 }' "/proc/$ackd_pid/status"
}

consuming_connections() {
    rabbit_ctl -q list_connections client_properties | grep -o 'ackd [^"]* consuming: [^"]*' |
        sed 's/.*consuming: //' | sort | tr '\n' ';'
}

amqp declare q
amqp declare small
amqp declare large
amqp publish -s 1048576 q 200
ackd_start
tap_check "it consumes" ackd_wait_ready 3
tap_is "who has a buffer of its own has a connection of its own" "$(consuming_connections)" \
    "record;small, large;"
# 200 MiB at 40 a second with a heartbeat of 2 s: reading stops and goes on all the time.
tap_check "all of 200 MiB is handled" wait_recorded '^end .* ok' 200
# The connection takes it, for "large".
amqp publish -s 62914560 -n 7 small
amqp publish -n 8 small
tap_check "promise_d4_who_is_sent_what_another_takes_parks_it" ackd_wait parked
tap_check "... and goes on" wait_for 20 grep -q "^end 8 ok" "$work/small"
tap_is "... and its handler never saw it" "$(grep -c "^start 7 " "$work/small")" 0
tap_within "promise_d4_memory_stays: at no time were more than some 16 MiB held (kB)" "$(peak_rss_kb)" 1 40000
tap_is "the connection stayed up, though reading paused" "$(ackd_events consuming)" 3
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
tap_is "nothing is left" "$(amqp depth q)" 0
tap_is "... but what is too large" "$(amqp depth small)" 1

# Two share a connection and 16 MiB: what is large is fetched one by one, what is small flows.
rm -f "$work"/{large,small}
ackd_log_level=debug
ackd_config "
runtime: {buffer: 16MiB}
consumers:
  large:
    queue: q
    handler: record
    concurrency: 4
    prefetch: 100
    message-size: 8MiB
    settings: {file: $work/large, delay: 100ms}
  other:
    queue: other
    handler: record
    settings: {file: $work/other}"
amqp declare other
amqp publish -s 1048576 q 150
ackd_start
tap_check "it consumes" ackd_wait_ready 2
tap_check "who is past its share fetches less" ackd_wait share
tap_check "... and consumes on, on its channel" wait_for 30 grep -q "event=consuming.*prefetch [1-7]\"" "$ackd_log"
amqp publish other 50
tap_check "another of the connection has all that it can" wait_for 30 grep -q "^end 50 ok" "$work/other"
tap_within "... long before the large ones are done" "$(grep -c "^end" "$work/large")" 1 145
tap_check "all are handled" wait_for 30 grep -q "^end 150 ok" "$work/large"
amqp publish -n 1001 q 4000
tap_check "small ones are handled" wait_for 60 grep -q "^end 1040 ok" "$work/large"
tap_check "... and more is fetched again" wait_for 30 grep -q "event=share.* prefetch=0" "$ackd_log"
tap_is "all on one connection" "$(ackd_events connected)" 2
amqp purge q
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

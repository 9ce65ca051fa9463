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
    settings: {file: $work/record, delay: 100ms}"

peak_rss_kb() {
    awk '$1 == "VmHWM:" { print $2 }' "/proc/$ackd_pid/status"
}

amqp declare q
amqp publish -s 1048576 q 200
ackd_start
tap_check "it consumes" ackd_wait_ready
# 200 MiB at 40 a second with a heartbeat of 2 s: reading stops and goes on all the time.
tap_check "all of 200 MiB is handled" wait_recorded '^end .* ok' 200
tap_within "at no time were more than some 16 MiB held (kB)" "$(peak_rss_kb)" 1 40000
tap_is "the connection stayed up, though reading paused" "$(ackd_events consuming)" 1
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
tap_is "nothing is left" "$(amqp depth q)" 0
broker_test_end

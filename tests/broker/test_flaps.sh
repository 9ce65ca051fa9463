#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# flaps - a connection that is lost a thousand times, in each phase of its life, leaves behind neither
# descriptors nor memory nor tasks nor timers.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
. "$top_srcdir/tests/lib/rows.sh"
broker_test_begin
proxy_start || { tap_not_ok "the proxy starts"; exit 1; }
row_uses_proxy
ackd_reconnect_first=10ms ackd_reconnect_max=100ms ackd_log_level=info
ackd_config "
consumers:
  record:
    queue: q
    handler: record
    concurrency: 16
    prefetch: $row_prefetch
    settings: {file: $work/record}"
flaps=$(scaled 1000)
: >"$work/record"

accepted_at_least() {
    proxy_accepted_at_least "$1"
}

# flap COUNT ACT WHICH: so many connections end with a frame from the broker, and it is back afterwards.
flap() {
    local before
    before=$(proxy_accepted)
    proxy frame down "$2" "$3" "$1"
    proxy cut "$2"
    amqp publish -c -n 900001 -h wait=20 q 50
    wait_for 240 accepted_at_least $((before + $1)) || tap_not_ok "$1 connections end at $3"
    proxy pass
}

descriptors() {
    find "/proc/$ackd_pid/fd" -mindepth 1 | wc -l
}

resident_kb() {
    awk '$1 == "VmRSS:" { print $2 }' "/proc/$ackd_pid/status"
}

threads() {
    awk '$1 == "Threads:" { print $2 }' "/proc/$ackd_pid/status"
}

# What SIGQUIT tells, a line for each loop.
tasks() {
    local before
    before=$(grep -c 'tasks live' "$ackd_log")
    ackd_signal QUIT
    wait_for 20 more_tasks_told "$before"
    grep -oE '[0-9]+ tasks live' "$ackd_log" | tail -n 1
}

more_tasks_told() {
    [ "$(grep -c 'tasks live' "$ackd_log")" -gt "$1" ]
}

# settled: both connections are there, and nothing is in flight.
both_open() {
    proxy status | grep -q 'open=2 '
}
settled() {
    tap_check "$1: it consumes, with two connections" wait_for 40 both_open
    tap_check "$1: the queue is empty" queue_settles q 0
    row_begin "$1" 20
    row_end 0
}

# Beginnings, ends by a reset and by a close; while it logs in, opens channels, consumes, handles.
round() {
    flap $(($1 * 15 / 100 + 1)) reset 10.30
    flap $(($1 * 10 / 100 + 1)) close 10.41
    flap $(($1 * 10 / 100 + 1)) reset 20.11
    flap $(($1 * 30 / 100 + 1)) reset 60.21
    flap $(($1 * 20 / 100 + 1)) close 60.60
    flap $(($1 * 15 / 100 + 1)) close 85.11
}

amqp declare q
ackd_start
tap_check "it consumes" ackd_wait_ready
round $((flaps / 10))
settled before
fds=$(descriptors) kb=$(resident_kb) tasks=$(tasks) threads=$(threads)
before=$(proxy_accepted)
round "$flaps"
settled after
tap_within "promise_r14_connections were lost" $(($(proxy_accepted) - before)) "$flaps" 1000000
tap_is "promise_r14_flaps_leave_no_descriptors" "$(descriptors)" "$fds"
tap_is "promise_r14_flaps_leave_no_tasks" "$(tasks)" "$tasks"
tap_is "promise_r14_flaps_leave_no_threads" "$(threads)" "$threads"
tap_within "promise_r14_flaps_leave_no_memory (kB more)" $(($(resident_kb) - kb)) -100000 1500
tap_note "$flaps flaps: from $kb kB to $(resident_kb) kB"
ackd_stop
# A timer that is still armed when the loop ends is an assertion that fails.
tap_is "promise_r14_flaps_leave_no_timers: it stops with 0" "$ackd_status" 0
broker_test_end

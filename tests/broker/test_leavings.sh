#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# leavings - what a daemon that worked, lost its broker and was stopped leaves behind: no descriptors,
# no memory. Handles of libuv are looked at by the daemon itself, which aborts where one is left.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
if ! command -v valgrind >/dev/null; then
    tap_skip "promise_s11_a_stop_leaves_nothing" "there is no valgrind"
    tap_done
    exit 0
fi
broker_test_begin
ackd_heartbeat=15s wait_s=60
ackd_config "
consumers:
  record:
    queue: q
    handler: record
    concurrency: 8
    settings: {file: $work/record}"
: >"$work/record"
amqp declare q
amqp publish -c q 40
amqp publish -c -n 101 -h do=dead q 3

# As ackd_start, but looked after.
ackd_log=$work/ackd.log
report=$work/valgrind
env LD_LIBRARY_PATH="$top_builddir/.libs" valgrind --fair-sched=yes --track-fds=yes --leak-check=full \
    --show-leak-kinds=definite --errors-for-leak-kinds=definite --log-file="$report" \
    "$top_builddir/.libs/ackd" run -c "$work/ackd.yaml" >>"$work/ackd.out" 2>"$ackd_log" &
ackd_pid=$!
tap_check "it consumes" ackd_wait_ready
tap_check "messages are handled" wait_recorded ' ok$' 40
tap_check "others are dead letters" wait_for 60 queue_settles q.dead 3
rabbit_ctl close_all_connections "for the test" >/dev/null
tap_check "it consumes again" ackd_wait_ready 2
amqp publish -c -n 201 q 40
tap_check "messages are handled again" wait_recorded ' ok$' 80
ackd_stop 60
tap_is "it stops with 0" "$ackd_status" 0
tap_check "there is a report of what was left" grep -q 'ERROR SUMMARY' "$report"
tap_empty "promise_s11_no_descriptor_is_left" "$(awk '/==[0-9]+== Open / { what = $0; getline
    if (!/inherited from parent/) print what }' "$report")"
tap_check "promise_s11_no_memory_is_left" \
    grep -qE 'definitely lost: 0 bytes|All heap blocks were freed' "$report"
tap_note "$(grep -E 'lost: |reachable: ' "$report")"
broker_test_end

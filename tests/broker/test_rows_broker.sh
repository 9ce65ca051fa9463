#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rows_broker - what a broker does to its connections, channels and queues: rows 1 to 6 and 18 to 26 of
# the table of faults, with every message accounted for.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
. "$top_srcdir/tests/lib/rows.sh"
broker_test_begin

# configure QUEUE...: a consumer for each.
configure() {
    local queue consumers=
    for queue; do
        consumers+="
  $queue: {queue: $queue, handler: record, concurrency: 16, prefetch: $row_prefetch,
    dead-letter: $queue.dead, settings: {file: $work/record}}"
    done
    ackd_config "
shutdown: {timeout: 20s}
consumers:$consumers"
}

: >"$work/record"
for queue in deleted crashed killed q; do
    amqp declare "$queue"
done
amqp declare quorum x-queue-type=quorum
configure deleted crashed killed q quorum
ackd_start
tap_check "they consume" ackd_wait_ready 5
proc_of() {
    echo "{ok,Q}=rabbit_amqqueue:lookup({resource,<<\"/\">>,queue,<<\"$1\">>}), amqqueue:get_pid(Q)"
}

row_begin row_01_an_operator_closes_the_connections
row_running
rabbit_eval '[rabbit_networking:close_connection(P,"for the test")||P<-rabbit_networking:connections_local()].' >/dev/null
row_logs "the log tells the reason" 'event=disconnected .*320 .*for the test'
row_back
row_end

row_begin row_02_the_broker_stops_and_starts
row_running
rabbit_eval 'rabbit:stop().' >/dev/null
row_lost
rabbit_eval 'rabbit:start().' >/dev/null
row_back
row_end

row_begin row_03_maintenance
row_running
rabbit_eval 'rabbit_maintenance:drain().' >/dev/null
row_logs "the log tells the reason" 'event=disconnected .*320 .*maintenance'
rabbit_eval 'rabbit_maintenance:revive().' >/dev/null
row_back
row_end

row_begin row_04_the_broker_is_killed
row_running
rabbit_kill
row_lost
rabbit_restart
row_back
row_end

row_begin promise_r3_row_05_the_broker_freezes
row_running
rabbit_freeze
row_logs "silence for two heartbeats is noticed" 'event=disconnected .*nothing came from.*link=consuming'
rabbit_thaw
row_back
row_end

# The broker hangs up after three heartbeats, on both connections.
missed() {
    [ "$(grep -c 'missed heartbeats from client' "$(rabbit_log)")" -ge "$1" ]
}
row_begin row_06_ackd_freezes
row_running
before=$(grep -c 'missed heartbeats from client' "$(rabbit_log)")
ackd_signal STOP
tap_check "$row: the broker notices" wait_for 30 missed $((before + 2))
ackd_signal CONT
row_lost
row_back
row_end

row_begin row_18_memory_alarm
row_running
rabbit_eval 'vm_memory_monitor:set_vm_memory_high_watermark(0.00001).' >/dev/null
tap_check "$row: the broker is alarmed" wait_for 20 grep -q 'memory resource limit alarm set' "$(rabbit_log)"
tap_check "$row: messages go on being handled and acknowledged" wait_for 40 queue_depth_is q 0
row_end 0
rabbit_eval 'vm_memory_monitor:set_vm_memory_high_watermark(0.4).' >/dev/null

# The broker cancels its consumers; those that are in work finish, and may still be acknowledged.
row_queue=deleted
row_begin promise_r7_row_21_the_queue_is_deleted 10 -h wait=1500
wait_for 20 row_started_at_least 10
amqp delete deleted
row_logs "the log tells of it" 'event=canceled'
tap_check "$row: what is in work finishes" wait_for 20 row_handled_at_least 10
row_logs "the queue that is not there is looked for again" 'NOT_FOUND'
amqp declare deleted
row_back
row_end 0

row_queue=crashed
row_begin promise_r7_row_22_the_process_of_a_queue_crashes
row_running
rabbit_eval "$(proc_of crashed), gen_server2:cast(amqqueue:get_pid(Q),boom)." >/dev/null
row_logs "the log tells of it" 'event=canceled'
row_back
row_end

# Nobody is told. What is unacknowledged comes again on the same channel, beside what runs.
row_queue=killed
row_begin promise_d11_row_23_the_process_of_a_queue_is_killed 40 -h wait=1500
row_running
rabbit_eval "$(proc_of killed), exit(amqqueue:get_pid(Q),kill)." >/dev/null
row_end
most=$(awk '$1 == "start" && $3 > most { most = $3 } END { print most }' "$work/record")
tap_within "$row: never more handlers than 'concurrency'" "$most" 1 16

row_queue=quorum
row_begin row_24_the_leader_of_a_quorum_queue_is_killed
row_running
rabbit_eval 'exit(whereis(binary_to_atom(<<"%2F_quorum">>)),kill).' >/dev/null
row_end

row_queue=q
row_begin row_25_the_process_of_a_channel_is_killed
row_running
rabbit_eval '[exit(P,kill)||P<-rabbit_channel:list_local()].' >/dev/null
row_logs "the log tells of it" 'event=disconnected .*541'
row_back
row_end

row_begin row_26_the_process_of_a_connection_is_killed
row_running
rabbit_eval '[exit(P,kill)||P<-rabbit_networking:connections_local()].' >/dev/null
row_lost
row_back
row_end

ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
for queue in deleted crashed killed quorum q; do
    tap_is "nothing came back to '$queue'" "$(amqp depth "$queue")" 0
done
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rows_work - what happens to messages in work: rows 19, 28, 34 to 36, 44, 53 and 54 of the table of faults, and
# ends whose answers are swallowed.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
. "$top_srcdir/tests/lib/rows.sh"
broker_test_begin
proxy_start || { tap_not_ok "the proxy starts"; exit 1; }

# configure [LINES]: a consumer of 'q' with so much more.
configure() {
    ackd_config "
shutdown: {timeout: 20s}
consumers:
  record:
    queue: q
    handler: record
    concurrency: 4
    prefetch: $row_prefetch
    ${1:-}
    settings: {file: $work/record}"
}

# Another ackd with the same configuration, of which only the log is looked at.
others=''
other_start() {
    env LD_LIBRARY_PATH="$top_builddir/.libs" "$top_builddir/.libs/ackd" run -c "$work/ackd.yaml" \
        >>"$work/ackd.out" 2>"$work/other.$1.log" &
    others+=" $!"
    also_running+=" $!"
}

# others_end: SIGTERM to all of them, and their end.
others_end() {
    local pid
    for pid in $others; do kill -TERM "$pid"; done
    for pid in $others; do wait "$pid"; done
    others=''
}

other_says() {
    grep -qE "$2" "$work/other.$1.log"
}

: >"$work/record"
amqp declare q

# Every tick the broker closes the channel again, until it sees the answer; a second answer would end
# the connection. The handler goes on, and what it did is known when the message comes again.
ackd_hosts=127.0.0.1:$proxy_port
configure
rabbit_eval 'application:set_env(rabbit,consumer_timeout,1000), application:set_env(rabbit,channel_tick_interval,1000).' >/dev/null
ackd_start
ackd_wait_ready
row_begin promise_r6_row_19_consumer_timeout 1 -h wait=5000
row_running
row_logs "the log tells of it" 'PRECONDITION_FAILED.*timed out'
rabbit_eval 'application:set_env(rabbit,consumer_timeout,1800000).' >/dev/null
row_back
row_end 1
tap_is "$row: each close is answered once" "$(proxy seen up 20.41)" "$(proxy seen down 20.40)"
tap_is "$row: the connection stays up" "$(proxy seen down 10.50)" 0

# The end of a connection is not answered: acknowledgements have arrived all the same.
for method in 20.41 10.51; do
    row_begin "promise_a7_row_09_the_end_is_not_answered_$method" 40 -h wait=1
    wait_for 30 row_handled_at_least 40
    proxy frame down drop "$method" 9
    ackd_stop
    tap_is "$row: it stops with 0" "$ackd_status" 0
    tap_is "$row: none of them came back" "$(amqp depth q)" 0
    proxy pass
    ackd_start
    ackd_wait_ready
done

# The broker refuses what must be published first: the message is not lost, and not dead twice.
amqp declare full x-max-length=5 x-overflow=reject-publish
amqp publish full 5
ackd_stop
ackd_hosts=127.0.0.1:$rabbit_port
configure "dead-letter: full"
ackd_start
ackd_wait_ready
amqp publish -c -n 800001 -h do=dead q 5
row_begin row_34_the_dead_letters_are_refused 40 -h wait=1
row_logs "the log tells of it" 'full'
row_end
tap_is "$row: no more are in than it takes" "$(amqp depth full)" 5
amqp purge full
tap_check "$row: all are there when it takes them" queue_settles full 5
tap_check "$row: and none is left" queue_settles q 0

# A header that the broker lengthened to more than the frames that were agreed upon.
amqp declare long x-queue-type=quorum
row_queue=long
ackd_stop
configure
sed -i 's/queue: q$/queue: long/' "$work/ackd.yaml"
for size in $(seq 131040 -10 130900); do
    amqp publish -c -i long- -L "$size" long 1 2>/dev/null && break
done
# The tool takes it and cannot read it: that counts as a delivery.
amqp requeue long 2>/dev/null
ackd_start
tap_check "promise_d5_row_36_a_header_beyond_the_frames_is_handled ($size bytes)" wait_recorded '^end long-1 ok' 1
tap_check "promise_d5_row_36_and_it is out of the queue" queue_settles long 0
tap_is "promise_d5_row_36_the connection stayed up" "$(ackd_events disconnected)" 0
ackd_stop
row_queue=q

# What is given back counts towards the limit of deliveries of a quorum queue, and beyond it the broker
# destroys the message. One that would come to that is put into the queue as a copy.
amqp declare limited x-queue-type=quorum x-delivery-limit=3
configure "delivery-limit: 3"
sed -i 's/queue: q$/queue: limited/; s/^shutdown:.*/shutdown: {timeout: 10s, soft: 0%}/' "$work/ackd.yaml"
amqp publish -c -i limited- -h wait=60000 limited 20
statuses=
for _ in $(seq 10); do
    begun=$(recorded '^start limited-')
    ackd_start
    wait_recorded '^start limited-' $((begun + 4))
    ackd_stop
    statuses+="$ackd_status "
done
tap_is "promise_a6_ten_stops_at_a_limit_of_three: each ends with 0" "$statuses" "0 0 0 0 0 0 0 0 0 0 "
tap_is "promise_a6_ten_stops_at_a_limit_of_three: no message is destroyed" \
    "$(amqp drain -H limited | grep -oE 'limited-[0-9]+' | sort -u | wc -l)" 20

# No descriptor is to be had: it goes on as soon as there is.
configure
ackd_start
ackd_wait_ready
row_begin row_44_no_descriptor_is_left
row_running
limit=$(awk '/Max open files/ { print $4 }' "/proc/$ackd_pid/limits")
prlimit --pid "$ackd_pid" --nofile=4:
rabbit_eval '[exit(P,kill)||P<-rabbit_networking:connections_local()].' >/dev/null
row_logs "the log tells of it" 'event=disconnected .*(too many open files|Too many open files)'
prlimit --pid "$ackd_pid" --nofile="$limit":
row_back
row_end

# One has all the messages, and stops: what it has not begun is with the other at once.
row_begin promise_s3_row_53_prefetched_messages_go_to_another "$row_prefetch" -h wait=2000
wait_for 30 row_started_at_least 4
other_start 1
tap_check "$row: the other consumes" wait_for 30 other_says 1 'event=consuming '
ackd_signal TERM
tap_check "$row: they run there" wait_for 30 row_started_at_least 8
tap_check "$row: while the first finishes what it has" ackd_alive
ackd_wait_exit
tap_is "$row: it stops with 0" "$ackd_status" 0
ackd_start
row_end 0

# Two with one configuration; one is killed.
row_begin row_53_one_of_two_is_killed 40
row_running
ackd_kill
tap_check "$row: the other handles all" wait_for 60 row_handled_at_least 40
ackd_start
row_end
others_end

row_begin row_54_many_start_with_the_broker 60 -h wait=50
rabbit_kill
for number in 1 2 3 4 5 6; do other_start "$number"; done
rabbit_restart
for number in 1 2 3 4 5 6; do
    tap_check "$row: number $number consumes" wait_for 40 other_says "$number" 'event=consuming '
done
row_back
row_end
others_end
ackd_stop

# One has the queue for itself; the other waits for it.
configure "exclusive: true"
other_start 1
wait_for 30 other_says 1 'event=consuming '
ackd_start
row_begin row_28_an_exclusive_consumer_is_elsewhere
row_line=0
row_logs "the log tells the reason" 'exclusive'
tap_check "$row: the other handles them" wait_for 40 row_handled_at_least 40
others_end
row_back
row_end 0
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

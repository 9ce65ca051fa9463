#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stop - stopping in stages: who finishes is acknowledged, who is cancelled is given back, none both.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# configure TIMEOUT CONCURRENCY
configure() {
    ackd_config "
shutdown: {timeout: $1, soft: 50%}
consumers:
  record:
    queue: q
    handler: record
    concurrency: $2
    settings: {file: $work/record}"
    : >"$work/record"
    amqp purge q
}

# started COUNT: that many are running.
started() {
    wait_recorded '^start ' "$1"
}

seconds() {
    date +%s
}

ids() {
    sort -n | uniq
}

amqp declare q

# Half finish within the soft stage, half would take a minute.
configure 6s 200
amqp publish -h wait=1000 q 100
amqp publish -h wait=60000 -n 101 q 100
ackd_start
tap_check "200 messages are in flight" started 200
ackd_stop
tap_is "promise_s6_a_stop_in_which_all_work_ended_in_time_exits_with_0" "$ackd_status" 0
awk '$1 == "end" && $3 == "ok" { print $2 }' "$work/record" | ids >"$work/done"
tap_is "those that finished in the soft stage are the short ones" "$(cat "$work/done")" "$(seq 100)"
tap_is "the others were cancelled" "$(recorded ' canceled$')" 100
tap_check "the log names those whose time was up" \
    grep -qE 'event=asked-to-stop .*consumer=[^ ]+ queue=q tag=[0-9]+ running_ms=[0-9]{4}' "$ackd_log"
amqp drain q | sed 's/[^0-9]*\([0-9]*\).*/\1/' | ids >"$work/back"
tap_is "the cancelled ones, and they alone, are back in the queue" "$(cat "$work/back")" "$(seq 101 200)"

# Acknowledgements that were written are not yet acknowledgements.
configure 10s 2000
amqp publish -h wait=700 q 2000
ackd_start
tap_check "2000 messages are done" wait_recorded ' ok$' 2000
ackd_stop
tap_is "an exit right after exits with 0" "$ackd_status" 0
tap_is "promise_a7_none_of_2000_acknowledgements_is_lost_at_the_end" "$(amqp depth q)" 0

# What does not end is named and given back.
configure 3s 10
amqp publish -h do=stubborn q 2
ackd_start
started 2
from=$(seconds)
ackd_stop
tap_is "promise_s6_work_given_back_by_force_exits_with_75" "$ackd_status" 75
tap_within "at the end of the time for stopping" $(($(seconds) - from)) 2 6
tap_is "what was given back is in the queue" "$(amqp depth q)" 2

# The second signal cancels at once, the third stops by force.
configure 60s 10
amqp publish -h wait=60000 q 2
ackd_start
started 2
from=$(seconds)
ackd_signal TERM
sleep 0.5
tap_check "after one signal it waits for its work" ackd_alive
ackd_stop
tap_is "promise_s9_after_the_second_signal_it_cancels_and_exits_with_0" "$ackd_status" 0
tap_within "at once" $(($(seconds) - from)) 0 5
tap_is "and the messages are back" "$(amqp depth q)" 2

configure 60s 10
amqp publish -h do=stubborn q 2
ackd_start
started 2
from=$(seconds)
ackd_signal TERM
sleep 0.5
ackd_signal INT
sleep 1
tap_check "work that is cancelled is still waited for" ackd_alive
ackd_stop
tap_is "promise_s9_the_third_signal_stops_by_force" "$ackd_status" 75
tap_within "at once, too" $(($(seconds) - from)) 0 7
tap_is "and these messages are back" "$(amqp depth q)" 2

# With nothing to do.
configure 60s 10
ackd_start
ackd_wait_ready
from=$(seconds)
ackd_stop
tap_is "an idle stop exits with 0" "$ackd_status" 0
tap_within "without delay" $(($(seconds) - from)) 0 2
broker_test_end

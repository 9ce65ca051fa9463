#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stream - read from where it is asked, stored behind what was completed, and never nacked.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
mkdir "$work/state"

# stream QUEUE OFFSET [MORE]: a configuration that reads it.
stream() {
    ackd_config "
runtime: {state: $work/state}
shutdown: {timeout: 4s, soft: 25%}
consumers:
  record:
    queue: $1
    handler: record
    concurrency: ${concurrency:-8}
    offset: $2
    declare: {type: stream}
    settings: {file: $work/record, quiet: true${3:-}}"
}

stored() {
    sed -n 's/^next //p' "$work/state/offset.record" 2>/dev/null
}

stored_is() {
    [ "$(stored)" = "$1" ]
}

# The ids that were handled to the end, each once.
handled() {
    sed -n 's/^end \([0-9]*\) ok$/\1/p' "$work/record" | sort -n | uniq
}

stream s stored
ackd_start
tap_check "a stream is declared and consumed" ackd_wait_ready
tap_check "it is one" grep -q stream <<<"$(rabbit_ctl -q list_queues name type --no-table-headers)"
amqp publish -c s 500
tap_check "all are handled" wait_recorded ' ok$' 500
tap_check "promise_d14_offset_is_stored: behind the last" wait_for 20 stored_is 500
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
amqp publish -c s 100
: >"$work/record"
ackd_start
tap_check "promise_d14_resumes_behind_what_is_stored" wait_recorded ' ok$' 100
ackd_stop
tap_is "nothing was handled again" "$(recorded ' ok$')" 100

# Killed again and again: nothing is skipped, and what comes twice was in flight or not yet stored.
count=$(scaled 20000)
: >"$work/record"
stream s stored ", delay: 2ms"
amqp publish -c s "$count"
for _ in 1 2 3 4 5; do
    ackd_start
    ackd_wait_ready
    sleep "0.$((RANDOM % 5 + 2))"
    ackd_kill
done
ackd_start
tap_check "promise_d14_killed_and_resumed: it comes to the end" wait_for 60 stored_is $((600 + count))
ackd_stop
tap_is "promise_d14_nothing_is_skipped: all $count were handled" "$(handled | wc -l)" "$count"
tap_note "handled more than once: $(($(recorded ' ok$') - count))"

# The position stays in front of a message that is not completed, whatever is done behind it.
: >"$work/record"
stream s stored
ackd_start
ackd_wait_ready
amqp publish -c -h wait=600000 s 1
amqp publish -c s 50
tap_check "those behind a slow one are handled" wait_recorded ' ok$' 50
ackd_kill
tap_is "promise_d14_completed_prefix_only: nothing is stored beyond the slow one" \
    "$(stored)" $((600 + count))

# A stop gives nothing back: no nack, no reject, and the position stays.
: >"$work/record"
ackd_start
tap_check "those behind it are handled again" wait_recorded ' ok$' 50
ackd_stop
tap_is "promise_a6_stream_release: it stops with 0" "$ackd_status" 0
tap_is "promise_a6_stream_release: and did not move" "$(stored)" $((600 + count))
tap_is "promise_a6_stream_never_nacked: no channel or connection was closed for it" \
    "$(grep -c 'NOT_IMPLEMENTED\|not_implemented' "$(rabbit_log)")" 0

# Failures: tried again here; given up, to the dead letters.
stream f first
ackd_start
ackd_wait_ready
: >"$work/record"
amqp publish -c -h do=dead f 3
amqp publish -c -h do=fail f 1
amqp publish -c f 10
tap_check "dead ones are dead letters" queue_settles f.dead 3
tap_check "others go on" wait_recorded ' ok$' 10
tap_check "promise_a6_stream_retry: a failed one is tried again" wait_recorded ' failed$' 3
tap_is "on one connection" "$(ackd_events disconnected)" 0
tap_check "and the stream has no copies of it" queue_settles f 14
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0

# Where it begins.
reads() {
    : >"$work/record"
    stream o "$1"
    ackd_start
    ackd_wait_ready
}
stream o next
ackd_start
ackd_wait_ready
ackd_stop
amqp publish -c o 10
reads next
amqp publish -c -i new o 1
tap_check "next reads what comes" wait_recorded ' ok$' 1
tap_is "and nothing else" "$(recorded ' ok$')" 1
rabbit_ctl -q close_all_connections lost >/dev/null
tap_check "after a loss" ackd_wait consuming 2
amqp publish -c -i new o 1
tap_check "it goes on where it was" wait_recorded ' ok$' 2
tap_is "with nothing again" "$(recorded ' ok$')" 2
ackd_stop
reads first
tap_check "first reads all" wait_recorded ' ok$' 12
ackd_stop
reads 10
tap_check "a number reads from there" wait_recorded ' ok$' 2
tap_is "and nothing before" "$(recorded ' ok$')" 2
ackd_stop
reads 2020-01-01T00:00:00Z
tap_check "a time reads from there" wait_recorded ' ok$' 12
ackd_stop
reads last
tap_check "last reads the last chunk" wait_recorded ' ok$' 1
ackd_stop

# A header of a publisher does not move the position.
stream h stored
ackd_start
ackd_wait_ready
amqp publish -c -h x-stream-offset=1000000 -h x-stream-offset=2000000 h 5
tap_check "promise_d14_forged_offsets: the position is the broker's" wait_for 20 stored_is 5
ackd_stop

# Without a place to store it does not start, or where nothing can be written; another stream's offset is not used.
rm "$work/state/offset.record"
printf 'ackd offset 1\nqueue other\nnext 3\n' >"$work/state/offset.record"
: >"$work/record"
stream h stored
ackd_start
tap_check "another stream's offset is not used" wait_recorded ' ok$' 5
tap_check "and told of" grep -q event=offset-unknown "$ackd_log"
ackd_stop
sed -i '/^runtime/d' "$work/ackd.yaml"
STATE_DIRECTORY='' ackd_start
ackd_wait_exit
tap_is "no place to store the offset is a matter of configuration" "$ackd_status" 78
STATE_DIRECTORY=$work/nowhere ackd_start
ackd_wait_exit
tap_is "so is a place that is not there" "$ackd_status" 78
tap_check "which is named" grep -q "event=start-failed .*state.*$work/nowhere" "$ackd_log"
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# order - messages of one key are handled one after the other as they came, whatever fails; others go on.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

keys=20

# keyed QUEUE ORDER SETTINGS [LINES]
keyed() {
    ackd_config "
consumers:
  record:
    queue: $1
    handler: record
    concurrency: 16
    key: header:key
    key-order: $2
    key-hold: ${key_hold:-30s}
    retry: {attempts: ${attempts:-5}, first: 50ms}
    settings: {file: $work/record, $3}
${4:-}"
    : >"$work/record"
}

# The first time that each message is done comes after that of all before it of its key.
out_of_order() {
    awk -v keys="$keys" '$1 == "end" && $3 == "ok" && !done[$2]++ {
        key = $2 % keys
        if ($2 < last[key]) print "message " $2 " of key " key " after " last[key]
        last[key] = $2
    }' "$work/record"
}

# While one of a key runs no other of it starts.
side_by_side() {
    awk -v keys="$keys" '
        $1 == "start" { if (busy[$2 % keys]++) print "message " $2 " while another of its key runs" }
        $1 == "end" { busy[$2 % keys]-- }' "$work/record"
}

done_count() {
    awk '$1 == "end" && $3 == "ok" && !done[$2]++ { count++ } END { print count + 0 }' "$work/record"
}

all_done() {
    [ "$(done_count)" -ge "$1" ]
}

count=$(scaled 1000)
for type in classic quorum; do
    keyed "strict.$type" strict 'delay: 2ms, act: flaky'
    amqp declare "strict.$type" x-queue-type=$type
    amqp publish -c -k $keys "strict.$type" "$count"
    ackd_start
    wait_for 30 all_done $((count / 2))
    rabbit_eval '[rabbit_networking:close_connection(P, "for a test") || P <- rabbit_networking:connections_local()], ok.' \
        >/dev/null
    tap_check "$type: all $count messages are done, over a lost connection" wait_for 60 all_done "$count"
    tap_check "$type: the queue runs empty" queue_settles "strict.$type" 0
    ackd_stop
    tap_check "$type: some failed, and were tried again" \
        [ "$(recorded ' failed$')" -ge $((count / 7)) ]
    tap_empty "$type: each key in order" "$(out_of_order)"
    tap_empty "$type: one at a time of each key" "$(side_by_side)"
    tap_is "$type: it stops with 0" "$ackd_status" 0
done

# A message that never succeeds keeps its key waiting for so long, and no other; then it is dead.
attempts=1000 key_hold=1500ms keyed held strict 'delay: 1ms'
amqp declare held
amqp publish -c -h do=fail -h key=3 -n 3 held 1
amqp publish -c -k $keys -n 21 held 100
ackd_start
tap_check "the other keys do not wait" wait_for 20 all_done 95
tap_is "the next of its key waits" "$(grep -c '^start 23 ' "$work/record")" 0
tap_check "the message is dead when its key has waited" queue_settles held.dead 1
tap_check "then its key goes on" wait_for 20 all_done 100
ackd_stop
tap_empty "in order" "$(out_of_order)"

# Relaxed: the next of the key goes on, one at a time.
keyed relaxed relaxed 'delay: 2ms, act: flaky'
amqp declare relaxed
amqp publish -c -k $keys relaxed 100
ackd_start
tap_check "relaxed: all are done" wait_for 60 all_done 100
tap_check "relaxed: the queue runs empty" queue_settles relaxed 0
ackd_stop
tap_empty "relaxed: one at a time of each key" "$(side_by_side)"
tap_is "the others of a key of one that failed went on" \
    "$(awk '$1 == "end" && $2 == 27 && $3 == "ok" { a = NR } $1 == "end" && $2 == 7 && $3 == "ok" { b = NR }
        END { print a < b ? "yes" : "no" }' "$work/record")" yes
broker_test_end

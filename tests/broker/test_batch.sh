#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# batch - messages that are handled together, with a real broker: full batches and late ones, a verdict
# for each message, order within a key, and a stop in the middle.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# batched QUEUE BATCH SETTINGS [LINES]
batched() {
    ackd_config "
shutdown: {timeout: 20s, soft: 5%}
consumers:
  record:
    queue: $1
    handler: record
    concurrency: 2
    batch: {$2}
    retry: {first: 100ms}
    settings: {file: $work/record, $3}
${4:-}"
    : >"$work/record"
}

# The largest of a column of the lines 'batch SIZE RUNNING'.
most() {
    awk -v column="$1" '$1 == "batch" && $column > most { most = $column } END { print most + 0 }' "$work/record"
}

done_once() {
    awk '$1 == "end" && $3 == "ok" { done[$2]++ } END { for (id in done) count++; print count + 0 }' "$work/record"
}

all_done() {
    [ "$(done_once)" -ge "$1" ]
}

amqp declare q
amqp publish q 1000
batched q 'size: 100, wait: 30s' 'delay: 20ms'
ackd_start
tap_check "full batches do not wait" wait_for 30 all_done 1000
tap_is "each had its 100 messages" "$(recorded '^batch 100 ')" 10
tap_is "no more than 2 ran at once" "$(most 3)" 2
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
tap_is "nothing is left" "$(amqp depth q)" 0

amqp publish q 7
batched q 'size: 100, wait: 200ms' 'delay: 0ms'
ackd_start
tap_check "a batch that does not become full starts after its wait" wait_for 30 all_done 7
tap_is "and takes what there is" "$(recorded '^batch 7 ')" 1
amqp publish -h do=dead q 3
amqp publish -h do=drop q 3
amqp publish -h do=fail q 1
amqp publish q 3
tap_check "marks decide on single messages" wait_recorded '^end .* failed' 2
tap_check "and the others are done" wait_recorded '^end .* ok' 10
ackd_stop
tap_is "the dead ones are in their queue" "$(amqp depth q.dead)" 3

amqp declare k
amqp publish -k 5 -c k 500
batched k 'size: 20, wait: 10ms' 'delay: 5ms' '    key: header:key'
ackd_start
tap_check "with a key all are handled" wait_for 30 all_done 500
ackd_stop
out_of_order() {
    awk '$1 == "end" && $3 == "ok" { if ($2 < last[$2 % 5]) print; last[$2 % 5] = $2 }' "$work/record"
}
# Two batches that run at once have no key in common.
shared_keys() {
    awk '$1 == "start" { if (busy[$2 % 5]++ && last[$2 % 5] != group) print; last[$2 % 5] = group }
         $1 == "batch" { group++ }
         $1 == "end" { busy[$2 % 5]-- }' "$work/record"
}
tap_is "those of a key in their order" "$(out_of_order)" ""
tap_is "no two batches at once had messages of one key" "$(shared_keys)" ""
tap_within "batches had several messages of a key" "$(most 2)" 6 20

amqp declare s
amqp publish s 60
batched s 'size: 20, wait: 10ms' 'delay: 1h'
ackd_start
tap_check "two batches run" wait_recorded '^batch 20 2' 1
ackd_stop
tap_is "a stop cancels them" "$ackd_status" 0
tap_is "what was in a batch and what waited for one is given back" "$(amqp depth s)" 60
tap_is "each batch is named once" "$(ackd_events asked-to-stop)" 2
broker_test_end

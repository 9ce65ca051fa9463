#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# declare - queues, exchanges and bindings as 'declare:' asks; what differs is told, slowly, and stays as it is.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# The bindings of the broker, as "exchange key queue".
bindings() {
    rabbit_ctl -q list_bindings source_name routing_key destination_name --no-table-headers | tr '\t' ' '
}

queue_says() {
    rabbit_ctl -q list_queues name type durable arguments --no-table-headers | grep "^$1	"
}

# Without 'declare:' nothing is made of what is missing but what ackd itself needs.
ackd_config "
consumers:
  record:
    queue: nowhere
    handler: record
    settings: {file: $work/record}"
ackd_start
tap_check "a queue that is missing is waited for" ackd_wait not-consuming
tap_is "promise_r17_passive_by_default: and not declared" "$(queue_says nowhere)" ""
amqp declare nowhere
tap_check "it is found when it is there" ackd_wait_ready
ackd_stop

shop="
consumers:
  record:
    queue: orders
    handler: record
    settings: {file: $work/record}
    declare:
      type: quorum
      arguments: {x-max-length: 1000, x-delivery-limit: 7}
      bind: [{exchange: shop, key: order.*}, {exchange: attributes, arguments: {x-match: all, n: 3}}]
      exchanges:
        - {name: all, type: fanout}
        - {name: shop, type: topic, bind: {exchange: all}}
        - {name: attributes, type: headers}
      dead-letter: {exchange: shop, key: lost, strategy: at-least-once}"
ackd_config "$shop"
ackd_start
tap_check "what was declared is consumed" ackd_wait_ready
said=$(queue_says orders)
tap_note "$said"
for part in quorum true '"x-max-length",1000' '"x-delivery-limit",7' '"x-dead-letter-exchange","shop"' \
    '"x-dead-letter-routing-key","lost"' '"at-least-once"' '"reject-publish"'; do
    tap_check "the queue has $part" grep -qF "$part" <<<"$said"
done
tap_check "it is bound" grep -qF "shop order.* orders" <<<"$(bindings)"
tap_check "the exchanges are bound" grep -qF "all  shop" <<<"$(bindings)"
rabbit_eval 'rabbit_basic:publish({resource,<<"/">>,exchange,<<"all">>},<<"order.new">>,[],<<"by two exchanges">>).' >/dev/null
tap_check "what is published far away arrives" wait_recorded ' ok$' 1

# Declaring the same again changes nothing, and neither does a new connection.
rabbit_ctl -q close_all_connections again >/dev/null
tap_check "after a loss it consumes again" ackd_wait consuming 2
ackd_stop
ackd_start
tap_check "a second start finds all as it is" ackd_wait_ready
tap_is "nothing was complained of" "$(ackd_events declare-failed)" 0
ackd_stop

# R17: what differs is told, tried again slowly, and never touched.
amqp publish orders 3
ackd_config "${shop/x-max-length: 1000/x-max-length: 2000}"
ackd_start
tap_check "a mismatch is told" ackd_wait declare-failed
line=$(grep event=declare-failed "$ackd_log" | head -n 1)
tap_note "$line"
for part in "queue 'orders'" x-max-length 1000 2000 "Nothing was changed"; do
    tap_check "promise_r17_mismatch_is_explained: it names $part" grep -qF "$part" <<<"$line"
done
sleep 3
tries=$(ackd_events declare-failed)
tap_check "promise_r17_mismatch_never_loops: tried $tries times in some 4 s" [ "$tries" -le 5 ]
tap_is "promise_r17_mismatch_deletes_nothing: its messages are there" "$(amqp depth orders)" 3
tap_is "it consumes nothing" "$(ackd_events consuming)" 0
tap_check "ackd lives on" ackd_alive
amqp delete orders
wait_s=60 tap_check "when the operator has deleted it, it is declared and consumed" ackd_wait_ready
tap_check "as asked for" grep -qF '"x-max-length",2000' <<<"$(queue_says orders)"
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0

# An exchange that others declare may come later than we do.
ackd_config "
consumers:
  record:
    queue: later
    handler: record
    settings: {file: $work/record}
    declare: {type: classic, durable: false, bind: {exchange: theirs, key: k}}"
ackd_start
tap_check "a missing exchange is waited for" ackd_wait declare-failed
tap_check "and named" grep -q "theirs" "$ackd_log"
rabbit_eval 'rabbit_exchange:declare({resource,<<"/">>,exchange,<<"theirs">>},direct,true,false,false,[],<<"test">>).' >/dev/null
tap_check "and bound to when it is there" ackd_wait_ready
# A queue that does not outlive the broker is declared again behind it.
rabbit_kill
rabbit_restart
wait_s=60 tap_check "after a kill of the broker a transient queue comes back" ackd_wait consuming 2
tap_check "it is bound again" wait_for 20 eval 'bindings | grep -qF "theirs k later"'
ackd_stop

# RabbitMQ ends the whole connection for a type of exchange that it does not know: once, not at each attempt.
amqp declare neighbour
ackd_config "
consumers:
  record: {queue: neighbour, handler: record, settings: {file: $work/record}}
  wrong:
    queue: wrong
    handler: record
    settings: {file: $work/record}
    declare: {exchanges: [{name: odd, type: x-topik}], bind: {exchange: odd}}"
ackd_start
tap_check "an unknown type of exchange is told" ackd_wait declare-failed
tap_check "with what to do" grep -q "event=declare-failed .*odd.*correct the 'type' of the exchange" "$ackd_log"
tap_check "the others consume" ackd_wait consuming
amqp publish -i neighbour- neighbour
tap_check "and handle" wait_recorded "^end neighbour-1 ok" 1
tap_check "on a connection that lives on" [ "$(grep -c 'event=disconnected' "$ackd_log")" -le 2 ]
tap_is "and ackd is not blamed" "$(grep -c 'fault in ackd' "$ackd_log")" 0
ackd_stop

# Without the permission to configure.
rabbit_ctl -q add_user reader reader >/dev/null
rabbit_ctl -q set_permissions -p / reader '^later.*dead$' '.*' '.*' >/dev/null
ackd_user=reader ackd_password=reader
ackd_config "
consumers:
  record: {queue: later, handler: record, settings: {file: $work/record}, declare: {type: classic}}"
ackd_start
tap_check "a missing permission is told" ackd_wait declare-failed
tap_check "with what to do" grep -q "permission to configure" "$ackd_log"
ackd_stop
tap_is "and it stops with 0 all the same" "$ackd_status" 0
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# publish - what a handler publishes is confirmed before its message is acknowledged, and every way in which
# that can fail has its own error.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
rabbit_conf_extra='max_message_size = 1000000'
broker_test_begin
ackd_config "
consumers:
  relay:
    queue: q
    handler: relay
    concurrency: 32
    settings: {file: $work/record, swallow: true}
  answering:
    queue: answering
    handler: relay
    settings: {file: $work/answers, act: reply}
  mandatory:
    queue: mandatory
    handler: relay
    settings: {file: $work/answers, act: reply-mandatory, swallow: true}"

# says ID PATTERN: the handler of message ID noted a line like that.
says() {
    grep -qE "^$1 $2" "$work/record" 2>/dev/null
}

# tap_says NAME ID PATTERN
tap_says() {
    if wait_for "${wait_s:-20}" says "$2" "$3"; then
        tap_ok "$1"
    else
        tap_not_ok "$1" "$(grep "^$2 " "$work/record")"
    fi
}

amqp declare q
amqp declare out
amqp declare answering
amqp declare mandatory
amqp declare full x-max-length=1 x-overflow=reject-publish
ackd_start
ackd_wait_ready 3
amqp publish -i sent- -h key=out q 1
tap_says "what a handler publishes is confirmed" sent-1 ok
tap_is "and in its queue" "$(amqp depth out)" 1
letter=$(amqp get -H out)
tap_note "$letter"
tap_check "it is persistent" grep -qF 'delivery-mode=2' <<<"$letter"
tap_check "its message is acknowledged" queue_settles q 0

amqp publish -h with=properties -h key=out q 1
tap_check "one with properties is there" queue_settles out 1
letter=$(amqp get -H out)
tap_note "$letter"
for part in content-type=text/plain content-encoding=identity correlation-id=correlation reply-to=answers \
    message-id=the-id type=order app-id=relay timestamp=1234567890 priority=3 expiration=3600000 \
    delivery-mode=1 shop=north lines=7; do
    tap_check "with $part" grep -qF "$part" <<<"$letter"
done
amqp publish -i forward- -h with=forward -h key=out -h shop=south q 1
tap_check "one with the headers of its message is there" queue_settles out 1
tap_check "with its header" grep -qF 'shop=south' <<<"$(amqp get -H out)"

amqp publish -i asked- -h do=request -h key=answering q 1
tap_says "a request has its reply" asked-1 'reply [{]"order": 1,'
tap_says "and is done" asked-1 ok
# Why ackd_reply is not mandatory there: the broker hands a direct reply over, and returns it.
amqp publish -i byhand- -h do=request -h key=mandatory -h limit=500 q 1
tap_says "a reply without a correlation id is none" byhand-1 'E_TIMEOUT'
tap_check "a direct reply that must be routed to a queue comes back" grep -q 'E_RETURNED .*amq.rabbitmq.reply-to' "$work/answers"

amqp publish -i alone- -h do=request -h key=out -h limit=500 q 1
tap_says "one that nobody answers ends" alone-1 'E_TIMEOUT no reply within 500 ms'
amqp publish -i unasked- -h do=request -h key=nobody q 1
tap_says "one that no queue takes says so" unasked-1 E_RETURNED
amqp publish -i speechless- -h do=reply q 1
tap_says "a message that asks for no reply has none" speechless-1 'E_INVAL'
amqp purge out >/dev/null

amqp publish -i unrouted- -h key=nobody q 1
tap_says "one that no queue takes is E_RETURNED" unrouted-1 'E_RETURNED .*nobody'
amqp publish -i unbound- -h exchange=amq.direct -h key=nobody q 1
tap_says "also where the exchange is there" unbound-1 'E_RETURNED .*amq.direct'
amqp publish full 1
amqp publish -i full- -h key=full q 1
tap_says "one that a full queue refuses is E_NACKED" full-1 'E_NACKED'

amqp publish -i missing- -h exchange=nowhere -h key=k q 1
tap_says "one to an exchange that is not there is E_NOT_FOUND" missing-1 "E_NOT_FOUND .*no exchange 'nowhere'"
amqp publish -i large- -h key=out -h size=1000001 q 1
tap_says "one that is larger than the broker takes is E_TOO_LARGE" large-1 'E_TOO_LARGE'
amqp publish -i larger- -h key=out -h size=1000002 q 1
tap_says "which it is not asked again" larger-1 'E_TOO_LARGE .*1000000 at most'
amqp publish -i user- -h key=out -h with=user q 1
tap_says "one in another user's name is E_REFUSED" user-1 'E_REFUSED .*somebody-else'
amqp publish -i after- -h key=out q 1
tap_says "after all that it publishes on" after-1 ok

# Those beside one that the broker closes the channel for: none is lost without a word.
amqp purge out
amqp publish -i beside- -h key=out -h times=20 q 300 &
beside=$!
for i in 1 2 3 4 5; do
    amqp publish -i "bad$i-" -h exchange="nowhere$i" -h key=k q 1
done
wait "$beside"
tap_check "promise_d13_publishes_beside_a_refused_one_have_an_end" queue_settles q 0
for i in 1 2 3 4 5; do tap_says "the refused one has its reason, $i" "bad$i-1" 'E_NOT_FOUND'; done
fine=$(grep -cE '^beside-[0-9]+ ok' "$work/record")
lost=$(grep -cE '^beside-[0-9]+ E_DISCONNECTED' "$work/record")
tap_note "beside it: $fine handlers confirmed, $lost not known, $(amqp depth out) messages"
tap_is "each handler beside it is confirmed, or knows that it does not know" $((fine + lost)) 300
tap_check "what was confirmed is there" [ "$(amqp depth out)" -ge $((fine * 20)) ]

# A blocked broker reads nothing of who has published: messages come before, and wait for a gate.
amqp publish -i blocked- -h gate="$work/gate1" -h key=out -h limit=3000 q 1
amqp publish -i unblocked- -h gate="$work/gate2" -h key=out q 1
amqp publish -i consumed- -h gate="$work/gate3" -h times=0 q 1
rabbit_ctl set_vm_memory_high_watermark 0.00001 >/dev/null
touch "$work/gate1"
tap_says "promise_r12_what_the_broker_blocks_is_E_BLOCKED" blocked-1 'E_BLOCKED'
tap_check "promise_r12_it_is_logged" ackd_wait blocked
touch "$work/gate2" "$work/gate3"
tap_says "promise_r12_the_consuming_connection_goes_on" consumed-1 ok
ackd_signal QUIT
tap_check "who waits for a confirm is shown" wait_for 10 grep -qE 'awaiting publish' "$ackd_log"
rabbit_ctl set_vm_memory_high_watermark 0.4 >/dev/null
tap_says "promise_r12_what_waits_is_published_when_the_broker_takes_it_again" unblocked-1 ok
tap_check "promise_r12_that_is_logged_too" ackd_wait unblocked

amqp publish -i lost- -h key=out -h gate="$work/gate4" q 1
wait_for 20 says lost-1 begins
rabbit_freeze
touch "$work/gate4"
sleep 1 # in which it is sent; a confirm cannot come
rabbit_kill
tap_says "promise_d13_a_publish_whose_connection_is_lost_fails" lost-1 'E_DISCONNECTED'
rabbit_restart
ackd_wait connected 4
amqp publish -i again- -h key=out q 1
tap_says "the next one is confirmed by the broker that came back" again-1 ok
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

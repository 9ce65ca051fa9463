#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# publish - what a handler publishes is confirmed before its message is acknowledged, and every way in which
# that can fail has its own error.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
ackd_config "
consumers:
  relay:
    queue: q
    handler: relay
    concurrency: 32
    settings: {file: $work/record, swallow: true}"

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
amqp declare full x-max-length=1 x-overflow=reject-publish
ackd_start
ackd_wait_ready
amqp publish -i sent- -h key=out q 1
tap_says "what a handler publishes is confirmed" sent-1 ok
tap_is "and in its queue" "$(amqp depth out)" 1
letter=$(amqp get -H out)
tap_note "$letter"
tap_check "it is persistent" grep -qF 'delivery-mode=2' <<<"$letter"
tap_check "its message is acknowledged" queue_settles q 0

amqp publish -i unrouted- -h key=nobody q 1
tap_says "one that no queue takes is E_RETURNED" unrouted-1 'E_RETURNED .*nobody'
amqp publish -i unbound- -h exchange=amq.direct -h key=nobody q 1
tap_says "also where the exchange is there" unbound-1 'E_RETURNED .*amq.direct'
amqp publish full 1
amqp publish -i full- -h key=full q 1
tap_says "one that a full queue refuses is E_NACKED" full-1 'E_NACKED'
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

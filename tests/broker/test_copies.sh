#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# copies - what of a message is on a copy of it: each row of src/ledger/copy.def, against RabbitMQ.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin
# shellcheck disable=SC2034
ackd_user=ackd ackd_password=ackd
ackd_config "
consumers:
  record:
    queue: q
    handler: record
    retry: {attempts: 3, first: 1h, max: 1h}
    settings: {file: $work/record}
  again:
    queue: again
    handler: $top_builddir/.libs/exec.so
    retry: {attempts: 3, first: 100ms, max: 100ms}
    settings: {command: [/bin/sh, -c, 'env | grep ^ACKD_ | sort >$work/again.\$ACKD_ATTEMPT; exit 1']}"

# value NAME LINE: of a property or header in a line of amqptool; nothing if it is not there.
value() {
    tr '\t' '\n' <<<"$2" | sed -n "s/^$1=//p"
}

has() {
    tr '\t' '\n' <<<"$2" | grep -q "^$1="
}

# With every property and header of the table; x-death and its like are written by a broker.
publish_all() {
    amqp publish -e -i id- -t text/plain -P content-encoding=gzip -P priority=5 -P correlation-id=c-1 \
        -P reply-to=amq.rabbitmq.reply-to.g1h -P expiration=600000 -P timestamp=1700000000 \
        -P type=order -P user-id=guest -P app-id=shop -h shop=north -h x-delivery-count=7 \
        -h x-acquired-count=8 -h x-last-death-queue=elsewhere -h x-ackd-attempts=2 \
        -h x-ackd-original-queue=q -h x-ackd-error=forged -A CC=other -A BCC=hidden "$@"
}

for queue in q again other hidden; do amqp declare $queue; done
amqp declare early x-message-ttl=1 x-dead-letter-exchange= x-dead-letter-routing-key=q
# A user of its own: what others write, under their names, is not taken for ackd's.
rabbit_ctl add_user ackd ackd >/dev/null
rabbit_ctl set_permissions ackd '.*' '.*' '.*' >/dev/null
ackd_start
ackd_wait_ready 2 || tap_not_ok "both consume" "$(tail -n 5 "$ackd_log")"
publish_all -h do=fail q
tap_check "a failed message waits in its delay queue" queue_settles q.retry.1h 1
delayed=$(amqp get -H q.retry.1h)
publish_all -h do=dead q
tap_check "a dead message is in q.dead" queue_settles q.dead 1
dead=$(amqp get -H q.dead)
amqp purge q.dead
amqp publish -h do=dead early
tap_check "a message that ran out elsewhere is in q.dead" queue_settles q.dead 1
early=$(amqp get -H q.dead)
tap_note "$delayed" "$dead" "$early"

declare -A sent=([content-type]=text/plain [content-encoding]=gzip [priority]=5 [correlation-id]=c-1
    [reply-to]=amq.rabbitmq.reply-to.g1h [message-id]=id-1 [timestamp]=1700000000 [type]=order
    [app-id]=shop [expiration]=600000 [user-id]=guest [x-delivery-count]=7 [x-last-death-]=elsewhere)

# check_row NAME FATE, of the copies of a message that was published here.
check_row() {
    local name=$1 header=$1 copy
    case $name in x-last-death-) header=x-last-death-queue ;; esac
    for copy in "$delayed" "$dead"; do
        case $2 in
        KEEP) [ "$(value "$name" "$copy")" = "${sent[$name]}" ] || return ;;
        SET) [ "$(value "$name" "$copy")" = 2 ] || return ;;
        DROP) ! has "$name" "$copy" || return ;;
        CARRY)
            [ "$name" = BCC ] || has "x-ackd-original-$header" "$copy" || return
            [ "$name" = CC ] || [ "$name" = BCC ] ||
                [ "$(value "x-ackd-original-$header" "$copy")" = "${sent[$name]}" ] || return
            # Our own user stands in for the publisher's on what comes back; a quorum queue counts anew.
            case $name in
            user-id) [ "$copy" = "$delayed" ] || ! has user-id "$copy" || return ;;
            x-delivery-count) [ "$(value "$name" "$copy")" != 7 ] || return ;;
            *) ! has "$header" "$copy" || return ;;
            esac
            ;;
        esac
    done
}

# The same of the broker's own headers.
check_death() {
    ! has "$1" "$early" && has "x-ackd-original-$1" "$early"
}

check_story() {
    [ "$(value x-ackd-attempts "$delayed")" = 1 ] && [ "$(value x-ackd-error "$delayed")" != forged ]
}

rows=0
while IFS=' ' read -r part name fate; do
    rows=$((rows + 1))
    case $name in
    x-death) tap_check "$part $name: $fate" check_death x-death ;;
    x-first-death-) tap_check "$part $name: $fate" check_death x-first-death-queue ;;
    x-ackd-) tap_check "$part $name: $fate" check_story ;;
    *) tap_check "$part $name: $fate" check_row "$name" "$fate" ;;
    esac
done < <(sed -nE 's/^COPY_([A-Z]+)\("([^"]*)", ([A-Z]+),.*/\1 \2 \3/p' "$top_srcdir/src/ledger/copy.def")
tap_within "every row was looked at" "$rows" 20 99
tap_is "the publisher's own header is kept" "$(value shop "$delayed")" north
tap_is "promise_d10_attempts_cannot_be_forged" "$(sed -n 's/^start id-1 [0-9]* \([0-9]*\) .*/\1/p' "$work/record" | sort -u)" 1
tap_is "CC has duplicated nothing" "$(amqp depth other)" 2
tap_is "nor has BCC" "$(amqp depth hidden)" 2

publish_all again
tap_check "three attempts, then dead" queue_settles again.dead 1
seen() {
    grep -vE '^ACKD_(ATTEMPT|TAG|REDELIVERED|HEADERS?_.*)=' "$work/again.$1"
}
tap_is "a handler sees the same message at its second attempt" "$(seen 2)" "$(seen 1)"
tap_is "... and at its third" "$(seen 3)" "$(seen 1)"
tap_check "with its own user" grep -q '^ACKD_USER_ID=guest$' "$work/again.3"
tap_is "CC has duplicated nothing on the way" "$(amqp depth other)" 3
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - what a handler runs beside its messages: served to their end, called again, or the daemon's end.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# configure HANDLER SETTINGS
configure() {
    ackd_config "
runtime: {loops: 2}
shutdown: {timeout: 20s, soft: 50%}
consumers:
  beside:
    queue: q
    handler: $1
    concurrency: 10
    loops: 2
    settings: {file: $work/record$2}"
    : >"$work/record"
    amqp purge q
}

lines() {
    grep -c "^$1\$" "$work/record"
}

# has LINE COUNT: at least so many.
has() {
    [ "$(lines "$1")" -ge "$2" ]
}

amqp declare q

configure beside_stop ""
ackd_start
ackd_wait_ready
tap_check "run() is called on each loop" wait_for 10 has "run begin" 2
amqp publish q 500
tap_check "it serves the messages" wait_for 20 has message 500
ackd_stop
tap_is "a stop with a service exits with 0" "$ackd_status" 0
tap_is "each run() was told to end" "$(lines 'run ended')" 2
tap_is "then stop() was called" "$(lines stop)" 2
tap_is "after all else on its loop" "$(tail -n 1 "$work/record")" stop
tap_is "all messages were acknowledged" "$(amqp depth q)" 0

# At a stop in the middle nothing is lost between the messages and what they were handed to.
configure beside_stop ""
ackd_start
tap_check "it begins again" wait_for 10 has "run begin" 2
amqp publish q 2000
wait_for 20 has message 50
ackd_stop
tap_is "a stop under load exits with 0" "$ackd_status" 0
tap_is "what was acknowledged was written, and nothing else" \
    $(($(lines message) + $(amqp depth q))) 2000

configure beside_stop ", fail-after: 1s"
amqp publish q 100
ackd_start
ackd_wait_exit
tap_is "a run() that fails ends the daemon with 70" "$ackd_status" 70
tap_check "and says which" grep -q "event=service-failed.*beside.run.*told to fail" "$ackd_log"
tap_is "nothing is left unanswered" "$(amqp depth q)" 0

configure beside_restart ", fail-after: 100ms"
ackd_start
tap_check "another one is called again" wait_for 20 has "run begin" 6
tap_check "while the daemon lives" ackd_alive
amqp publish q 10
tap_check "and handles messages" queue_settles q 0
ackd_stop
tap_is "until it is stopped" "$ackd_status" 0

printf 'one\ntwo\n' >"$work/lines"
: >"$work/record"
ackd_program try -p "$plugins_dir" -s "file=$work/record" beside_stop "$work/lines" >"$work/try.out" 2>&1
tap_is "'ackd try' has it, too" $? 0
tap_is "to the end" "$(cat "$work/record")" "$(printf 'run begin\nmessage\nmessage\nrun ended\nstop')"
broker_test_end

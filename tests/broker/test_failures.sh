#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# failures - one call of the daemon fails, of memory or of the system, at each place in turn: it goes
# on or ends with an error that it tells; it never dies of it, and no message is lost.
#
# A first run counts the calls. Without ACKD_TEST_FULL=yes some of them are drawn; ACKD_FAILING="CALL
# N" is one alone.
# shellcheck disable=SC2317 # functions are called through tap_check
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
failing=${top_builddir:?}/tests/lib/.libs/failing.so
[ -e "$failing" ] || tap_skip_all "a program with sanitizers is not preloaded into"
broker_test_begin
messages=12

ackd_config "
shutdown: {timeout: 4s}
consumers:
  record:
    queue: q
    handler: record
    concurrency: 4
    settings: {file: $work/record, delay: 1ms, quiet: true}"
amqp declare q

handled_all() {
    [ "$(awk '$1 == "end" && $3 == "ok" { seen[$2] } END { print length(seen) }' "$work/record" 2>/dev/null)" = "$messages" ]
}

handled_or_gone() {
    handled_all || ackd_gone
}

# run CALL AT: the daemon with that failure, until it has handled everything or ended by itself.
run() {
    rm -f "$work/record" "$work/counts"
    amqp purge q >/dev/null && amqp publish q "$messages" >/dev/null || return
    ackd_runs=$((ackd_runs + 1))
    ackd_log=$work/ackd.log
    env LD_LIBRARY_PATH="$top_builddir/.libs" FAILING_CALL="$1" FAILING_AT="$2" FAILING_LOG="$work/counts" \
        LD_PRELOAD="$failing" "$top_builddir/.libs/ackd" run -c "$work/ackd.yaml" >/dev/null 2>"$ackd_log" &
    ackd_pid=$!
    wait_for 30 handled_or_gone || echo "it hangs"
    ackd_gone || ackd_signal TERM 2>/dev/null
    ackd_wait_exit 20
}

# Handled, or still in the queue: nothing else may have become of a message.
accounted() {
    local left
    left=$(amqp depth q) || return
    awk -v left="$left" -v all="$messages" '$1 == "end" && $3 == "ok" { seen[$2] }
        END { if (length(seen) + left < all) { print length(seen) " handled, " left " left"; exit 1 } }' \
        "$work/record" 2>/dev/null || [ "$left" = "$messages" ]
}

# fails_at CALL AT: what the headline says.
fails_at() {
    run "$1" "$2" >"$work/said" 2>&1
    cat "$work/said"
    [ ! -s "$work/said" ] || { cat "$ackd_log"; return 1; }
    case $ackd_status in
    0) ;;
    69 | 70 | 75 | 78) [ -s "$ackd_log" ] || { echo "status $ackd_status without a word"; return 1; } ;;
    127) ;; # the loader itself found no memory
    134) # libuv's own answer, mostly at the start; ackd, the C library and sanitizers say why they end
        ! grep -v '^time=' "$ackd_log" || return 1 ;;
    *) echo "status $ackd_status"; tail -n 20 "$ackd_log"; return 1 ;;
    esac
    accounted || { tail -n 20 "$ackd_log"; return 1; }
}

if [ -n "${ACKD_FAILING:-}" ]; then
    # shellcheck disable=SC2086 # two words
    tap_check "$ACKD_FAILING fails" fails_at $ACKD_FAILING
    broker_test_end
fi

tap_check "it counts its calls" run memory 0
cp "$work/counts" "$work/all" 2>/dev/null
tap_check "it makes some of each kind that matters" awk '{ count[$1] = $2 }
    END { exit !(count["memory"] > 100 && count["read"] > 5 && count["socket"] > 0 && count["epoll_ctl"] > 3) }' "$work/all"
while read -r call at; do
    tap_check "$call fails at its call $at" fails_at "$call" "$at"
done < <(awk -v full="${ACKD_TEST_FULL:-}" -v seed="${ACKD_TEST_SEED:-$RANDOM}" '
    BEGIN { srand(seed) }
    $2 == 0 { next }
    full == "yes" { for (i = 1; i <= $2; i++) print $1, i; next }
    { for (i = 0; i < ($1 == "memory" ? 6 : 1); i++) print $1, 1 + int(rand() * $2) }' "$work/all")
broker_test_end

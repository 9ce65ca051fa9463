#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Rule B3: what becomes of calls that block a loop, made by a handler that is a shared object.
set -u
# shellcheck source=../lib/tap.sh
. "${top_srcdir:?}/tests/lib/tap.sh"
ackd=${top_builddir:?}/ackd
plugins=$top_builddir/tests/plugins/.libs
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-blocking.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [[ ${SAN_FLAGS:-} == *-fsanitize* && $CC == *clang* ]]; then
    tap_skip_all "clang's sanitizers have their own functions of these names in the program"
fi

# sleeper POLICY CALL...: a message for each call; what it printed and logged is in $work.
sleeper() {
    local policy=$1
    shift
    printf '%s\n' "$@" |
        timeout 60 "$ackd" try -p "$plugins" -b "$policy" sleeper >"$work/out" 2>"$work/log"
}

# told PATTERN: how many reports of blocking calls have it.
told() {
    grep 'event=blocking-call' "$work/log" | grep -cE -- "$1"
}

# shown PATTERN
shown() {
    grep -qE -- "$1" "$work/out" || { cat "$work/out" "$work/log"; return 1; }
}

sleeper warn usleep usleep usleep
tap_is "rule_b3_a_call_is_reported_once_for_each_place" "$(told 'call=usleep')" 1
tap_is "rule_b3_with_the_task_and_its_message" \
    "$(told "task #[0-9]+ 'try' \(delivery 1, queue try\) called usleep\(\), which blocks all of loop 0")" 1
if [[ ${SAN_FLAGS:-} == *-fsanitize* ]]; then
    tap_skip "rule_b3_with_function_and_place" "a sanitizer may inline and intercept"
else
    tap_is "rule_b3_with_function_and_place" \
        "$(told 'in take_a_nap at (sleeper\.c:[0-9]+|sleeper\.so\+0x[0-9a-f]+ \[[0-9a-f]+\])')" 1
fi
tap_is "rule_b3_and_what_to_use_instead" "$(told 'use ackd_delay\(\)')" 1
tap_check "with warn the call is done" shown '^usleep 0 - '

sleeper refuse usleep-long
tap_check "rule_b3_refused_it_fails_with_edeadlk_at_once" shown '^usleep-long -1 EDEADLK [0-9]$'
tap_is "rule_b3_a_refusal_is_reported_too" "$(told 'was refused usleep\(\)')" 1

sleeper allow usleep sleep
tap_is "with allow nothing is reported" "$(told .)" 0
# The watchdog's look ends the sleep, as any signal does.
tap_check "and all is done" shown '^sleep [01] - [0-9]{2,}'

sleeper warn permitted poll-zero waitpid-nohang sem-free
tap_is "what is permitted, or cannot block, is not reported" "$(told .)" 0

sleeper refuse file
tap_check "a first file does not blame its task for the start of libuv's threads" shown '^file 0 - '
tap_is "and nothing is reported" "$(told .)" 0

sleeper refuse sleep nanosleep poll select getaddrinfo system waitpid fsync flock sem
for call in nanosleep poll select system waitpid fsync flock sem; do
    tap_check "$call is refused" shown "^$call -1 EDEADLK "
done
tap_check "sleep is refused: nothing of it was slept" shown '^sleep 1 EDEADLK '
tap_check "clock_nanosleep returns the code" \
    eval "sleeper refuse clock_nanosleep; shown '^clock_nanosleep 35 '"
tap_check "getaddrinfo returns EAI_SYSTEM" eval "sleeper refuse getaddrinfo; shown '^getaddrinfo -11 EDEADLK '"
sleeper refuse cond
tap_check "a condition is waited for all the same: nobody expects that it fails" shown '^cond 0 - '
tap_is "and reported" "$(told 'called pthread_cond_timedwait\(\)')" 1
sleeper warn sleep nanosleep clock_nanosleep poll select getaddrinfo system waitpid fsync flock cond
tap_is "with warn each is reported" "$(told 'called')" 11
output=$("$ackd" try -b maybe sleeper 2>&1 </dev/null)
tap_is "an unknown policy is a usage error that names the words" "$? ${output##*: }" \
    "64 'maybe' is not one of warn, refuse, allow. Try 'ackd try --help'"
tap_done

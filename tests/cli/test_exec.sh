#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The handler exec with real programs: what they are given, what becomes of how they end, and that
# none of them outlives its message.
set -u
# shellcheck source=../lib/tap.sh
. "${top_srcdir:?}/tests/lib/tap.sh"
ackd=${top_builddir:?}/ackd
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-exec.XXXXXX")
trap 'rm -rf "$work"' EXIT
plugins=$top_builddir/.libs
export work

# program TEXT...: what the handler runs is a shell script of these lines.
program() {
    printf '%s\n' '#!/bin/sh' "$@" >"$work/program"
    chmod 755 "$work/program"
}

# message TEXT: the one message of the next try.
message() {
    printf '%s\n' "$1" >"$work/lines"
}

# gives PATTERN [ARGUMENT...]: one try of the message, whose output has the pattern.
gives() {
    local pattern=$1 output
    shift
    output=$(timeout 60 "$ackd" try -p "$plugins" -a 1 -s "command=$work/program" "$@" exec \
        "$work/lines" 2>&1)
    printf '%s\n' "$output"
    printf '%s\n' "$output" | grep -qE -- "$pattern" || { echo "nothing like: $pattern"; return 1; }
}

# gone FILE: the process whose number is in FILE has ended, within seconds.
gone() {
    local pid try
    pid=$(cat "$1") || return 1
    for try in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    echo "process $pid is still there ($try)"
    return 1
}

message hello
program 'cat >"$work/body"' 'env >"$work/env"'
tap_check "status 0 is done" gives '^1: done'
tap_check "the body is on standard input" grep -qx hello "$work/body"
tap_check "the attempt is in the environment" grep -qx ACKD_ATTEMPT=1 "$work/env"
tap_check "the size is in the environment" grep -qx ACKD_SIZE=5 "$work/env"
tap_check "so is ackd's own environment" grep -q ^PATH= "$work/env"
tap_check "a setting adds to it" gives '^1: done' -s environment=MODE=test
tap_check "with its value" grep -qx MODE=test "$work/env"

program 'echo first >&2; echo "no such order" >&2' 'exit 75'
tap_check "status 75 is tried again" gives 'exited with 75 \(try again later\): no such order'
program 'exit 1'
tap_check "so is any other" gives 'exited with 1 \('
program 'exit 65'
tap_check "status 65 is dead" gives '^1: dead.*exited with 65 \(wrong data\)'
program 'exit 78'
tap_check "status 78 is dead" gives '^1: dead.*exited with 78'
program 'kill -9 $$'
tap_check "killed by a signal is tried again" gives 'killed by signal 9'
rm "$work/program"
tap_check "a program that is not there is told at the start" gives 'cannot be executed'
program 'exit 0'
tap_check "a wrong environment is told at the start" gives 'item 1 is not NAME=VALUE' \
    -s environment=MODE

program 'echo to the log; printf "\033[31mred" >&2'
tap_check "what it writes is in the log" gives 'msg="to the log".*stream=stdout'
tap_check "with its control characters escaped" gives 'msg="\\u001b\[31mred".*stream=stderr'
program 'seq 100000'
tap_check "within its bound" gives '588[0-9]{3} bytes more' -s output-max=100

# A program that writes while it reads, and much of it, must not wait for us nor we for it.
message "$(head -c 3000000 /dev/zero | tr '\0' x)"
program 'tee /dev/stderr'
tap_check "three million bytes go through both ways" gives '^1: done'
program 'exit 0'
tap_check "a program need not read its input" gives '^1: done'

message hello
program 'sleep 300 & echo $! >"$work/pid"; exit 0'
tap_check "what it leaves in the background is not waited for" gives '^1: done'
kill "$(cat "$work/pid")" 2>/dev/null

program 'trap "echo terminated >$work/trap; exit 0" TERM' 'echo $$ >"$work/pid"' \
    'sleep 300 & echo $! >"$work/child"; wait'
tap_check "its timeout ends it, and is a failure" gives '^1: dead after its last' -t 500
tap_check "by SIGTERM" grep -qx terminated "$work/trap"
tap_check "its children too" gone "$work/child"
rm -f "$work/pid"
program 'trap "" TERM' 'echo $$ >"$work/pid"' 'while :; do sleep 0.05; done'
tap_check "one that ignores SIGTERM is killed after the grace" gives 'did not end within 200 ms' \
    -t 300 -s grace=200ms
tap_check "and is gone" gone "$work/pid"
tap_done

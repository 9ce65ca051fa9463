#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# K10: gdb's backtrace of a running task ends at the outermost frame of its stack, and says no more.
set -u

echo "1..2"
if ! command -v gdb >/dev/null || [[ ${SAN_FLAGS:-} == *-fsanitize* ]]; then
    echo "ok 1 # SKIP no gdb, or a sanitizer"
    echo "ok 2 # SKIP no gdb, or a sanitizer"
    exit 0
fi
target=${top_builddir:?}/tests/unit/task/gdb_target
out=$(gdb -nx -batch -ex run -ex bt "$target" </dev/null 2>&1)
if grep -q 'ptrace\|not being run\|Could not trace' <<<"$out"; then
    echo "ok 1 # SKIP ptrace is not allowed"
    echo "ok 2 # SKIP ptrace is not allowed"
    exit 0
fi
last=$(grep '^#' <<<"$out" | tail -n 1)
check() {
    if [[ $2 == yes ]]; then
        echo "ok $1 - $3"
    else
        echo "not ok $1 - $3"
        sed 's/^/# /' <<<"$out"
    fi
}
seen=no
grep -q 'inner_handler' <<<"$out" && grep -q 'outer_handler' <<<"$out" && seen=yes
check 1 "$seen" "the handler's frames are shown"
ends=no
[[ $last == *switch_entry* || $last == *__start_context* || $last == *switch_enter* ]] && ends=yes
grep -qi 'corrupt\|previous frame' <<<"$out" && ends=no
check 2 "$ends" "the backtrace ends where the stack begins"

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# K10: gdb's backtrace of a running task ends at the outermost frame of its stack, and says no more;
# ackd-gdb.py lists the tasks, and shows the stacks of those that are parked, in a process that runs
# and in a core of it.
set -u

tests=8
echo "1..$tests"
skip_all() {
    for ((i = 1; i <= tests; i++)); do
        echo "ok $i # SKIP $1"
    done
    exit 0
}
if ! command -v gdb >/dev/null || [[ ${SAN_FLAGS:-} == *-fsanitize* ]]; then
    skip_all "no gdb, or a sanitizer"
fi
gdb -nx -batch -ex 'python print(1)' 2>&1 | grep -qx 1 || skip_all "this gdb has no Python"
target=${top_builddir:?}/tests/unit/task/gdb_target
script=${top_srcdir:?}/src/task/ackd-gdb.py
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
export DEBUGINFOD_URLS=
out=$(gdb -nx -batch -ex run -ex bt "$target" </dev/null 2>&1)
if grep -q 'ptrace\|not being run\|Could not trace' <<<"$out"; then
    skip_all "ptrace is not allowed"
fi
at=0
# check YES-OR-NO NAME: with $out where it is no.
check() {
    at=$((at + 1))
    if [[ $1 == yes ]]; then
        echo "ok $at - $2"
    else
        echo "not ok $at - $2"
        sed 's/^/# /' <<<"$out"
    fi
}
# has PATTERN...: whether all are in $out.
has() {
    local pattern
    for pattern; do
        grep -q -- "$pattern" <<<"$out" || { echo no && return; }
    done
    echo yes
}
check "$(has inner_handler outer_handler)" "the handler's frames are shown"
last=$(grep '^#' <<<"$out" | tail -n 1)
ends=no
[[ $last == *switch_entry* || $last == *__start_context* || $last == *switch_enter* ]] && ends=yes
grep -qi 'corrupt\|previous frame' <<<"$out" && ends=no
check "$ends" "rule_k10_the_backtrace_ends_where_the_stack_begins"

out=$(gdb -nx -batch -ex run -ex "source $script" -ex 'ackd tasks' "$target" </dev/null 2>&1)
check "$(has 'gdb: 2 live, 0 ready' '#1 stock: awaiting timer in parked_inner (.*:[0-9]*)' \
    '#2 orders: running')" "ackd tasks lists them"

if [[ $(uname -m) != x86_64 && $(uname -m) != aarch64 ]] ||
    grep -q 'define SWITCH_UCONTEXT 1' "$top_builddir/config.h"; then
    while ((at < tests)); do
        at=$((at + 1))
        echo "ok $at # SKIP stacks are not known here"
    done
    exit 0
fi

out=$(gdb -nx -batch -ex run -ex "source $script" -ex 'ackd bt 1' "$target" </dev/null 2>&1)
check "$(has 'in parked_inner (order=order@entry=0x' 'in parked_handler (arg=' 'switch_entry')" \
    "rule_k10_a_parked_task_of_a_live_process_is_shown_with_its_arguments"

out=$(gdb -nx -batch -ex run -ex "source $script" -ex 'ackd bt all' -ex bt -ex continue "$target" \
    </dev/null 2>&1)
check "$(has 'parked_handler' 'it runs: see' 'inner_handler (order=' 'exited normally')" \
    "afterwards the process is as before, and goes on"

# gdb itself cannot read over a guard that is no mapping of its own, and leaves out what follows.
gdb -nx -batch -ex 'run mprotect' -ex "generate-core-file $folder/core" "$target" \
    </dev/null >"$folder/out" 2>&1
out=$(gdb -nx -batch -ex "source $script" -ex 'ackd tasks' "$target" "$folder/core" </dev/null 2>&1)
check "$(has '#1 stock: awaiting timer in parked_inner' '#2 orders: running')" \
    "ackd tasks lists those of a core"

out=$(gdb -nx -batch -ex "source $script" -ex 'ackd bt 1' "$target" "$folder/core" </dev/null 2>&1)
check "$(has 'in parked_inner () at .*gdb_target.c:' 'in parked_handler () at .*gdb_target.c:')" \
    "rule_k10_a_parked_task_of_a_core_is_shown"

out=$(gdb -nx -batch -ex "source $script" -ex 'ackd bt 77' "$target" "$folder/core" </dev/null 2>&1)
check "$(has 'there is no task #77')" "a task that is not there is said not to be"

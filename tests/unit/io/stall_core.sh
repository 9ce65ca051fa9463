#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stall_core - rule B10: 'abort' of 'stall' leaves a core in which the stack that stood is readable.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
target=${top_builddir:?}/tests/unit/io/stall_target
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-core.XXXXXX")
trap 'rm -rf "$work"' EXIT

command -v gdb >/dev/null || tap_skip_all "no gdb"
[[ ${SAN_FLAGS:-} != *-fsanitize* ]] || tap_skip_all "a sanitizer keeps its own memory in the core"
timeout 60 gdb -nx -batch -ex run -ex "generate-core-file $work/core" "$target" </dev/null \
    >"$work/run" 2>&1
if grep -q 'ptrace\|not being run\|Could not trace' "$work/run"; then
    tap_skip_all "ptrace is not allowed"
fi
tap_check "rule_b10_the_thread_that_stood_ends_the_process" grep -q 'received signal SIGABRT' "$work/run"
timeout 60 gdb -nx -batch -ex bt "$target" "$work/core" </dev/null >"$work/stack" 2>&1
if grep -q 'hopeless_handler' "$work/stack"; then
    tap_ok "rule_b10_the_stack_that_stood_is_readable_in_the_core"
else
    tap_not_ok "rule_b10_the_stack_that_stood_is_readable_in_the_core" "$(cat "$work/stack")"
fi
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# results - U5: to ignore what a spawn or an awaiting function returns is a warning of the compiler.
# shellcheck disable=SC2317 # functions are called through tap_check
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# program STATEMENT: a function of a handler that does that.
program() {
    cat <<C
#include <ackd/ackd.h>
int child(void *arg);
int child(void *arg)
{
    (void)arg;
    return 0;
}
int parent(struct ackd_scope *scope, struct ackd_task *task, struct ackd_owner *owner,
           const struct ackd_task_options *options, ackd_observe_fn *observe);
int parent(struct ackd_scope *scope, struct ackd_task *task, struct ackd_owner *owner,
           const struct ackd_task_options *options, ackd_observe_fn *observe)
{
    (void)scope, (void)task, (void)owner, (void)options, (void)observe;
    $1;
    return 0;
}
C
}

compiles() {
    program "$2" >"$work/program.c"
    # shellcheck disable=SC2086 # the compiler may be several words
    $1 -std=c11 -Wall -Wextra -Werror -I"$top_srcdir/include" \
        -S -o "$work/program.s" "$work/program.c" 2>"$work/said"
}

warns() {
    ! compiles "$1" "$2" && grep -q 'unused-result' "$work/said"
}

for compiler in "${CC:-cc}" gcc clang; do
    command -v "${compiler%% *}" >/dev/null || continue
    tap_check "with $compiler a result that is looked at compiles" \
        compiles "$compiler" 'return ackd_spawn(scope, child, 0)'
    for statement in 'ackd_spawn(scope, child, 0)' \
        'ackd_spawn_task(scope, child, 0, options, &task)' \
        'ackd_spawn_detached(owner, child, 0, options, observe, 0)' 'ackd_scope_join(scope)' \
        'ackd_await(task)' 'ackd_yield()' 'ackd_delay(1)' 'ackd_checkpoint()'; do
        tap_check "rule_u5_an_ignored_result_is_a_warning: $compiler, $statement;" \
            warns "$compiler" "$statement"
    done
done

# Every function that is told where it was called from, and that returns a code, is marked; but for
# those that make an error, whose result is the code they were given.
unmarked() {
    cat "$top_srcdir"/include/ackd/*.h | tr '\n' ' ' | sed 's/;/;\n/g' |
        grep -oE '(ACKD_[A-Z_]+ )+int +ackd_[a-z_]+_at\(.*' |
        grep -vE 'ackd_(fail|wrap|trace|retry_after|verdict)_at' |
        grep -vE '^(ACKD_[A-Z_]+ )*(ACKD_SUSPENDS|ACKD_MUST_CHECK) '
}
none_unmarked() {
    [ -z "$(unmarked)" ] || { unmarked; return 1; }
}
tap_check 'rule_u5_all_that_await_or_spawn_are_marked' none_unmarked
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# guide - every example of doc/async.md compiles without a warning, and prints what stands below it.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

cat >"$work/head.h" <<'C'
#include <ackd/ackd.h>
#include <ackd/runtime.h>
#include <ackd/test.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
C
cat >"$work/tail.h" <<'C'
int main(void)
{
    struct ackd_runtime *runtime = NULL;
    int code = ackd_runtime_new(&(struct ackd_runtime_options){.loops = 1}, &runtime);
    if (code == ACKD_OK)
        code = ackd_block_on(runtime, example, NULL);
    if (code != ACKD_OK)
        printf("the example returned %s: %s\n", ackd_code_name(code),
               ackd_error_text(ackd_error_current()));
    ackd_runtime_free(&runtime);
    return code != ACKD_OK;
}
C

# Into NUMBER.c and NUMBER.want, and the heading they stand under into NUMBER.title.
awk -v dir="$work" '
    /^## / { title = substr($0, 4) }
    /^```c$/ { count++; name = sprintf("%s/%02d", dir, count); print title > (name ".title"); on = name ".c"; next }
    /^```text$/ { on = name ".want"; next }
    /^```$/ { on = ""; next }
    on != "" { print > on }' "$top_srcdir/doc/async.md"

builds() {
    local tail=$work/tail.h
    grep -q '^int main(' "$1.c" && tail=/dev/null
    cat "$work/head.h" "$1.c" "$tail" >"$1.whole.c"
    # shellcheck disable=SC2086 # several flags
    "${top_builddir:?}/libtool" --quiet --tag=CC --mode=link ${CC:-cc} ${SAN_FLAGS:-} -std=gnu11 \
        -Wall -Wextra -Wno-unused-parameter -Werror -I"$top_srcdir/include" \
        -o "$1.program" "$1.whole.c" "$top_builddir/libackd.la"
}

prints() {
    timeout 60 "$1.program" >"$1.got" 2>"$1.errors" || { cat "$1.got" "$1.errors"; return 1; }
    diff -u "$1.want" "$1.got"
}

for file in "$work"/[0-9]*.title; do
    example=${file%.title}
    title="$(cat "$file") ($(basename "$example"))"
    tap_check "$title compiles" builds "$example"
    tap_check "$title prints what it says" prints "$example"
done
tap_done

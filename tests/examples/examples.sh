#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# examples - each well-known mistake, and what is done about it: the program succeeds, and all that its
# head announces by "says:" is found in what it and ackd print, in any order.
#
# Set from the build: top_builddir, and examples, the programs.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

runs() {
    timeout 120 "${top_builddir:?}/$1" >"$work/out" 2>&1 || { echo "status $?"; cat "$work/out"; return 1; }
}

says() {
    local line status=0
    while IFS= read -r line; do
        grep -qE -e "$line" "$work/out" && continue
        echo "nowhere: $line"
        status=1
    done < <(sed -n 's/^ \* says: //p' "$1")
    [ "$status" -eq 0 ] || cat "$work/out"
    return "$status"
}

for program in ${examples:?}; do
    name=$(basename "$program")
    tap_check "$name runs" runs "$program"
    tap_check "$name says what it announces" says "$top_srcdir/tests/examples/$name.c"
done
tap_done

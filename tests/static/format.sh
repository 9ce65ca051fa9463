#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# format - the sources are as clang-format 14 writes them. Another release writes differently.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
cd "$top_srcdir" || exit 1

for formatter in clang-format-14 clang-format; do
    "$formatter" --version 2>/dev/null | grep -q 'version 14\.' && break
    formatter=
done
[ -n "$formatter" ] || tap_skip_all "no clang-format 14"

unformatted() {
    find include src consumers tests bench -type f \( -name '*.c' -o -name '*.cc' -o -name '*.h' \) |
        sort | xargs "$formatter" --dry-run 2>&1 | grep -o '^[^:]*:[0-9]*' | sort -u
}

tap_empty "sources are formatted: ./dev format does it" "$(unformatted)"
tap_done

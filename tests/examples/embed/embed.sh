#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# embed - the example of a program of one's own does what it says.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"
expected='order 1: packed for 10
order 2: packed for 20
order 3: packed for 30
order 4: packed for 40
order 5: packed for 50
packed 5 of 5 orders'
output=$(timeout 60 "$top_builddir/tests/examples/embed/embed" 2>/dev/null)
tap_is "it ends with 0" $? 0
tap_is "all is priced, and packed in order" "$output" "$expected"
tap_done

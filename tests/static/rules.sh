#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rules - each rule of the runtime and each promise of the host has a test whose name starts with it
# (rule_w3_..., promise_d1_...), or a decision that says "rule W3" or "promise D1" and why it does not
# hold.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"

# names KIND: of tests. One may stand for several: rule_c16_and_c19_...
names() {
    grep -rhoE "\\b$1_[a-z][0-9]+(_and_[a-z][0-9]+)*_[a-z0-9_]+" "$top_srcdir/tests" \
        --include='*.c' --include='*.cc' --include='*.sh' | sort -u
}

# census KIND GROUPS: letter and number of each group.
census() {
    local kind=$1 groups=$2 tested decided group number rule missing='' strange=''
    tested=$(names "$kind" | sed -E "s/^($kind(_and)?_[a-z][0-9]+(_and_[a-z][0-9]+)*)_.*/\\1/" |
        grep -oE '[a-z][0-9]+' | tr a-z A-Z | sort -u)
    decided=$(grep -hoiE "\\b$kind [A-Z][0-9]+\\b" "$top_srcdir"/doc/decisions/*.md |
        awk '{ print $2 }' | sort -u)
    for group in $groups; do
        for ((number = 1; number <= ${group:1}; number++)); do
            rule=${group:0:1}$number
            grep -qx "$rule" <<<"$tested" || grep -qx "$rule" <<<"$decided" || missing+="$rule "
        done
    done
    tap_empty "each $kind has a test or a decision" "$missing"

    # There is no test of one that there is not: it would be a slip of the pen.
    for rule in $tested; do
        [[ " $groups " =~ \ ${rule:0:1}([0-9]+)\  ]] &&
            ((${rule:1} >= 1 && ${rule:1} <= BASH_REMATCH[1])) || strange+="$rule "
    done
    tap_empty "each test of a $kind is of one that there is" "$strange"
}

# Task life, await, fairness, cancellation, deadlines, combinators, scopes, errors, nothing unobserved,
# blocking, offload, stacks, loops, coordination, services, visibility.
census rule 'T14 A13 Y7 C25 D11 W16 S11 E5 U7 B10 O9 K10 L6 Q9 H8 I6'
# Delivery, acknowledgements, concurrency, shutdown, reconnecting.
census promise 'D15 A13 C9 S11 R17'
tap_done

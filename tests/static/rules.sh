#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rules - each rule of the runtime has a test whose name starts with it (rule_w3_...), or a decision
# that says "rule W3" and why it does not hold.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"

# Letter and number of rules: task life, await, fairness, cancellation, deadlines, combinators, scopes,
# errors, nothing unobserved, blocking, offload, stacks, loops, coordination, services, visibility.
groups='T14 A13 Y7 C25 D11 W16 S11 E5 U7 B10 O9 K10 L6 Q9 H8 I6'

# names WHERE...: of tests. One may stand for several rules: rule_c16_and_c19_...
names() {
    grep -rhoE '\brule_[a-z][0-9]+(_and_[a-z][0-9]+)*_[a-z0-9_]+' "$@" \
        --include='*.c' --include='*.cc' --include='*.sh' | sort -u
}

tested=$(names "$top_srcdir/tests" | sed -E 's/^(rule_[a-z][0-9]+(_and_[a-z][0-9]+)*)_.*/\1/' |
    grep -oE '[a-z][0-9]+' | tr a-z A-Z | sort -u)
decided=$(grep -hoE '\b[Rr]ule [A-Z][0-9]+\b' "$top_srcdir"/doc/decisions/*.md | awk '{ print $2 }' | sort -u)

missing=
for group in $groups; do
    for ((number = 1; number <= ${group:1}; number++)); do
        rule=${group:0:1}$number
        grep -qx "$rule" <<<"$tested" || grep -qx "$rule" <<<"$decided" || missing+="$rule "
    done
done
tap_empty "each rule has a test or a decision" "$missing"

# There is no test of a rule that there is not: it would be a slip of the pen.
strange=
for rule in $tested; do
    [[ $groups =~ ${rule:0:1}([0-9]+) ]] && ((${rule:1} >= 1 && ${rule:1} <= BASH_REMATCH[1])) ||
        strange+="$rule "
done
tap_empty "each test of a rule is of one that there is" "$strange"
tap_done

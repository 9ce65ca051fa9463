#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# instructions - what a message costs the daemon, from the socket to the acknowledgement, in
# instructions: a number that is the same on a busy machine.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"
program=$top_builddir/tests/sim/instructions
most=2080 # little more than it takes: a change that makes a message dearer is seen

command -v valgrind >/dev/null || tap_skip_all "no valgrind"
reason=$("$program" 100) || tap_skip_all "the simulation does not run here"
[ -z "$reason" ] || tap_skip_all "$reason"
valgrind --tool=none -q "$program" 10 >/dev/null 2>&1 ||
    tap_skip_all "this Valgrind cannot read what this compiler wrote"

# instructions_for COUNT: what the daemon executed to consume so many messages.
instructions_for() {
    valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file=/dev/null "$program" "$1" 2>&1 |
        sed -n 's/^==[0-9]*== Collected : \([0-9]*\).*/\1/p'
}

few=$(instructions_for 10000)
many=$(instructions_for 20000)
if [ -z "$few" ] || [ -z "$many" ] || [ "$many" -le "$few" ]; then
    tap_not_ok "instructions can be counted" "10000 messages: '$few', 20000: '$many'"
else
    each=$(((many - few) / 10000))
    tap_check "a message takes at most $most instructions: $each" [ "$each" -le "$most" ]
fi
tap_done

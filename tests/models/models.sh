#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# models - every state that a protocol of ours can reach, looked at by Spin: the model is without a
# fault, and each mistake that it knows as a switch breaks it. A model that no mistake breaks would
# prove nothing.
#
# ACKD_TEST_FULL=yes looks at more messages.
# shellcheck disable=SC2317 # functions are called through tap_check
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
[ "${ACKD_TEST_SCALE:-100}" -ge 100 ] || tap_skip_all "a short run"
command -v spin >/dev/null || tap_skip_all "no spin"
models=$(cd "$top_srcdir/tests/models" && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export LC_ALL=C

# explore MODEL SWITCH...: generate, compile, search; what pan says is in $work/pan.out.
explore() {
    local model=$1
    shift
    cd "$work" && rm -f -- * || return
    spin "$@" -a "$models/$model.pml" && ${CC:-cc} -O1 -w -DSAFETY -DVECTORSZ=4096 -DCOLLAPSE -o pan pan.c &&
        timeout 600 ./pan -m200000 -n >pan.out 2>&1
    grep -q 'errors: ' pan.out || { cat pan.out; return 1; }
}

# holds LEAST MODEL SWITCH...: no error in at least LEAST states, and all of them were looked at.
holds() {
    local least=$1 states
    shift
    explore "$@" || return
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out)
    if ! grep -q 'errors: 0$' pan.out || grep -q 'Search not completed\|max search depth' pan.out; then
        cat pan.out
        return 1
    fi
    [ "$states" -ge "$least" ] || { echo "only $states states"; return 1; }
}

# breaks MODEL MISTAKE PROPERTY: with that switch the assertion is violated that its line calls PROPERTY.
breaks() {
    local line
    explore "$1" "-D$2" || return
    line=$(spin "-D$2" -t -k "$1.pml.trail" "$models/$1.pml" | sed -n "s/^spin: .*$1.pml:\([0-9]*\), Error: assertion violated.*/\1/p" | head -n 1)
    [ -n "$line" ] || { echo "nothing is violated"; cat pan.out; return 1; }
    sed -n "${line}p" "$models/$1.pml" | grep -q "/\* .*\b$3\b" || { echo "violated at line $line, not $3"; return 1; }
}

full=()
[ "${ACKD_TEST_FULL:-}" != yes ] || full=(-DMESSAGES=4)

tap_check "promise_a1_in_a_model_of_tags_and_epochs" holds 200000 acknowledgement "${full[@]}"
tap_check "acknowledged when it starts: breaks M1" breaks acknowledgement EARLY M1
for mistake in NO_EPOCH WIDE TWICE; do
    tap_check "$mistake breaks M2" breaks acknowledgement $mistake M2
done
tap_check "FORGET breaks M3" breaks acknowledgement FORGET M3

tap_check "promise_a5_in_a_model_of_closing_channels" holds 1000 channel_close
for mistake in AGAIN LATE REUSE; do
    tap_check "$mistake breaks C1" breaks channel_close $mistake C1
done
tap_check "NO_OPEN breaks C3" breaks channel_close NO_OPEN C3

tap_check "promise_s4_in_a_model_of_the_stop" holds 300000 shutdown "${full[@]}"
tap_check "START breaks S1" breaks shutdown START S1
tap_check "UNCONFIRMED breaks S2" breaks shutdown UNCONFIRMED S2
tap_check "PATIENT breaks S3" breaks shutdown PATIENT S3
for mistake in HASTE QUIET; do
    tap_check "$mistake breaks S4" breaks shutdown $mistake S4
done
tap_done

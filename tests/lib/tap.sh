# SPDX-License-Identifier: MIT
# tap - the Test Anything Protocol for shell scripts: results on standard output, reasons as '#' lines.
#
# Source it, call tap_check and its kin once per promise, and end with tap_done. A script that dies
# before tap_done has no plan and therefore fails.
# shellcheck shell=bash

tap_count=0 tap_failed=0

tap_note() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

tap_ok() {
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s\n' "$tap_count" "$1"
}

tap_not_ok() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    printf 'not ok %d - %s\n' "$tap_count" "$1"
    shift
    [ $# -eq 0 ] || tap_note "$@"
}

tap_skip() {
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

tap_skip_all() {
    printf '1..0 # SKIP %s\n' "$1"
    exit 0
}

# tap_check NAME COMMAND...: the command succeeds; what it printed is the reason if not.
tap_check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        tap_ok "$name"
    else
        tap_not_ok "$name" "${output:-$*: status $?}"
    fi
}

# tap_empty NAME TEXT: TEXT, a line per violation, is empty.
tap_empty() {
    if [ -z "$2" ]; then
        tap_ok "$1"
    else
        tap_not_ok "$1" "$2"
    fi
}

# tap_is NAME GOT EXPECTED
tap_is() {
    if [ "$2" = "$3" ]; then
        tap_ok "$1"
    else
        tap_not_ok "$1" "got '$2', expected '$3'"
    fi
}

# tap_within NAME GOT LOW HIGH: whole numbers, both ends included.
tap_within() {
    if [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then
        tap_ok "$1"
    else
        tap_not_ok "$1" "got '$2', expected $3 to $4"
    fi
}

tap_done() {
    printf '1..%d\n' "$tap_count"
    exit 0
}

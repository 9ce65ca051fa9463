#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mutants - the simulation finds bugs: each file of mutants/ puts one into a copy of a source file,
# and a storm must break on it within a thousand seeds. One that does not apply any more fails too:
# write it anew for what the source has become.
#
# A mutant: a line '# what it does', a line '= FILE', the lines it takes out, each after '-', which
# the file must have exactly once, and the lines it puts there, each after '+'.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"
[ "${ACKD_TEST_SCALE:-100}" -ge 100 ] || tap_skip_all "a short run: they are looked for in a whole one"
most=1000 # seeds

work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-mutants.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

# mutate MUTANT: the source with the bug, on standard output.
mutate() {
    awk -v top="$top_srcdir" '
        /^= / { file = top "/" substr($0, 3) }
        /^-/ { old = old substr($0, 2) "\n" }
        /^\+/ { new = new substr($0, 2) "\n" }
        END {
            while ((getline line < file) > 0)
                text = text line "\n"
            at = index(text, old)
            rest = substr(text, at + length(old))
            if (old == "" || at == 0 || index(rest, old) > 0)
                exit 1
            printf "%s%s%s", substr(text, 1, at - 1), new, rest
        }' "$1"
}

# build NAME FILE: the storms with this copy of FILE.
build() {
    make -s -C "$top_builddir" sim-mutant "MUTANT=$work/$1" "MUTANT_OF=$2" 2>&1
}

# look NAME: build it and let the storms at it. The result is a line of TAP without its number.
look() {
    local name=$1 mutant=$top_srcdir/tests/sim/mutants/$1.mutant file output
    file=$(sed -n 's/^= //p' "$mutant")
    if ! mutate "$mutant" >"$work/$name.c"; then
        printf 'not ok - %s applies to %s exactly once\n' "$name" "$file"
    elif ! output=$(build "$name" "$file"); then
        printf 'not ok - %s compiles\n%s\n' "$name" "$(printf '%s\n' "$output" | tail -n 5)"
    elif output=$("$work/$name" --find "$most" 2>&1); then
        printf 'ok - %s is found\n%s\n' "$name" "$output"
    else
        printf 'not ok - %s is found within %d seeds\n%s\n' "$name" "$most" "$output"
    fi
}

# Two at a time: each is mostly compiler and linker, or one process.
names=$(cd "$top_srcdir/tests/sim/mutants" && ls ./*.mutant | sed 's|^\./||; s|\.mutant$||')
[ $# -eq 0 ] || names=$*
for name in $names; do
    look "$name" >"$work/$name.result" &
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
        wait -n
    done
done
wait
for name in $names; do
    result=$(cat "$work/$name.result")
    first=${result%%$'\n'*}
    case $first in
    'ok - '*) tap_ok "${first#ok - }" ;;
    *) tap_not_ok "${first#not ok - }" ;;
    esac
    tap_note "$(sed -n '1s/^# //p' "$top_srcdir/tests/sim/mutants/$name.mutant")"
    [ "$result" = "$first" ] || tap_note "${result#*$'\n'}"
done
tap_done

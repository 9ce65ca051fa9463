#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# readme - what README.md shows works: the handler compiles and handles, the files and chores exist.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
readme=$top_srcdir/README.md
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# The first block of LANGUAGE.
block() {
    awk -v start="^\`\`\`$1\$" '!on && $0 ~ start { on = 1; next } on && /^```$/ { exit } on' "$readme"
}

compiles() {
    # shellcheck disable=SC2086 # several flags
    ${CC:-cc} ${SAN_FLAGS:-} -shared -fPIC -Wall -Wextra -Werror -I"$top_srcdir/include" -o "$work/shop.so" \
        "$work/shop.c"
}

handles() {
    echo '{"order": 1}' | "${top_builddir:?}/ackd" try "$work/shop.so" >"$work/out" 2>&1
    local status=$?
    cat "$work/out"
    [ "$status" -eq 0 ] && grep -q 'done' "$work/out" &&
        grep -q "publishes to exchange 'shipping', routing key 'ready'" "$work/out"
}

# A folder of the map that is not there, or one of src that is not in the map.
wrong_map() {
    local path
    sed -n '/^## The map/,/^## Read/p' "$readme" | grep '^|' | sed 's/^| \([^|]*\) |.*/\1/' |
        grep -o '`[^`*]*`' | tr -d '`' | while read -r path; do
        [ -e "$top_srcdir/$path" ] || echo "$path is in the map and not in the tree"
    done
    for path in "$top_srcdir"/src/*/ "$top_srcdir"/tests/*/; do
        path=${path#"$top_srcdir/"}
        grep -qF "\`$path\`" "$readme" || echo "$path is not in the map"
    done
}

# Paths in code quotes elsewhere, and chores of dev.
wrong_names() {
    local name
    grep -oh '`\(src\|tests\|doc\|etc\|include\|bench\)/[a-z0-9_/.-]*`' "$readme" "$top_srcdir/CONTRIBUTING.md" |
        tr -d '`' | sort -u | while read -r name; do
        [ -e "$top_srcdir/$name" ] || echo "$name does not exist"
    done
    grep -oh '\./dev [a-z0-9]*' "$readme" "$top_srcdir/CONTRIBUTING.md" | sort -u | while read -r _ name; do
        grep -q "^chore_$name()" "$top_srcdir/dev" || echo "./dev $name does not exist"
    done
}

block c >"$work/shop.c"
tap_check "the handler compiles" compiles
tap_check "and handles a message" handles
tap_empty "the map is that of the tree" "$(wrong_map)"
tap_empty "files and chores that are named exist" "$(wrong_names)"
tap_done

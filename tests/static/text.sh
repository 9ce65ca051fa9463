#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# text - what every source file owes its reader: a licence line, config.h first, a guard that tells
# its path, no tabs, no unfinished business.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
cd "$top_srcdir" || exit 1

sources() {
    find include src consumers tests bench -type f \
        \( -name '*.c' -o -name '*.cc' -o -name '*.h' -o -name '*.def' -o -name '*.S' \) | sort
}

scripts() {
    find dev .ci tests bench -type f \( -name '*.sh' -o -path dev -o -path '.ci/run' \) | sort
}

without_licence() {
    local file
    for file in $(sources); do
        head -n 1 "$file" | grep -q '^/\* SPDX-License-Identifier: MIT \*/$' || echo "$file"
    done
    for file in $(scripts); do
        head -n 2 "$file" | grep -q '^# SPDX-License-Identifier: MIT$' || echo "$file"
    done
}

# A .c of the tree starts with config.h, so that no system header is seen without it.
config_not_first() {
    find src -name '*.c' | sort | while read -r file; do
        grep -m 1 '^#include' "$file" | grep -q '^#include <config\.h>$' || echo "$file"
    done
    find src include consumers -name '*.h' -exec grep -n '#include <config\.h>' {} +
}

# ACKD_<FOLDER>_<FILE>_H; the installed ones have no folder.
wrong_guards() {
    find include/ackd src tests/lib -name '*.h' | sort | while read -r file; do
        guard=${file#include/ackd/}
        guard=${guard#src/}
        guard=ACKD_$(printf %s "${guard%.h}" | tr 'a-z/-' 'A-Z__')_H
        grep -q "^#ifndef $guard\$" "$file" && grep -q "^#define $guard\$" "$file" ||
            echo "$file: the guard is $guard"
    done
}

untidy() {
    sources | grep -v '\.S$' | xargs grep -nP '\t' | sed 's/^\([^:]*:[0-9]*\):.*/\1: a tab/'
    sources | xargs grep -n '[[:space:]]$' | sed 's/^\([^:]*:[0-9]*\):.*/\1: trailing space/'
    # The formatter sees to the rest, and has views of its own on a comment that is one word over.
    sources | grep '\.\(def\|S\)$' | xargs awk 'length($0) > 100 { print FILENAME ":" FNR ": over 100 columns" }'
}

unfinished() {
    sources | xargs grep -nwE 'TODO|FIXME|XXX|HACK'
}

typedefs() {
    find src include -name '*.[ch]' -exec grep -nE '^typedef[[:space:]]+(struct|union|enum)\>' {} +
}

tap_empty "every source file has its licence line" "$(without_licence)"
tap_empty "config.h comes first in each .c and in no header" "$(config_not_first)"
tap_empty "a header's guard tells its path" "$(wrong_guards)"
tap_empty "no tabs, no trailing spaces, at most 100 columns" "$(untidy)"
tap_empty "nothing is left to be done" "$(unfinished)"
tap_empty "structures are not hidden behind typedefs" "$(typedefs)"
for file in README.md NEWS.md CONTRIBUTING.md LICENSE; do
    tap_check "$file says something" test -s "$file"
done
tap_done

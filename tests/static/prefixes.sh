#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# prefixes - the external symbols of noun.o are noun_..., or ackd_... that include/ackd declares.
#
# A noun may be in the plural, and a file named noun_kind.S or noun_kind.c may be one of several makers
# of the same noun (switch_x86_64.S, switch_ucontext.c: switch_...). What the compiler or a sanitizer
# adds starts with an underscore and is not looked at.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
NM=${NM:-nm}
: "${top_builddir:?}"
public=$(mktemp) && trap 'rm -f "$public"' EXIT
grep -oh '\<ackd_[a-z0-9_]*' "$top_srcdir"/include/ackd/*.h | sort -u >"$public"

# Those that are for the program and for tools, not for handlers.
permitted='^(ackd_main|ackd_blocking_refuses|ackd_library_version)$'

objects() {
    find "$top_builddir"/src/*/ -name '*.o' -path '*/.libs/*' | sort
}

# prefix_of OBJECT: lib<floor>_la-noun.o and noun.o are of noun.
prefix_of() {
    basename "$1" .o | sed 's/^lib[a-z0-9]*_la-//'
}

violations_of() {
    local noun kinless symbol
    noun=$(prefix_of "$1")
    kinless=${noun%%_*}
    "$NM" -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^_/ { print $3 }' | while read -r symbol; do
        case $symbol in
        "$noun" | "$noun"_* | "$noun"s_*) continue ;;
        ackd_*)
            [[ $symbol =~ $permitted ]] && continue
            grep -qx "$symbol" "$public" && continue
            ;;
        "$kinless"_*) [[ $1 == */switch_* || $1 == *-switch_* ]] && continue ;;
        esac
        echo "${1#"$top_builddir"/}: $symbol does not start with ${noun}_"
    done
}

all_violations() {
    objects | while read -r object; do
        violations_of "$object"
    done
}

if [ -z "$(objects)" ]; then
    tap_not_ok "there are objects to look at" "none below $top_builddir/src: build first"
else
    tap_ok "there are objects to look at"
fi
tap_empty "external symbols start with the noun of their file" "$(all_violations)"
tap_done

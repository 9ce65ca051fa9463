#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# symbols - libackd.so exports the public API and nothing else; a plugin exports ackd_consumer and
# nothing else.
#
# Set from the build: top_builddir, NM, and plugins, the names of the plugins' .la files.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
NM=${NM:-nm}
library=${top_builddir:?}/.libs/libackd.so

# The names that a shared object exports, without versions; what a sanitizer adds starts with '_'.
exported() {
    "$NM" -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
        grep -v '^_' | sort -u
}

# What the headers declare with ACKD_API: the last name before the first parenthesis of each.
declared() {
    cat "$top_srcdir"/include/ackd/*.h |
        awk '/^#/ { macro = /\\$/; next } macro { macro = /\\$/; next } { print }' |
        tr '\n' ' ' | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' | tr ';{}' '\n\n\n' |
        grep '\<ACKD_API\>' | sed 's/(.*//; s/ *$//; s/.*[ *]//' | grep '^ackd_' | sort -u
}

private() {
    printf '%s\n' ackd_blocking_refuses ackd_library_version ackd_main
}

permitted() {
    { declared && private; } | sort -u
}

if [ ! -e "$library" ]; then
    tap_not_ok "libackd.so is built" "no $library"
else
    tap_ok "libackd.so is built"
    tap_empty "libackd exports nothing that include/ackd does not declare" \
        "$(comm -23 <(exported "$library") <(permitted))"
    tap_empty "libackd exports all that include/ackd declares" \
        "$(comm -13 <(exported "$library") <(permitted))"
    tap_is "ackd_main is for the program only" \
        "$("$NM" -D --defined-only --with-symbol-versions "$library" | grep -o 'ackd_main@.*')" \
        'ackd_main@@ACKD_PRIVATE'
fi
for plugin in ${plugins:-}; do
    object=$top_builddir/$(dirname "$plugin")/.libs/$(basename "$plugin" .la).so
    tap_is "$(basename "$plugin" .la).so exports its descriptor only" \
        "$(exported "$object" | tr '\n' ' ')" 'ackd_consumer '
done
tap_done

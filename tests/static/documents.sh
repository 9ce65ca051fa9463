#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# documents - the sample file, the manual page and the JSON Schema are what src/config/options.def says.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
bash "$top_srcdir/doc/update-documents" "$top_builddir/doc/documents" "$top_srcdir" "$folder"

for file in etc/ackd.yaml etc/ackd.schema.json doc/man/ackd.yaml.5.scd; do
    tap_check "$file is up to date: make update-documents writes it again" \
        diff -u "$top_srcdir/$file" "$folder/$file"
done

# The keys of the sample, with and without a '#', are those of the table, and no others.
keys_of_sample() {
    sed -n 's/^ *#\{0,1\}\([a-z][a-z-]*\):\( .*\)\{0,1\}$/\1/p' "$top_srcdir/etc/ackd.yaml" | sort -u
}
keys_of_table() {
    sed -n 's/^OPTIONS_ROW([A-Z_]*, "\([^"]*\)".*/\1/p
        s/^OPTIONS_SECTION([A-Z_]*, [A-Z_]*, "\([^"]*\)".*/\1/p
        s/^OPTIONS_LIST([A-Z_]*, [A-Z_]*, "\([^"]*\)".*/\1/p
        s/^OPTIONS_SECTION([A-Z_]*, [A-Z_]*, NULL, "\([^"]*\)".*/\1/p' \
        "$top_srcdir/src/config/options.def" | sort -u
}
tap_check "the sample has every key of the table and no other" diff <(keys_of_table) <(keys_of_sample)

if command -v jq >/dev/null; then
    tap_check "the schema is JSON" jq -e '.properties.consumers' "$top_srcdir/etc/ackd.schema.json"
else
    tap_skip "the schema is JSON" "no jq"
fi
if command -v scdoc >/dev/null; then
    tap_check "the manual page is scdoc" scdoc <"$top_srcdir/doc/man/ackd.yaml.5.scd"
else
    tap_skip "the manual page is scdoc" "no scdoc"
fi
tap_done

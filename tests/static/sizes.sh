#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sizes - no function over 70 lines, no .c over 800, no .h over 300: what fits on a screen or two is
# read, what does not is believed.
#
# The house format puts the brace that opens a function alone in the first column and the one that
# closes it too, so functions are found without a parser, also inside START_TEST. Where
# universal-ctags is installed it is asked as well, for code that does not keep to the format.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
cd "$top_srcdir" || exit 1
function_max=70 source_max=800 header_max=300

sources() {
    find include src consumers tests bench -type f \( -name '*.c' -o -name '*.cc' -o -name '*.h' \) | sort
}

# Counted from the first line of the signature, as ctags does.
long_functions_by_brace() {
    sources | xargs awk -v max="$function_max" '
        FNR == 1 { start = 0; head = 0 }
        /^\{/ { start = head ? head : FNR; next }
        /^\}/ {
            if (start && FNR - start + 1 > max)
                print FILENAME ":" start ": a function of " FNR - start + 1 " lines"
            start = head = 0
            next
        }
        start { next }
        /^$|^#|^\/\*|^ \*|;$/ { head = 0; next }
        /^[A-Za-z_]/ && !head { head = FNR }'
}

long_functions_by_ctags() {
    sources | ctags --languages=C,C++ --kinds-C=f --kinds-C++=f --fields=+ne --output-format=u-ctags \
        --sort=no -L - -f - 2>/dev/null | awk -F'\t' -v max="$function_max" '
        {
            line = end = 0
            for (i = 4; i <= NF; i++) {
                if ($i ~ /^line:/) line = substr($i, 6)
                if ($i ~ /^end:/) end = substr($i, 5)
            }
            if (line && end && end - line + 1 > max)
                print $2 ":" line ": " $1 " has " end - line + 1 " lines"
        }'
}

long_files() {
    sources | xargs wc -l | awk -v source="$source_max" -v header="$header_max" '
        $2 == "total" { next }
        $2 ~ /\.h$/ && $1 > header { print $2 ": " $1 " lines, at most " header }
        $2 ~ /\.cc?$/ && $1 > source { print $2 ": " $1 " lines, at most " source }'
}

tap_empty "no function is over $function_max lines" "$(long_functions_by_brace)"
if ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
    tap_empty "no function is over $function_max lines, by ctags" "$(long_functions_by_ctags)"
else
    tap_skip "no function is over $function_max lines, by ctags" "no universal-ctags"
fi
tap_empty "no .c is over $source_max lines and no .h over $header_max" "$(long_files)"
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# variants - rule K9: the full check runs the unit tests under each sanitizer, under Valgrind, with
# tasks that switch by ucontext, and for aarch64. The builds themselves take too long to be made here.
# shellcheck disable=SC2317 # functions are called through tap_check
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
cd "$top_srcdir" || exit 1

# body FUNCTION: its lines, in dev.
body() {
    sed -n "/^$1() {/,/^}/p" dev
}

# has FUNCTION TEXT...: each text is in the function.
has() {
    local lines text
    lines=$(body "$1")
    shift
    for text; do
        [[ $lines == *"$text"* ]] || { echo "without '$text': $lines"; return 1; }
    done
}

tap_check "rule_k9_the_full_check_has_all_variants" has check_full variant_asan variant_tsan \
    variant_ucontext variant_aarch64 test_valgrind
tap_check "each change is checked with the sanitizers" has check_short variant_asan variant_tsan
tap_check "rule_k9_under_asan_lsan_and_ubsan" has variant_asan 'asan "$units"' \
    --enable-sanitizers=address,undefined detect_leaks=1
tap_check "rule_k9_under_tsan" has variant_tsan 'tsan "$units"' --enable-sanitizers=thread
tap_check "rule_k9_by_ucontext" has variant_ucontext 'ucontext "$units"' --with-switch=ucontext
tap_check "rule_k9_for_aarch64" has variant_aarch64 --host=aarch64-linux-gnu \
    'tests/unit/task/%' qemu-aarch64
tap_check "rule_k9_under_valgrind" has test_valgrind 'TESTS=$units' valgrind --error-exitcode
for chore in asan tsan ucontext aarch64 valgrind; do
    tap_check "./dev $chore runs it alone" grep -qE "^ +$chore\b" <<<"$(./dev help)"
done
tap_done

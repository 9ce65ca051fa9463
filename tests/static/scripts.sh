#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# scripts - the shell scripts of the tree parse, and shellcheck has nothing to say about them.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
cd "$top_srcdir" || exit 1
mapfile -t scripts < <(find dev .ci tests bench consumers -type f \
    \( -name '*.sh' -o -path dev -o -path '.ci/run' \) | sort)

for script in "${scripts[@]}"; do
    tap_check "$script parses" bash -n "$script"
done
if command -v shellcheck >/dev/null; then
    # SC1090, SC1091: sourced files are found through top_srcdir, and are checked themselves.
    tap_check "shellcheck is content" shellcheck -S warning -e SC1090,SC1091 -x "${scripts[@]}"
else
    tap_skip "shellcheck is content" "no shellcheck"
fi
tap_done

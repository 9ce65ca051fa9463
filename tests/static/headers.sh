#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers - each public header compiles alone, as C11 -pedantic and as C++17, without config.h.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# compile LANGUAGE-FLAGS FILE COMPILER...
compile() {
    local flags=$1 file=$2
    shift 2
    # shellcheck disable=SC2086 # the flags are several words
    "$@" $flags -Wall -Wextra -Werror -fsyntax-only -I"$top_srcdir/include" "$file"
}

# Each program once, however it is named.
compilers() {
    local compiler
    for compiler in "$@"; do
        command -v "${compiler%% *}" >/dev/null && echo "$compiler"
    done | sort -u
}

# check_header HEADER EXTENSION FLAGS COMPILER
check_header() {
    local header=$1 file=$work/alone.$2 compiler
    read -ra compiler <<<"$4"
    # Twice, so that a missing guard shows.
    printf '#include <ackd/%s>\n#include <ackd/%s>\nint main(void);\n' "$header" "$header" >"$file"
    [ "$2" = cc ] && sed -i 's/(void)/()/' "$file"
    tap_check "$header with $4 $3" compile "$3" "$file" "${compiler[@]}"
}

for path in "$top_srcdir"/include/ackd/*.h; do
    header=$(basename "$path")
    while read -r compiler; do
        check_header "$header" c '-std=c11 -pedantic' "$compiler"
    done < <(compilers "${CC:-cc}" gcc clang)
    while read -r compiler; do
        check_header "$header" cc '-std=c++17 -pedantic' "$compiler"
    done < <(compilers "${CXX:-c++}" g++ clang++)
done

cat >"$work/spawn.cc" <<'CC'
#include <ackd/task.h>
static int child(void *) { return ackd_delay(1); }
int parent();
int parent()
{
    ACKD_SCOPE(work);
    ACKD_TRY(ackd_spawn(&work, child, nullptr));
    return ackd_scope_join(&work);
}
CC
while read -ra compiler; do
    tap_check "a scope with a child with ${compiler[*]}" compile '-std=c++17 -pedantic' \
        "$work/spawn.cc" "${compiler[@]}"
done < <(compilers "${CXX:-c++}" g++ clang++)
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - build all that measures, and run it.
#
#     run.sh [--json] BUILD_DIRECTORY
#
# Tables on standard output, or with --json an object for each line of them.
set -u
json=()
[ "${1:-}" != --json ] || { json=(--json); shift; }
build=$(cd "${1:?usage: run.sh [--json] BUILD_DIRECTORY}" && pwd) || exit 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mapfile -t programs < <(find "$here" -name 'bench_*.c' | sed 's|.*/||; s|\.c$||' | sort)
jobs=$(nproc)

make -s -C "$build" -j "$jobs" all "${programs[@]/#/bench/}" bench/firehose bench/bare bench/raw \
    bench/noop.la bench/await.la bench/keyed.la tests/lib/amqptool >/dev/null || exit 1

for program in "${programs[@]}"; do
    [ "${#json[@]}" -gt 0 ] || printf '\n%s\n' "$program"
    timeout 300 "$build/bench/$program" "${json[@]}" || exit 1
done
[ "${#json[@]}" -gt 0 ] || printf '\npipeline\n'
timeout 900 bash "$here/pipeline.sh" "${json[@]}" "$build" || exit 1
[ "${#json[@]}" -gt 0 ] || printf '\nkeys\n'
timeout 300 bash "$here/keys.sh" "${json[@]}" "$build"

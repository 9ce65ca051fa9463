#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# transcripts - RabbitMQ answers as it did when the transcripts of tests/lib/transcripts were recorded,
# which the fake broker of the simulation is measured by. With --record they are recorded anew.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# play FILE: as the broker answers now, with its client's lines.
play() {
    timeout 60 "$top_builddir/tests/lib/transcript" real "$rabbit_port" / "$1" 2>&1
}

version=$(rabbit_eval 'rabbit_misc:version().' 2>/dev/null)
case $version in
*3.10.*) ;;
*) tap_skip_all "recorded from 3.10, this is $version" ;;
esac

for stored in "$top_srcdir"/tests/lib/transcripts/*.txt; do
    name=$(basename "$stored" .txt)
    if [ "${1:-}" = --record ]; then
        # Without the answers that are there, it is listened to for longer.
        grep -v '^<' "$stored" >"$work/$name.txt"
        play "$work/$name.txt" >"$stored"
        tap_ok "$name is recorded"
    else
        tap_empty "RabbitMQ answers as recorded: $name" "$(play "$stored" | diff "$stored" -)"
    fi
done
tap_done

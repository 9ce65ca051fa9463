#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# transcripts - the fake broker answers as the real one did when its transcripts were recorded:
# tests/broker/test_transcripts.sh, which looks whether it still does.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"

for stored in "$top_srcdir"/tests/lib/transcripts/*.txt; do
    name=$(basename "$stored" .txt)
    tap_empty "the fake broker answers as recorded: $name" \
        "$(timeout 60 "$top_builddir/tests/lib/transcript" fake "$stored" 2>&1 | diff "$stored" -)"
done
tap_done

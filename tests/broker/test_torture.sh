#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# torture - a small case of ./dev torture: ackd and the broker are killed, and every message is there.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
[ "${ACKD_TEST_BROKER:-yes}" != no ] || tap_skip_all "ACKD_TEST_BROKER=no"
rabbit_available || tap_skip_all "no rabbitmq-server"

torture() {
    bash "$top_srcdir/tests/torture/torture.sh" "${top_builddir:?}" 10000 6 1
}

table=$(torture 2>&1)
status=$?
tap_is "promise_s10_killed_at_any_moment_nothing_is_lost" "$status" 0
tap_note "$table"
tap_done

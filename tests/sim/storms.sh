#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# storms - whole lives of daemons amid faults, a thousand messages and twenty faults each, on all
# processors: nothing is lost, nothing is handled twice without a reason, everything drains at last.
# ACKD_SIM_SEEDS says how many.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"
seeds=${ACKD_SIM_SEEDS:-$((10 * ${ACKD_TEST_SCALE:-100}))}

output=$("$top_builddir/tests/sim/storms" "$seeds" 2>&1)
status=$?
tap_note "$output"
tap_is "$seeds seeds: nothing is lost, whatever happens" "$status" 0
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pipeline - ackd, the usual librabbitmq loop ("bare") and a mere reader ("raw") take turns on the
# same stream of messages.
#
#     pipeline.sh [--json] BUILD_DIRECTORY
#
# Only ratios within one run mean something: every figure is the median of $rounds turns, the broker
# is pinned to one core and the consumer to another. The targets stand beside what was reached; rates
# of 'bare' are 1. ACKD_BENCH_ROUNDS and ACKD_BENCH_MS shorten it; ACKD_BENCH_CASES picks cases.
set -u
json=
[ "${1:-}" != --json ] || { json=yes; shift; }
build=$(cd "${1:?usage: pipeline.sh [--json] BUILD_DIRECTORY}" && pwd) || exit 2
rounds=${ACKD_BENCH_ROUNDS:-5} measure_ms=${ACKD_BENCH_MS:-500}
export LD_LIBRARY_PATH="$build/.libs"
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-bench.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# NAME WINDOW BODY ROUND_US, then targets: rate and processor time as multiples of bare's; 0: none.
# At window 1 the broker answers at once: a pause would be all that is measured.
cases='
window-1000 1000 100 50 8 0.10
window-10000 10000 100 50 8 0.10
window-100 100 100 50 1.8 0.15
window-10 10 100 50 1.1 0.5
window-1 1 100 0 0.75 1.4
body-1KiB 1000 1024 50 3 0
body-64KiB 100 65536 50 1 0
body-1MiB 16 1048576 50 1 0'
[ -z "${ACKD_BENCH_CASES:-}" ] || cases=$(grep -wE "$ACKD_BENCH_CASES" <<<"$cases")

# The first two cores that we may use; nothing where there is one only.
cores=$(awk '/^Cpus_allowed_list:/ {
    count = split($2, ranges, ",")
    for (i = 1; i <= count; i++) {
        last = split(ranges[i], range, "-")
        for (core = range[1]; core <= range[last] && found < 2; core++) list[++found] = core
    }
    if (found == 2) print list[1] "," list[2]
}' /proc/self/status)

# configuration HANDLER WINDOW: names a file.
configuration() {
    local file=$work/$1-$2.yaml
    (umask 077 && cat >"$file") <<YAML
broker: {uri: "amqp://127.0.0.1:\${ACKD_BENCH_PORT}/", user: guest, password: guest}
log: {format: logfmt, level: warning}
plugins: {path: [$build/bench/.libs]}
consumers:
  bench: {queue: bench, handler: $1, concurrency: $2, prefetch: $2}
YAML
    echo "$file"
}

# measure CASE CONTESTANT OPTION... -- COMMAND...: one line for the report.
measure() {
    local name=$1 contestant=$2 line
    shift 2
    if ! line=$("$build/bench/firehose" ${cores:+--cores "$cores"} "$@" 2>"$work/stderr"); then
        echo "pipeline: $name, $contestant: $line" >&2
        cat "$work/stderr" >&2
    fi
    echo "$name $contestant $line" >>"$work/results"
}

turn() {
    local name=$1 window=$2 options=(--body "$3" --round-us "$4" --measure-ms "$measure_ms")
    measure "$name" ackd "${options[@]}" "$build/.libs/ackd" run -c "$(configuration noop "$window")"
    measure "$name" bare "${options[@]}" "$build/bench/bare" "$window"
    measure "$name" raw "${options[@]}" "$build/bench/raw" "$window"
}

all_turns() {
    local name window body round_us
    for _ in $(seq "$rounds"); do
        while read -r name window body round_us _; do
            [ -z "$name" ] || turn "$name" "$window" "$body" "$round_us"
        done <<<"$cases"
        [ -z "${ACKD_BENCH_CASES:-}" ] || continue
        for window in 1000 10000; do
            measure "await-$window" ackd --measure-ms $((2 * measure_ms)) \
                "$build/.libs/ackd" run -c "$(configuration await "$window")"
        done
    done
    [ -n "${ACKD_BENCH_CASES:-}" ] || measure idle ackd --deliver 1000 --warmup-ms 2000 --measure-ms 5000 \
        "$build/.libs/ackd" run -c "$(configuration noop 1000)"
}

# shellcheck disable=SC2016 # awk's variables
report='
function median(name, who, key,    values, count, i, j, value) {
    count = runs[name, who]
    for (i = 1; i <= count; i++) {
        value = figure[name, who, i, key]
        for (j = i - 1; j >= 1 && values[j] > value; j--) values[j + 1] = values[j]
        values[j + 1] = value
    }
    return count ? values[int((count + 1) / 2)] : 0
}
function ratio(value, base) { return base > 0 ? value / base : 0 }
function verdict(good) { return good ? "reached" : "MISSED" }
function row(what, value, target, good) {
    if (json) printf "{\"bench\":\"pipeline\",\"case\":\"%s\",\"value\":%.4f,\"target\":\"%s\",\"reached\":%s}\n", what, value, target, good ? "true" : "false"
    else printf "%-44s %10.2f  %-10s %s\n", what, value, target, verdict(good)
}
function compare(name,    rate, cpu, bare_rate, bare_cpu, raw_cpu) {
    rate = median(name, "ackd", "rate"); cpu = median(name, "ackd", "cpu_us")
    bare_rate = median(name, "bare", "rate"); bare_cpu = median(name, "bare", "cpu_us")
    raw_cpu = median(name, "raw", "cpu_us")
    if (json) {
        for (i = 1; i <= 3; i++) {
            who = i == 1 ? "ackd" : i == 2 ? "bare" : "raw"
            printf "{\"bench\":\"pipeline\",\"case\":\"%s\",\"contestant\":\"%s\",\"rate\":%.0f,\"cpu_us\":%.4f,\"rate_to_bare\":%.3f,\"cpu_to_bare\":%.3f}\n",
                name, who, median(name, who, "rate"), median(name, who, "cpu_us"),
                ratio(median(name, who, "rate"), bare_rate), ratio(median(name, who, "cpu_us"), bare_cpu)
        }
        return
    }
    printf "%-13s %10.0f %7.3f | %10.0f %7.3f | %10.0f %7.3f | %6.2f x %-6s %6.2f x %-6s %s\n",
        name, rate, cpu, bare_rate, bare_cpu, median(name, "raw", "rate"), raw_cpu,
        ratio(rate, bare_rate), ">= " target_rate[name], ratio(cpu, bare_cpu),
        (target_cpu[name] > 0) ? "<= " target_cpu[name] : "",
        verdict(ratio(rate, bare_rate) >= target_rate[name] &&
                (target_cpu[name] == 0 || ratio(cpu, bare_cpu) <= target_cpu[name]))
}
FILENAME == ARGV[1] {
    if (NF < 6) next
    order[++cases] = $1
    target_rate[$1] = $5; target_cpu[$1] = $6
    next
}
{
    run = ++runs[$1, $2]
    for (i = 3; i <= NF; i++) {
        split($i, pair, "=")
        figure[$1, $2, run, pair[1]] = pair[2] + 0
    }
}
END {
    if (!json)
        printf "%-13s %10s %7s | %10s %7s | %10s %7s | %-15s %-15s\n", "case", "ackd/s", "CPU us",
            "bare/s", "CPU us", "raw/s", "CPU us", "rate to bare", "CPU to bare"
    for (i = 1; i <= cases; i++) compare(order[i])
    if (!json) printf "\n"
    if (("window-1000", "ackd") in runs) {
        value = ratio(median("window-1000", "ackd", "cpu_us"), median("window-1000", "raw", "cpu_us"))
        row("CPU to the raw reader, window 1000", value, "<= 5", value <= 5)
        value = median("window-1000", "ackd", "first_ack_ms")
        row("start to first acknowledgement, ms", value, "<= 15", value <= 15)
        value = median("window-1000", "ackd", "stop_ms")
        row("SIGTERM to exit, 1000 in flight, ms", value, "<= 1000", value <= 1000)
        value = median("window-1000", "ackd", "abandoned")
        row("unanswered at that exit", value, "0", value == 0)
    }
    if (("await-1000", "ackd") in runs) {
        value = median("await-1000", "ackd", "rate") / 50000 * 100
        row("awaits of 20 ms, 1000 in flight, % of ideal", value, ">= 98", value >= 98)
        value = median("await-1000", "ackd", "cpu_us")
        row("  CPU us per message", value, "<= 0.8", value <= 0.8)
        value = median("await-10000", "ackd", "rate") / 500000 * 100
        row("awaits of 20 ms, 10000 in flight, % of ideal", value, ">= 97", value >= 97)
        value = median("await-10000", "ackd", "cpu_us")
        row("  CPU us per message", value, "<= 1", value <= 1)
        value = (median("await-10000", "ackd", "resident_kib") - median("idle", "ackd", "resident_kib")) / 10000
        row("  KiB per message in flight, above idle", value, "<= 8", value <= 8)
        value = median("idle", "ackd", "resident_kib") / 1024
        row("idle after 1000 messages, MiB resident", value, "<= 8", value <= 8)
        value = median("idle", "ackd", "sleeps_per_s")
        row("idle, wake-ups per second", value, "<= 1", value <= 1)
    }
}'

: >"$work/results"
echo "$cases" >"$work/cases"
all_turns
awk -v json="$json" "$report" "$work/cases" "$work/results"

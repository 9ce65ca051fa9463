#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The command as its user meets it: help, versions, statuses, and errors that say what to do.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
ackd=${top_builddir:?}/ackd
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
plugins=$top_builddir/.libs
mappings_max=$(cat /proc/sys/vm/max_map_count) # of which a stack with its guard takes two

# gives STATUS PATTERN COMMAND...: it ends with that status, and its output has the pattern.
gives() {
    local expected=$1 pattern=$2 status
    shift 2
    output=$("$@" 2>&1 </dev/null)
    status=$?
    printf '%s\n' "$output"
    [ "$status" = "$expected" ] || { echo "status $status instead of $expected"; return 1; }
    printf '%s\n' "$output" | grep -qE -- "$pattern" || { echo "nothing like: $pattern"; return 1; }
}

config() {
    (umask 077 && cat >"$work/ackd.yaml")
}

tap_check "--version names the version" gives 0 '^ackd [0-9]+\.[0-9]+\.[0-9]+$' "$ackd" --version
tap_check "--help lists every command" gives 0 'ackd try' "$ackd" --help
for command in run check try config handlers; do
    tap_check "$command --help explains it" gives 0 "^Usage: ackd $command" "$ackd" "$command" --help
done
tap_check "no command is a usage error" gives 64 'which command' "$ackd"
tap_check "an unknown command is a usage error" gives 64 "no command 'frobnicate'" "$ackd" frobnicate
tap_check "an unknown option is a usage error" gives 64 'frobnicate' "$ackd" run --frobnicate
tap_check "an argument too many is a usage error" gives 64 "'more' is one argument too many" \
    "$ackd" check more

tap_check "an unknown option is told in the name of ackd" gives 64 "^ackd check: -z is no option" \
    "$ackd" check -z
tap_check "try --help lists its options" gives 0 '--attempts N' "$ackd" try --help
tap_check "a missing file is named, with status 78" gives 78 "$work/none.yaml" \
    "$ackd" check -c "$work/none.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1:1"}
plugins: {path: ["$plugins"]}
runtime: {tasks-max: $((mappings_max * 3)), stack-guard: mprotect}
consumers:
  orders: {queue: orders, handler: log}
Y
if [ "$mappings_max" -le 300000 ]; then
    tap_check "rule K4: tasks that the kernel has no mappings for are refused at the start" gives 78 \
        "[0-9]+ tasks need more .* vm\.max_map_count = $mappings_max .* 'sysctl vm\.max_map_count=[0-9]+'" \
        "$ackd" run -c "$work/ackd.yaml"
else
    tap_skip "rule K4: tasks that the kernel has no mappings for are refused at the start" \
        "vm.max_map_count is $mappings_max"
fi
config <<Y
broker: {uri: "amqp://127.0.0.1"
Y
tap_check "YAML that does not parse has its place" gives 78 'ackd.yaml:[0-9]+:[0-9]+: ' \
    "$ackd" run -c "$work/ackd.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1"}
plugins: {path: ["$plugins"]}
consumers:
  orders: {queue: orders, handler: log, concurency: 3}
Y
tap_check "an unknown option is named with its nearest name" gives 78 \
    "unknown option 'concurency' in consumer 'orders' \(did you mean 'concurrency'\?\)" \
    "$ackd" run -c "$work/ackd.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1"}
plugins: {path: ["$plugins"]}
consumers:
  orders: {queue: orders, handler: frobnicate}
Y
tap_check "check names a missing plugin and where it looked" gives 78 'frobnicate.*looked for' \
    "$ackd" check -c "$work/ackd.yaml"
tap_check "run ends with 78 if no consumer can run" gives 78 'no consumer can run' \
    "$ackd" run -c "$work/ackd.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1"}
plugins: {path: ["$plugins"]}
consumers:
  orders: {queue: orders, handler: log, settings: {levle: info}}
Y
tap_check "a setting that the handler does not have is named with its place" gives 78 \
    "ackd.yaml:4:[0-9]+: .*levle.*did you mean 'level'" "$ackd" check -c "$work/ackd.yaml"
tap_check "so does run" gives 78 "levle" "$ackd" run -c "$work/ackd.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1", user: orders, password: "s3cret"}
plugins: {path: ["$plugins"]}
consumers:
  orders: {queue: orders, handler: log}
Y
tap_check "check says that a good configuration is good" gives 0 'good: 1 consumer' \
    "$ackd" check -c "$work/ackd.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1"}
Y
tap_check "check does not call good what run refuses" gives 78 'no consumer is configured' \
    "$ackd" check -c "$work/ackd.yaml"
tap_check "run refuses it" gives 78 'no consumer is configured' "$ackd" run -c "$work/ackd.yaml"
config <<Y
broker: {uri: "amqp://127.0.0.1", user: orders, password: "s3cret"}
plugins: {path: ["$plugins"]}
consumers:
  orders: {queue: orders, handler: log}
Y
tap_check "config shows values and their places" gives 0 'ackd.yaml:4' \
    "$ackd" config -c "$work/ackd.yaml"
shows_no_secret() {
    ! "$ackd" config -c "$work/ackd.yaml" 2>&1 | grep -F s3cret
}
tap_check "config hides secrets" shows_no_secret
tap_check "config --schema prints the schema of the files" gives 0 '"\$schema": ' "$ackd" config --schema
tap_check "handlers lists what is found, with options" gives 0 'level' \
    "$ackd" handlers -c "$work/ackd.yaml" log
tap_check "handlers says where it looked" gives 1 "$plugins" \
    "$ackd" handlers -c "$work/ackd.yaml" nothing

printf 'one\ntwo\n' >"$work/lines"
tap_check "try runs a handler on lines" gives 0 '2 messages: 2 done' \
    "$ackd" try -p "$plugins" log "$work/lines"
printf '{"body": {"id": 7}, "message_id": "m-7", "headers": {"tenant": "a", "n": 3}}\n' >"$work/json"
tap_check "try takes a setting again as one more item of a list" gives 0 'msg="two words 4"' \
    "$ackd" try -p "$plugins" -s command=sh -s command=-c -s 'command=echo two words $ACKD_SIZE' \
    exec <(echo four)
tap_check "try reads JSON with properties" gives 0 'm-7' "$ackd" try -p "$plugins" -j log "$work/json"
printf '{"body": \n' >"$work/json"
tap_check "try names the line that is not JSON" gives 1 "$work/json:1: .*JSON" \
    "$ackd" try -p "$plugins" --json log "$work/json"
tap_check "try names a file that is not there" gives 66 "$work/nothing" \
    "$ackd" try -p "$plugins" log "$work/nothing"
cat >"$work/program" <<'P'
#!/bin/sh
mkdir lock || { echo overlapped >&2; exit 1; }
sleep 0.2
rmdir lock
exit 75
P
chmod +x "$work/program"
seq 8 >"$work/lines"
keeps_to_its_concurrency() {
    gives 1 '8 messages: 0 done, 8 dead, .* 8 retries' \
        "$ackd" try -p "$plugins" -a 2 -s command="$work/program" -s directory="$work" exec \
        "$work/lines" && ! printf '%s' "$output" | grep overlapped
}
tap_check "try keeps to its concurrency when it tries again" keeps_to_its_concurrency
batched=$top_builddir/tests/plugins/.libs/batched.so
printf 'a\nb\n\nlater\nc\nd\n' >"$work/lines"
tap_check "try makes batches, and tells of each message" gives 1 '^4: failed, attempt 1 of 5' \
    "$ackd" try -B 4 "$batched" "$work/lines"
tap_check "try gives what there is to the last batch" \
    gives 1 '6 messages: 5 done, 1 dead, .* 1 retries' "$ackd" try -B 4 "$batched" "$work/lines"
tap_check "try makes batches for a handler that knows nothing else" gives 1 'together=6' \
    "$ackd" try "$batched" "$work/lines"
tap_check "try refuses batches for a handler that knows none" gives 78 'no handle_batch' \
    "$ackd" try -p "$plugins" -B 4 log "$work/lines"
tap_check "try refuses a setting without a value" gives 64 'KEY=VALUE' \
    "$ackd" try -p "$plugins" -s level log "$work/lines"
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# brokers - two real brokers in one configuration: what happens to one is nothing to the other.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin

# other: the broker that rabbit.sh does not speak of now becomes the one that it does.
kept_names=(rabbit_dir rabbit_port rabbit_uri rabbit_tls_port rabbit_epmd_pid rabbit_launcher_pid)
declare -A kept=()
kept_environment=()
other() {
    local name now environment=("${rabbit_environment[@]}")
    for name in "${kept_names[@]}"; do
        now=${!name}
        printf -v "$name" '%s' "${kept[$name]:-}"
        kept[$name]=$now
    done
    rabbit_environment=("${kept_environment[@]}")
    kept_environment=("${environment[@]}")
}

trap 'other; rabbit_stop; other; broker_test_clean' EXIT
one_port=$rabbit_port
other
rabbit_start || { tap_not_ok "a second RabbitMQ starts"; exit 1; }
amqp declare q
two_port=$rabbit_port
other
amqp declare q

(umask 077 && cat >"$work/ackd.yaml") <<YAML
brokers:
  one: {uri: "amqp://guest:guest@127.0.0.1:$one_port/", heartbeat: 2s, reconnect: {first: 100ms, max: 500ms}}
  two: {uri: "amqp://guest:guest@127.0.0.1:$two_port/", heartbeat: 2s, reconnect: {first: 100ms, max: 500ms}}
log: {format: logfmt}
plugins: {path: [$plugins_dir]}
consumers:
  first: {broker: one, queue: q, handler: record, settings: {file: $work/record}}
  second: {broker: two, queue: q, handler: record, settings: {file: $work/record}}
YAML

# connections: the names of those that consume from the present broker.
consuming_connections() {
    rabbit_ctl -q list_connections client_properties | grep -o '"ackd [^"]* consuming: [^"]*"'
}

ackd_start
tap_check "it consumes from both" ackd_wait_ready 2
amqp publish -n 1 q 1
tap_check "a message of the first is handled" wait_recorded "^end 1 ok" 1
tap_check "the first knows its consumer alone" grep -q 'consuming: first"' <(consuming_connections)
other
amqp publish -n 2 q 1
tap_check "one of the second is handled" wait_recorded "^end 2 ok" 1
tap_check "the second knows its consumer alone" grep -q 'consuming: second"' <(consuming_connections)
other

rabbit_kill
tap_check "the first is missed" wait_for 20 grep -qE 'event=disconnected .*broker=one link=consuming' "$ackd_log"
other
amqp publish -n 3 q 1
tap_check "the second goes on" wait_recorded "^end 3 ok" 1
other
rabbit_restart
tap_check "the first comes back" ackd_wait_ready 3
amqp publish -n 4 q 1
tap_check "and is consumed from" wait_recorded "^end 4 ok" 1
tap_is "the second was never missed" "$(grep -c 'event=disconnected .*broker=two' "$ackd_log")" 0
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
other
rabbit_stop
other
broker_test_end

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rows_hosts - who is met on the way to a broker, and who else consumes: rows 12 to 16, 28, 41, 44, 53 and
# 54 of the table of faults. One ackd has a broker for each row that takes its time.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
. "$top_srcdir/tests/lib/rows.sh"
broker_test_begin
proxy_start || { tap_not_ok "the proxy starts"; exit 1; }

user() {
    rabbit_eval "rabbit_auth_backend_internal:$1(<<\"$2\">>, <<\"$3\">>, <<\"test\">>)." >/dev/null
}

permit() {
    rabbit_eval "rabbit_auth_backend_internal:set_permissions(<<\"$1\">>, <<\"$2\">>, <<\".*\">>, <<\".*\">>,
        <<\".*\">>, <<\"test\">>)." >/dev/null
}

# Wrong peers, each at a port of its own.
wrong_ports=
wrong_peer() {
    local port
    for port in 2 3 4 5 6 7; do
        port=$((rabbit_port + port))
        rabbit_port_is_free "$port" && [[ "$wrong_ports " != *" $port "* ]] && break
    done
    "$top_builddir/tests/lib/impostor" "$port" "$@" &
    also_running+=" $!"
    wrong_ports+=" $port"
}
wrong_peer 'HTTP/1.1 400 Bad Request\r\n\r\n'
wrong_peer '\x15\x03\x03\x00\x02\x02\x0a'
wrong_peer 'AMQP\x00\x01\x00\x00'
wrong_peer 'AMQP\x00\x00\x09\x01'
wrong_peer -r 'and so on '
wrong_hosts=$(printf ',127.0.0.1:%s' $wrong_ports)
refused=$((rabbit_port + 1))

# brokers_and_consumers: a broker NAME with URI and USER, and a consumer on it.
brokers='' consumers=''
met() {
    brokers+="
  $1: {uri: \"$2\", user: $3, password: secret, allow-plaintext: true, reconnect: {first: 100ms, max: 500ms}, heartbeat: 5s}"
    consumers+="
  $1: {broker: $1, queue: ${4:-q-$1}, handler: record, concurrency: 4, prefetch: $row_prefetch,
    settings: {file: $work/record}}"
}

user add_user known secret
user add_user leaver secret
user add_user forgetful other
for name in known leaver forgetful; do permit "$name" /; done
for name in wrong-peers wrong-password missing-vhost deleted-user dead-host; do amqp declare "q-$name"; done
met wrong-peers "amqp://${wrong_hosts#,}/" known
met wrong-password "amqp://127.0.0.1:$rabbit_port/" forgetful
met missing-vhost "amqp://127.0.0.1:$rabbit_port/late" known
met deleted-user "amqp://127.0.0.1:$rabbit_port/" leaver
met dead-host "amqp://127.0.0.1:$proxy_port,127.0.0.1:$refused,nowhere.invalid/" known
(umask 077 && cat >"$work/ackd.yaml") <<YAML
brokers:$brokers
log: {format: logfmt, level: info}
plugins: {path: [$plugins_dir]}
consumers:$consumers
YAML
: >"$work/record"
proxy backlog
ackd_start

row_queue=q-deleted-user
tap_check "a consumer among them consumes" wait_for 30 row_log_has 'event=consuming .*queue=q-deleted-user'
row_begin promise_r4_row_12_wrong_peers 0
row_line=0
for port in $wrong_ports; do
    row_logs "the one at port $((port - rabbit_port)) is named" "event=disconnected .*127.0.0.1:$port"
done
tap_note "$(row_log | grep -oE 'event=disconnected .*link=consuming' | grep -E "$(tr ' ' '|' <<<"${wrong_ports# }")" | head -n 5)"
row_begin promise_r5_row_13_wrong_password 0
row_line=0
row_logs "the log tells the reason" 'level=error event=disconnected .*403 ACCESS_REFUSED'
user change_password forgetful secret
row_begin promise_r5_row_14_missing_vhost 0
row_line=0
row_logs "the log tells the reason" 'level=error event=disconnected .*530 .*late'
rabbit_eval 'rabbit_vhost:add(<<"late">>, <<"test">>).' >/dev/null
permit known late

row_begin promise_r5_row_16_user_deleted 20 -h wait=1000
row_running
rabbit_eval 'rabbit_auth_backend_internal:delete_user(<<"leaver">>, <<"test">>).' >/dev/null
row_logs "the log tells the reason" 'event=disconnected .*320 .*deleted'
user add_user leaver secret
permit leaver /
row_back
row_end
row=promise_r5_row_13_wrong_password row_line=0 row_queue=q-wrong-password
row_back
row=promise_r5_row_14_missing_vhost
row_logs "it logs in when there is one" 'event=connected .*broker=missing-vhost'

# Row 41 and R13: a name that there is not, a port that nobody listens at, a host that takes connections
# and says nothing. It costs its deadline and no more.
row=promise_r13_row_41_dead_hosts row_queue=q-dead-host
row_logs "a name that does not resolve is told of" 'event=disconnected .*nowhere.invalid.*broker=dead-host'
row_logs "a host that does not speak is given up" 'event=disconnected .*did not send .* within 10 s.*broker=dead-host'
proxy pass
row_back
tap_check "they never ended" ackd_alive
ackd_stop
tap_is "they stop with 0" "$ackd_status" 0
broker_test_end

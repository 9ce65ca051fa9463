#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tls - an encrypted connection is made only to the broker that it is meant for.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"
. "$top_srcdir/tests/lib/ackd.sh"
broker_test_begin tls

# configure URI TLS
configure() {
    (umask 077 && cat >"$work/ackd.yaml") <<YAML
broker:
  uri: $1
  user: guest
  password: guest
  tls: {$2}
  reconnect: {first: 100ms, max: 500ms}
log: {format: logfmt}
plugins: {path: [${plugins_dir:?}]}
consumers:
  record: {queue: q, handler: record, settings: {file: $work/record}}
YAML
}

# refused NAME URI TLS PATTERN: the log says why there is no connection.
refused() {
    configure "$2" "$3"
    ackd_start
    ackd_wait disconnected
    tap_check "$1" grep -qE "event=disconnected msg=\".*$4" "${ackd_log:?}"
    ackd_stop
    tap_is "$1: it stops with 0 all the same" "${ackd_status:?}" 0
}

ca=${rabbit_dir:?}/tls/ca.pem
amqp declare q
amqp publish q 500
configure "amqps://localhost:${rabbit_tls_port:?}/" "ca: $ca"
ackd_start
tap_check "it consumes over TLS" ackd_wait_ready
tap_check "all messages are handled" wait_recorded '^end .* ok' 500
ackd_stop
tap_is "it stops with 0" "$ackd_status" 0
tap_is "nothing is left" "$(amqp depth q)" 0

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/other-key.pem" -out "$work/other.pem" \
    -subj /CN=other -days 2 2>/dev/null
refused "another authority is refused" "amqps://localhost:$rabbit_tls_port/" \
    "ca: $work/other.pem" 'certificate'
refused "another name is refused" "amqps://127.0.0.2:$rabbit_tls_port/" "ca: $ca" '127\.0\.0\.2'
refused "a port that does not speak TLS is named" "amqps://localhost:${rabbit_port:?}/" \
    "ca: $ca" 'TLS'
refused "a port that wants TLS is named" "amqp://localhost:$rabbit_tls_port/" "" 'amqps'
broker_test_end

# SPDX-License-Identifier: MIT
# ackd - the daemon under test: started with a configuration, waited for by its log, stopped.
#
#   ackd_config LINES      writes $work/ackd.yaml: the broker of rabbit.sh, logfmt, the plugins of the
#                          test tree, and LINES
#   ackd_start [ARGS...]   starts 'ackd run'; its log is $ackd_log
#   ackd_wait EVENT [N]    waits until the log has N lines (1) with event=EVENT
#   ackd_wait_ready        consuming
#   ackd_signal NAME       ackd_wait_exit: waits for its end and sets ackd_status
#   ackd_stop              SIGTERM and ackd_wait_exit; ackd_kill: SIGKILL
#   amqp ARGS...           amqptool on the broker of rabbit.sh
#   broker_test_begin, broker_test_end; what is in $also_running is killed then
#
# Needs top_srcdir and top_builddir, tap.sh and rabbit.sh. What a failed test leaves is kept, and named.
# shellcheck shell=bash disable=SC2034,SC2154

work='' ackd_runs=0 ackd_pid='' ackd_log='' ackd_status=''
plugins_dir=${top_builddir:?}/tests/plugins/.libs

amqp() {
    "$top_builddir/tests/lib/amqptool" -p "$rabbit_port" "$@"
}

ackd_config() {
    (umask 077 && cat >"$work/ackd.yaml") <<YAML
broker:
  uri: amqp://${ackd_hosts:-127.0.0.1:$rabbit_port}/${ackd_vhost:-}
  user: ${ackd_user:-guest}
  password: ${ackd_password:-guest}
  heartbeat: ${ackd_heartbeat:-2s}
  reconnect: {first: ${ackd_reconnect_first:-100ms}, max: ${ackd_reconnect_max:-500ms}}
log: {format: logfmt, level: ${ackd_log_level:-info}}
plugins: {path: [$plugins_dir]}
$1
YAML
}

# The real program, not libtool's script around it, so that its id is ours.
ackd_program() {
    env LD_LIBRARY_PATH="$top_builddir/.libs" "$top_builddir/.libs/ackd" "$@"
}

ackd_start() {
    ackd_runs=$((ackd_runs + 1))
    ackd_log=$work/ackd.$ackd_runs.log
    : >"$ackd_log" # there before it is looked at
    env LD_LIBRARY_PATH="$top_builddir/.libs" "$top_builddir/.libs/ackd" run -c "$work/ackd.yaml" "$@" \
        >>"$work/ackd.out" 2>"$ackd_log" &
    ackd_pid=$!
}

ackd_events() {
    grep -cE "(^| )event=$1( |\$)" "$ackd_log"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.1
    done
}

ackd_has_events() {
    [ "$(ackd_events "$1")" -ge "$2" ]
}

ackd_wait() {
    wait_for "${wait_s:-20}" ackd_has_events "$1" "${2:-1}"
}

ackd_wait_ready() {
    ackd_wait consuming "${1:-1}"
}

ackd_signal() {
    kill "-$1" "$ackd_pid"
}

ackd_alive() {
    kill -0 "$ackd_pid" 2>/dev/null
}

ackd_gone() {
    ! ackd_alive
}

# ackd_wait_exit [SECONDS]: its status, or "hung" and it is killed.
ackd_wait_exit() {
    if wait_for "${1:-30}" ackd_gone; then
        wait "$ackd_pid"
        ackd_status=$?
    else
        kill -KILL "$ackd_pid"
        wait "$ackd_pid" 2>/dev/null
        ackd_status=hung
    fi
    ackd_pid=''
}

ackd_stop() {
    ackd_signal TERM
    ackd_wait_exit "${1:-30}"
}

ackd_kill() {
    ackd_signal KILL
    wait "$ackd_pid" 2>/dev/null
    ackd_pid=''
}

queue_depth_is() {
    [ "$(amqp depth "$1" 2>/dev/null)" = "$2" ]
}

# queue_settles QUEUE COUNT: the queue comes to COUNT messages ready.
queue_settles() {
    wait_for "${wait_s:-20}" queue_depth_is "$@"
}

recorded() {
    grep -c "$1" "$work/record" 2>/dev/null
}

recorded_at_least() {
    [ "$(recorded "$1")" -ge "$2" ]
}

wait_recorded() {
    wait_for "${wait_s:-30}" recorded_at_least "$@"
}

# scaled COUNT: ACKD_TEST_SCALE percent of it, at least 1.
scaled() {
    local count=$(($1 * ${ACKD_TEST_SCALE:-100} / 100))
    echo $((count > 0 ? count : 1))
}

broker_test_clean() {
    local pid
    # make, too, sends its children a signal: a second one must not end this half-way.
    trap - EXIT
    trap "" INT TERM HUP
    [ -z "$ackd_pid" ] || { kill -KILL "$ackd_pid" && wait "$ackd_pid"; } 2>/dev/null
    # Others that the script itself started and noted.
    for pid in ${also_running:-}; do
        { kill -CONT "$pid"; kill -KILL "$pid" && wait "$pid"; } 2>/dev/null
    done
    if [ "${1:-}" != kept ]; then
        rabbit_stop
        rm -rf "$work"
    else
        cp "$(rabbit_log)" "$work/rabbit.log" 2>/dev/null
        rabbit_stop
        tap_note "kept: $work"
    fi
}

# broker_test_begin [tls]: a directory and a broker, or the whole script skipped.
broker_test_begin() {
    [ "${ACKD_TEST_BROKER:-yes}" != no ] || tap_skip_all "ACKD_TEST_BROKER=no"
    rabbit_available || tap_skip_all "no rabbitmq-server"
    work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-test.XXXXXX") || exit 1
    trap broker_test_clean EXIT
    trap 'exit 1' INT TERM HUP
    rabbit_start "$@" || { tap_not_ok "a private RabbitMQ starts" "$(tail -n 20 "$(rabbit_log)")"; exit 1; }
}

broker_test_end() {
    tap_is "the broker never saw an unknown delivery tag" \
        "$(grep -c 'unknown delivery tag' "$(rabbit_log)")" 0
    if [ "$tap_failed" -gt 0 ]; then
        tap_note "last lines of ackd's log:" "$(tail -n 30 "$ackd_log")"
        broker_test_clean kept
    else
        broker_test_clean
    fi
    tap_done
}

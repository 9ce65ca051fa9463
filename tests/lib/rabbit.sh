# SPDX-License-Identifier: MIT
# rabbit - a private RabbitMQ for one test: its own directory, ports, Erlang port mapper and cookie,
# loopback only, as root and as anybody else; nothing of a broker that the machine runs is touched.
#
# Only processes started here are ever signalled: the port mapper by the id it was started with, the
# broker by the id in its own pid file, once its command line was seen to name our directory.
#
#   rabbit_start [tls]   sets rabbit_port, rabbit_uri, rabbit_dir and, with tls, rabbit_tls_port and
#                        certificates ca.pem, server.pem, client.pem (and -key.pem) in rabbit_dir/tls
#   rabbit_kill          SIGKILL; the port mapper and the data stay
#   rabbit_stop_node     an orderly stop; the data stays
#   rabbit_restart       up again on the same data and ports, after either
#   rabbit_freeze, rabbit_thaw
#   rabbit_ctl ARGS...   rabbitmqctl
#   rabbit_eval TEXT     Erlang in the broker, its result on standard output; quicker than rabbit_ctl
#   rabbit_sync          has it write down which quorum queues it has: until then, a kill loses the last
#   rabbit_leaderless QUEUE...  those of them that are quorum queues and have no leader
#   rabbit_log           its log file
#   rabbit_stop          the end of it, for an EXIT trap; harmless when nothing runs
#
# rabbit_conf_extra: lines for rabbitmq.conf, set before rabbit_start.
# shellcheck shell=bash disable=SC2034,SC2154

rabbit_dir='' rabbit_port='' rabbit_uri='' rabbit_tls_port=''
rabbit_epmd_pid='' rabbit_launcher_pid=''
rabbit_environment=()
rabbit_conf_extra=${rabbit_conf_extra:-}

# The scripts behind the wrappers in /usr/sbin, which insist on a user.
rabbit_home() {
    local home
    for home in /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin /usr/lib/rabbitmq/bin; do
        [ -x "$home/rabbitmq-server" ] && echo "$home" && return
    done
    return 1
}

rabbit_available() {
    rabbit_home >/dev/null && command -v epmd >/dev/null
}

rabbit_port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Four ports in a row, below those that the kernel hands out.
rabbit_find_ports() {
    local base offset
    for _ in $(seq 50); do
        base=$((20000 + (RANDOM % 1200) * 10))
        for offset in 0 1 8 9; do
            rabbit_port_is_free $((base + offset)) || continue 2
        done
        rabbit_port=$base
        return 0
    done
    return 1
}

# rabbit_certificate NAME SUBJECT: signed by our authority, for localhost.
rabbit_certificate() {
    openssl req -newkey rsa:2048 -nodes -keyout "$1-key.pem" -out "$1.csr" -subj "/CN=$2" 2>/dev/null &&
        openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 \
            -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$1.pem" 2>/dev/null
}

rabbit_certificates() {
    (
        umask 077
        mkdir -p "$rabbit_dir/tls" && cd "$rabbit_dir/tls" || exit 1
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 30 \
            -subj "/CN=ackd test authority" 2>/dev/null || exit 1
        rabbit_certificate server localhost && rabbit_certificate client guest
    )
}

rabbit_configure() {
    mkdir -p "$rabbit_dir/home" "$rabbit_dir/log" || return
    echo '[].' >"$rabbit_dir/enabled_plugins"
    {
        echo "listeners.tcp.1 = 127.0.0.1:$rabbit_port"
        echo "log.file.level = info"
        echo "disk_free_limit.absolute = 1MB"
        if [ -n "$rabbit_tls_port" ]; then
            echo "listeners.ssl.1 = 127.0.0.1:$rabbit_tls_port"
            echo "ssl_options.cacertfile = $rabbit_dir/tls/ca.pem"
            echo "ssl_options.certfile = $rabbit_dir/tls/server.pem"
            echo "ssl_options.keyfile = $rabbit_dir/tls/server-key.pem"
            echo "ssl_options.verify = verify_peer"
            echo "ssl_options.fail_if_no_peer_cert = false"
        fi
        printf '%s\n' "$rabbit_conf_extra"
    } >"$rabbit_dir/rabbitmq.conf"
}

# What makes a node ours, as arguments of env: a process started through it in the background has the
# id that the shell tells.
rabbit_set_environment() {
    rabbit_environment=(-u RABBITMQ_HOME -u ERL_LIBS -u NOTIFY_SOCKET
        HOME="$rabbit_dir/home"
        RABBITMQ_CONF_ENV_FILE=/dev/null
        RABBITMQ_NODENAME=ackd@localhost
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
        RABBITMQ_NODE_PORT="$rabbit_port"
        RABBITMQ_DIST_PORT=$((rabbit_port + 9))
        RABBITMQ_MNESIA_BASE="$rabbit_dir/mnesia"
        RABBITMQ_LOG_BASE="$rabbit_dir/log"
        RABBITMQ_PID_FILE="$rabbit_dir/pid"
        RABBITMQ_CONFIG_FILE="$rabbit_dir/rabbitmq"
        RABBITMQ_GENERATED_CONFIG_DIR="$rabbit_dir/generated"
        RABBITMQ_ADVANCED_CONFIG_FILE="$rabbit_dir/advanced.config"
        RABBITMQ_ENABLED_PLUGINS_FILE="$rabbit_dir/enabled_plugins"
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
        ERL_EPMD_PORT=$((rabbit_port + 8))
        ERL_EPMD_ADDRESS=127.0.0.1)
}

rabbit_ctl() {
    env "${rabbit_environment[@]}" "$(rabbit_home)/rabbitmqctl" "$@"
}

rabbit_eval() {
    if command -v erl_call >/dev/null; then
        env "${rabbit_environment[@]}" timeout 30 erl_call -e -n ackd@localhost \
            -c "$(cat "$rabbit_dir/home/.erlang.cookie")" <<<"$1"
    else
        rabbit_ctl eval "$1"
    fi
}

# RabbitMQ 3.10 forgets the log of the quorum queue that was declared last, with what it had confirmed, if
# it is killed before its table of names is written. See doc/decisions/0020-the-last-queue-before-a-kill.md.
rabbit_sync() {
    rabbit_eval '[dets:sync(Table) || Table <- dets:all()].' >/dev/null
}

rabbit_leaderless() {
    local queue
    for queue in "$@"; do
        [[ $(rabbit_eval "catch element(1, sys:get_state(whereis('%2F_$queue'), 5000)).") = *leader* ]] ||
            echo "$queue"
    done
}

rabbit_log() {
    echo "$rabbit_dir/log/ackd@localhost.log"
}

# The id of the broker, if it is one of ours and lives.
rabbit_pid() {
    local pid
    pid=$(cat "$rabbit_dir/pid" 2>/dev/null) || return
    { tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$rabbit_dir"; } 2>/dev/null || return
    echo "$pid"
}

rabbit_signal() {
    local pid
    pid=$(rabbit_pid) && kill "-$1" "$pid" 2>/dev/null
}

# Wait for "startup complete" to be told once more than @before times; not on a process that died.
rabbit_wait_ready() {
    local before=$1
    for _ in $(seq 600); do
        [ "$(grep -c 'Server startup complete' "$(rabbit_log)" 2>/dev/null)" -gt "$before" ] 2>/dev/null && return
        kill -0 "$rabbit_launcher_pid" 2>/dev/null || return
        sleep 0.1
    done
    return 1
}

rabbit_launch() {
    local before
    before=$(grep -c 'Server startup complete' "$(rabbit_log)" 2>/dev/null)
    rm -f "$rabbit_dir/pid"
    if ! kill -0 "$rabbit_epmd_pid" 2>/dev/null; then
        env "${rabbit_environment[@]}" epmd -port $((rabbit_port + 8)) -address 127.0.0.1 >/dev/null 2>&1 &
        rabbit_epmd_pid=$!
    fi
    env "${rabbit_environment[@]}" setsid "$(rabbit_home)/rabbitmq-server" </dev/null >>"$rabbit_dir/out" 2>&1 &
    rabbit_launcher_pid=$!
    rabbit_wait_ready "${before:-0}" || return
    rabbit_pid >/dev/null
}

rabbit_start() {
    for _ in 1 2 3; do
        rabbit_dir=$(mktemp -d "${TMPDIR:-/tmp}/ackd-rabbit.XXXXXX") && rabbit_find_ports || return
        rabbit_uri=amqp://guest:guest@127.0.0.1:$rabbit_port/%2F
        if [ "${1:-}" = tls ]; then
            rabbit_tls_port=$((rabbit_port + 1))
            rabbit_certificates || return
        fi
        rabbit_set_environment
        rabbit_configure && rabbit_launch && return
        tail -n 5 "$rabbit_dir/out" | sed 's/^/# rabbitmq: /'
        rabbit_stop
    done
    return 1
}

rabbit_kill() {
    rabbit_signal KILL
    wait "$rabbit_launcher_pid" 2>/dev/null
    return 0
}

rabbit_stop_node() {
    rabbit_ctl stop "$rabbit_dir/pid" >/dev/null 2>&1
    wait "$rabbit_launcher_pid" 2>/dev/null
    return 0
}

rabbit_restart() {
    rabbit_launch
}

rabbit_freeze() {
    rabbit_signal STOP
}

rabbit_thaw() {
    rabbit_signal CONT
}

rabbit_stop() {
    [ -n "$rabbit_dir" ] || return 0
    rabbit_signal CONT
    rabbit_kill
    # Its helpers are of the session that setsid made, whose id is the launcher's.
    [ -z "$rabbit_launcher_pid" ] || kill -KILL -- "-$rabbit_launcher_pid" 2>/dev/null
    if [ -n "$rabbit_epmd_pid" ]; then
        kill "$rabbit_epmd_pid" 2>/dev/null
        wait "$rabbit_epmd_pid" 2>/dev/null
    fi
    rm -rf "$rabbit_dir"
    rabbit_dir='' rabbit_epmd_pid='' rabbit_launcher_pid='' rabbit_tls_port=''
}

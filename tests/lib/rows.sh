# SPDX-License-Identifier: MIT
# rows - one fault after another under the same ackd: each row publishes, breaks something while
# messages are in flight, heals it, and accounts for every message.
#
#   row_begin NAME [COUNT [OPTION...]]   publishes COUNT messages (40) with the next numbers, by
#                                        OPTIONs of amqptool publish, to $row_queue
#   row_running                          waits until some of them are being handled
#   row_logs WHAT PATTERN [COUNT]        COUNT lines (1) that match come to the log since row_begin
#   row_lost, row_back                   it tells that it lost the broker; it consumes again
#   row_kept                             it did not lose the broker meanwhile
#   row_end [DUPLICATES]                 all are handled, none is left, at most so many twice
#
#   proxy_start [PORT]   a faultproxy before PORT (the broker's): sets proxy_port
#   proxy WORD...        a command to it
#   row_uses_proxy       ackd_config is to go through it
#
# Needs tap.sh, rabbit.sh and ackd.sh, and a record consumer that writes to $work/record.
# shellcheck shell=bash disable=SC2034,SC2154

row='' row_first=1 row_count=0 row_line=0 row_queue=${row_queue:-q} row_prefetch=20
row_seconds=0 proxy_pid='' proxy_port='' also_running=''

proxy() {
    "${top_builddir:?}/tests/lib/faultproxy" -c "$work/proxy" "$@"
}

proxy_start() {
    "$top_builddir/tests/lib/faultproxy" "$work/proxy" "${1:-$rabbit_port}" &
    proxy_pid=$!
    also_running+=" $proxy_pid"
    wait_for 20 proxy status >/dev/null 2>&1 && proxy_port=$(proxy port)
}

row_uses_proxy() {
    ackd_hosts=127.0.0.1:$proxy_port
}

row_log() {
    tail -n "+$((row_line + 1))" "$ackd_log"
}

row_log_has() {
    [ "$(row_log | grep -cE "$1")" -ge "${2:-1}" ]
}

# Connections that it took so far.
proxy_accepted() {
    proxy status | sed 's/accepted=\([0-9]*\) .*/\1/'
}

proxy_accepted_at_least() {
    [ "$(proxy_accepted)" -ge "$1" ]
}

row_handled() {
    awk -v first="$row_first" -v last=$((row_first + row_count - 1)) '
        $1 == "end" && $3 == "ok" && $2 >= first && $2 <= last && !seen[$2]++ { count++ }
        END { print count + 0 }' "$work/record"
}

row_handled_at_least() {
    [ "$(row_handled)" -ge "$1" ]
}

# Numbers of the row that have begun.
row_started_at_least() {
    [ "$(awk -v first="$row_first" -v last=$((row_first + row_count - 1)) '
        $1 == "start" && $2 >= first && $2 <= last' "$work/record" | wc -l)" -ge "$1" ]
}

row_begin() {
    row=$1
    row_first=$((row_first + row_count))
    row_count=${2:-40}
    row_line=$(wc -l <"$ackd_log")
    row_seconds=$SECONDS
    shift $(($# < 2 ? $# : 2))
    [[ "$*" = *wait=* ]] || set -- -h wait=300 "$@"
    [ "$row_count" -eq 0 ] || amqp publish -c -n "$row_first" "$@" "$row_queue" "$row_count" ||
        tap_not_ok "$row: $row_count messages are published"
}

row_running() {
    wait_for 30 row_started_at_least 1 || tap_not_ok "$row: messages are being handled"
}

row_logs() {
    tap_check "$row: $1" wait_for 30 row_log_has "$2" "${3:-1}"
}

row_lost() {
    row_logs "the log tells of it" 'event=disconnected .*link=consuming'
}

row_consumes() {
    row_log_has "event=consuming .*queue=$row_queue( |\$)"
}

row_kept() {
    tap_is "$row: the connection stays up" "$(row_log | grep -cE 'event=disconnected .*link=consuming')" 0
}

row_back() {
    tap_check "$row: it consumes again" wait_for 40 row_consumes
}

# Of the numbers of the row: those that nobody finished, and how many were finished again.
row_missing() {
    awk -v first="$row_first" -v last=$((row_first + row_count - 1)) '
        $1 == "end" && $3 == "ok" { seen[$2] = 1 }
        END { for (id = first; id <= last; id++) if (!(id in seen)) printf "%d ", id }' "$work/record"
}

row_duplicates() {
    awk -v first="$row_first" -v last=$((row_first + row_count - 1)) '
        $1 == "end" && $3 == "ok" && $2 >= first && $2 <= last && seen[$2]++ { count++ }
        END { print count + 0 }' "$work/record"
}

row_end() {
    if ! wait_for 40 row_handled_at_least "$row_count"; then
        tap_not_ok "$row: every message is handled" "without: $(row_missing)" "$(row_log | tail -n 10)"
        return
    fi
    tap_ok "$row: every message is handled"
    tap_check "$row: and none is left in the queue" wait_for 20 queue_depth_is "$row_queue" 0
    tap_within "$row: at most those in flight twice" "$(row_duplicates)" 0 "${1:-$row_prefetch}"
    tap_check "$row: ackd is alive" ackd_alive
    tap_note "$row: $(row_duplicates) of $row_count twice, $((SECONDS - row_seconds)) s"
}

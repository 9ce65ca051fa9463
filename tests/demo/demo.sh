#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demo - ackd at work, and the books balanced afterwards.
#
#     demo.sh BUILD_DIRECTORY [ORDERS]
#
# A private RabbitMQ, 50,000 orders, a handler that awaits and sometimes fails, a SIGTERM with hundreds
# of messages in flight, a second start; then published = handled + dead-lettered, or exit status 1.
# Everything is on the loopback and in two temporary directories, and is gone at the end, also after
# Ctrl-C.
set -u
build=$(cd "${1:?usage: demo.sh BUILD_DIRECTORY [ORDERS]}" && pwd) || exit 2
published=${2:-50000}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/rabbit.sh"
concurrency=500
work='' ackd_pid='' began=$SECONDS

if [ -t 1 ]; then
    terminal=yes bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m' clear=$'\r\e[K'
else
    terminal='' bold='' dim='' green='' red='' plain='' clear=''
fi

# ------------------------------------------------------------------------------ what is left behind

clean_up() {
    trap - EXIT INT TERM HUP
    if [ -n "$ackd_pid" ]; then
        kill -KILL "$ackd_pid" 2>/dev/null
        wait "$ackd_pid" 2>/dev/null
    fi
    rabbit_stop
    [ -z "$work" ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'printf "\n"; exit 130' INT TERM HUP

die() {
    printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
    [ ! -s "$work/ackd.log" ] || tail -n 20 "$work/ackd.log" >&2
    exit 1
}

# --------------------------------------------------------------------------------- words and numbers

title() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

say() {
    printf '  %s\n' "$@"
}

# thousands NUMBER: 50000 as 50,000.
thousands() {
    local number=$1 text=
    while [ "${#number}" -gt 3 ]; do
        text=,${number: -3}$text
        number=${number::-3}
    done
    printf %s "$number$text"
}

milliseconds() {
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

amqp() {
    "$build/tests/lib/amqptool" -p "${rabbit_port:?}" "$@"
}

# field NAME LINE: the value of NAME=... in a line of ackd's log.
field() {
    sed -nE "s/(^|.* )$1=(\"([^\"]*)\"|([^ ]*)).*/\\3\\4/p" <<<"$2"
}

# ------------------------------------------------------------------------------------------ the play

# Every 97th order meets a busy supplier, every 499th a slow one, every 997th is broken.
write_orders() {
    awk -v count="$published" 'BEGIN {
        for (id = 1; id <= count; id++)
            printf "{\"order\": %d, \"cents\": %d, \"supplier_ms\": %d, \"busy\": %d}\n", id,
                id % 997 == 13 ? 0 : 100 + id * 7919 % 9900,
                id % 499 == 42 ? 2500 : 20 + id * 31 % 81, id % 97 == 7
    }' >"$work/orders"
}

write_configuration() {
    cat >"$work/ackd.yaml" <<YAML
broker:
  uri: amqp://127.0.0.1:$rabbit_port/
  user: guest
  password: guest
shutdown: {timeout: 5s, soft: 20%}    # one second to finish, then cancel
log: {format: logfmt}
plugins: {path: [$build/tests/demo/.libs]}
consumers:
  orders:
    queue: orders
    handler: orders
    concurrency: $concurrency
    settings: {record: $work/record}
YAML
}

start_ackd() {
    env LD_LIBRARY_PATH="$build/.libs" "$build/.libs/ackd" run -c "$work/ackd.yaml" \
        </dev/null >>"$work/ackd.out" 2>>"$work/ackd.log" &
    ackd_pid=$!
}

# Counts of the record: tries done, orders done, tries failed, dead, and what is in flight.
read_record() {
    read -r done_tries done_orders failed dead flying < <(awk '
        $1 == "done" { done++; if (!($2 in seen)) { seen[$2]; orders++ } }
        $1 == "failed" { failed++ }
        $1 == "dead" { dead++ }
        { flying = substr($NF, 8) }
        END { print done + 0, orders + 0, failed + 0, dead + 0, flying + 0 }' "$work/record")
}

bar() {
    local width=24 filled
    filled=$(($1 * width / published))
    printf '%*s' "$filled" '' | tr ' ' '#'
    printf '%*s' $((width - filled)) '' | tr ' ' '.'
}

show_progress() {
    local now rate
    now=$(milliseconds)
    rate=$(((done_tries - shown_done) * 1000 / (now - shown_at + 1)))
    if [ -z "$terminal" ] && [ $((now - shown_at)) -lt 1000 ]; then return; fi
    printf '%s  [%s] %s of %s handled, %s/s, %d in flight, %d to be tried again, %d dead' "$clear" \
        "$(bar "$done_orders")" "$(thousands "$done_orders")" "$(thousands "$published")" \
        "$(thousands "$rate")" "$flying" "$failed" "$dead"
    [ -n "$terminal" ] || printf '\n'
    shown_at=$now shown_done=$done_tries
}

# watch COUNT: until that many orders are handled or dead; ackd must live so long.
watch() {
    local until=$((SECONDS + 60))
    read_record
    shown_at=$(milliseconds) shown_done=$done_tries
    while [ $((done_orders + dead)) -lt "$1" ]; do
        [ "$SECONDS" -lt "$until" ] || die "out of time"
        kill -0 "$ackd_pid" 2>/dev/null || die "ackd has ended"
        sleep 0.25
        read_record
        show_progress
    done
    [ -z "$terminal" ] || printf '\n'
}

# The stages of stopping, as ackd's log tells them, while it stops.
stop_ackd() {
    local from until=$((SECONDS + 15))
    from=$(wc -l <"$work/ackd.log")
    kill -TERM "$ackd_pid"
    while kill -0 "$ackd_pid" 2>/dev/null; do
        [ "$SECONDS" -lt "$until" ] || die "ackd does not stop"
        sleep 0.05
    done
    wait "$ackd_pid"
    exit_status=$?
    ackd_pid=
    tail -n +$((from + 1)) "$work/ackd.log" | grep -E '(^| )event=stopping( |$)' | while read -r line; do
        printf '  %s%5d ms%s  %s\n' "$dim" "$(field elapsed_ms "$line")" "$plain" "$(field msg "$line")"
    done
}

# ----------------------------------------------------------------------------------------- the books

# total NAME: over all runs, from the line that each ackd leaves at its end.
total() {
    local sum=0 line value
    while read -r line; do
        value=$(field "$1" "$line")
        [ -n "$value" ] || return 1
        sum=$((sum + value))
    done < <(grep -E '(^| )event=summary( |$)' "$work/ackd.log")
    echo "$sum"
}

row() {
    printf '  %-52s %9s\n' "$1" "$(thousands "$2")"
}

reconcile() {
    local dead_orders left redelivered released lost
    read_record
    left=$(amqp depth orders) || die "the queue is gone"
    amqp drain -H orders.dead >"$work/dead" || die "the dead letters are gone"
    dead_orders=$(grep -oE '"order": [0-9]+' "$work/dead" | sort -u | wc -l)
    redelivered=$(grep -c 'redelivered=1' "$work/record")
    released=$(total messages_released) || die "the log does not tell how many orders went back"
    lost=$((published - done_orders - dead_orders - left))
    title "The books"
    row "published, each confirmed by the broker" "$published"
    row "handled" "$done_orders"
    row "dead-lettered, each copy confirmed" "$dead_orders"
    row "still in the queue" "$left"
    printf '  %s%-52s %9s%s\n' "$([ "$lost" -eq 0 ] && echo "$green$bold" || echo "$red$bold")" \
        "lost" "$lost" "$plain"
    printf '\n'
    row "failed and tried again" "$failed"
    row "given back at the stops, not counted as attempts" "$released"
    row "redelivered by the broker" "$redelivered"
    row "handled more than once" $((done_tries - done_orders))
    if [ "$lost" -ne 0 ] || [ "$left" -ne 0 ] || [ $((done_orders + dead_orders)) -ne "$published" ]; then
        die "the books do not balance"
    fi
    printf '\n  %s%s = %s + %s: 0 lost.%s\n' "$green$bold" "$(thousands "$published")" \
        "$(thousands "$done_orders")" "$(thousands "$dead_orders")" "$plain"
}

show_dead_letter() {
    say "" "One of the dead letters, with its story:"
    head -n 1 "$work/dead" | tr '\t' '\n' | grep -E '^(x-ackd-(error|attempts|failed-at|consumer|handler)|\{)' |
        cut -c1-100 | sed "s/^/    $dim/; s/\$/$plain/"
}

# ----------------------------------------------------------------------------------------------------

rabbit_available || die "rabbitmq-server is not installed: ./dev demo installs it"
make -s -C "$build" tests/lib/amqptool tests/demo/orders.la >/dev/null || die "the demonstration is not built"
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-demo.XXXXXX") || die "no temporary directory"
: >"$work/record"

title "A broker of our own"
rabbit_start || die "RabbitMQ does not start"
say "RabbitMQ listens on 127.0.0.1:$rabbit_port; nothing else on this machine is touched."

title "$(thousands "$published") orders"
write_orders
amqp declare orders || die "the queue cannot be declared"
amqp publish -c -i order- -f "$work/orders" orders || die "the orders cannot be published"
say "Published to the queue 'orders', persistent, each confirmed: $(thousands "$(amqp depth orders)") are ready." \
    "Some meet a busy supplier and must be tried again, some a slow one, some are broken:" \
    "${dim}$(head -n 1 "$work/orders")${plain}"

title "ackd starts"
write_configuration
say "Each order is a task that awaits its supplier for 20 to 100 ms, the slow ones for 2.5 s." \
    "$concurrency are in flight at once, on one thread: an await holds none."
start_ackd
watch $((published * 2 / 5))

title "SIGTERM, in the middle of it"
say "It takes no more, gives back what has not started, lets the running finish for a second," \
    "then cancels the slow ones and gives them back. Acknowledgements are flushed before it goes."
stop_ackd
read_record
released=$(total messages_released) || die "the log does not tell how many orders went back"
say "Exit status $exit_status. $released orders went back to the queue: neither lost nor counted as failed."
[ "$exit_status" -eq 0 ] || die "that was not a clean end"

title "ackd starts again"
say "The broker delivers the rest, and once more what was given back."
start_ackd
watch "$published"

title "SIGTERM, with nothing left to do"
stop_ackd
[ "$exit_status" -eq 0 ] || die "that was not a clean end"

reconcile
show_dead_letter
printf '\n  %sDone in %d s. Handler: tests/demo/orders.c. Try next: ./dev help%s\n' "$dim" $((SECONDS - began)) "$plain"

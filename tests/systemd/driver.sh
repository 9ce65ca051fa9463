#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Inside the container: systemd is the first process, ackd.service is installed, a broker listens on port $1.
set -u
port=$1
count=0

result() {
    count=$((count + 1))
    echo "$1 $count - $2"
}

# check NAME COMMAND...
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        result ok "$name"
    else
        result "not ok" "$name"
        printf '%s\n' "$output" | sed 's/^/# /'
        journalctl -u ackd -o short --no-pager | tail -40 | sed 's/^/# /'
    fi
}

property() {
    systemctl show -P "$1" ackd
}

# property_is NAME PATTERN
property_is() {
    local value
    value=$(property "$1")
    echo "$1 is '$value'"
    # shellcheck disable=SC2053 # a pattern
    [[ $value == $2 ]]
}

wait_for() {
    local _
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "waited for: $*"
    return 1
}

depth_is() {
    [ "$(/amqptool -p "$port" depth orders)" = "$1" ]
}

journal_has() {
    journalctl -u ackd --no-pager -o cat "$@" | grep -q .
}

stops_within() {
    local begun=$SECONDS
    systemctl stop ackd
    [ $((SECONDS - begun)) -le "$1" ]
}

check "systemctl start waits for READY=1 and succeeds" systemctl start ackd
check "it is active and running" property_is SubState running
check "its status text says what consumes" property_is StatusText '1 of 1 consumers consume*'
check "its lines are in the journal with their fields" journal_has ACKD_EVENT=consuming ACKD_CONSUMER=orders
check "the password came from a credential and is not in the journal" \
    sh -c "! journalctl --no-pager | grep -F 'password=guest'"

/amqptool -p "$port" publish orders 10
check "messages are taken" wait_for depth_is 0
sleep 0.5
check "systemctl stop lets what is in flight finish" stops_within 15
check "the result of that stop is success" property_is Result success
check "what was in flight has been acknowledged" depth_is 0

# What the unit allows would be over long before: the daemon announces what it takes.
mkdir -p /run/systemd/system/ackd.service.d
printf '[Service]\nTimeoutStopSec=2s\n' >/run/systemd/system/ackd.service.d/hasty.conf
systemctl daemon-reload
systemctl start ackd
/amqptool -p "$port" publish -h wait=6000 orders
check "a slow message is taken" wait_for depth_is 0
sleep 0.5
check "promise_s7_a_drain_outlasts_what_the_unit_allows" stops_within 15
check "with success" property_is Result success
check "and its message is acknowledged" depth_is 0
rm /run/systemd/system/ackd.service.d/hasty.conf
systemctl daemon-reload

check "a restart succeeds" systemctl start ackd
pid=$(property MainPID)
kill -KILL "$pid"
sleep 2
check "after a crash systemd starts it again" wait_for property_is SubState running
check "with another process" sh -c "[ '$pid' != \"\$(systemctl show -P MainPID ackd)\" ]"
# WatchdogSec is 30 s: too long to wait for here, so the watchdog is asked whether it is armed at all.
check "the watchdog is armed" property_is WatchdogUSec '30s'
check "and it is fed" sh -c '[ "$(systemctl show -P WatchdogTimestampMonotonic ackd)" -gt 0 ]'
systemctl stop ackd

mkdir -p /run/systemd/system/ackd.service.d
printf '[Service]\nExecStartPre=\nExecStart=\nExecStart=%s run -c /conf/none.yaml\n' \
    "$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' /etc/systemd/system/ackd.service)" \
    >/run/systemd/system/ackd.service.d/wrong.conf
systemctl daemon-reload
systemctl start ackd 2>/dev/null
check "a wrong configuration ends with status 78" wait_for property_is ExecMainStatus 78
check "and is not started again" property_is NRestarts 0
check "the unit scores well in systemd's own review" \
    sh -c "systemd-analyze security ackd --no-pager | tail -1 | grep -E ': ([01]\.[0-9]|2\.0) '"
echo "1..$count"

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# torture - messages through a real RabbitMQ, while ackd and the broker are killed at random moments;
# afterwards every message is accounted for.
#
#     torture.sh BUILD_DIRECTORY [MESSAGES [ACKD_KILLS [BROKER_KILLS]]]
#
# Half of the messages pass a classic queue, half a quorum queue. They are published with confirms while
# they are consumed; a portion whose confirms did not all come counts as sent perhaps, and other messages
# take its place. A message is lost if its confirm came and no handler ended for it. A duplicate is
# explained by a kill if its handler had ended before that was over, and ended again after it began. At
# most the prefetch of both consumers can be explained by one kill, but where the broker was killed:
# RabbitMQ forgets acknowledgements that it had taken and not written, which is told apart.
#
# A table on standard output, and all of it as JSON in BUILD_DIRECTORY/torture.json. Exit status 1 if a
# message was lost or a duplicate has no explanation. ACKD_TORTURE_SEED repeats the choice of moments.
# shellcheck disable=SC2034,SC2154 # rabbit.sh and ackd.sh set and read them
set -u
top_builddir=$(cd "${1:?usage: torture.sh BUILD_DIRECTORY [MESSAGES [ACKD_KILLS [BROKER_KILLS]]]}" && pwd) || exit 2
messages=${2:-1000000} ackd_kills=${3:-100} broker_kills=${4:-20}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/rabbit.sh"
. "$here/../lib/ackd.sh"
concurrency=128 prefetch=160 began=$SECONDS publishers=
portion=$((messages / 100))
[ "$portion" -ge 100 ] || portion=100
[ "$portion" -le 2500 ] || portion=2500
RANDOM=${ACKD_TORTURE_SEED:=$$}

clean_up() {
    trap - EXIT
    trap "" INT TERM HUP
    for publisher in $publishers; do
        { kill -KILL "$publisher" && wait "$publisher"; } 2>/dev/null
    done
    [ -z "$ackd_pid" ] || { kill -KILL "$ackd_pid" && wait "$ackd_pid"; } 2>/dev/null
    rabbit_stop
    if [ "${kept:-no}" = yes ]; then echo "kept: $work"; else rm -rf "$work"; fi
}

die() {
    kept=yes
    echo "torture: $*" >&2
    exit 1
}

# How many messages were confirmed so far.
confirmed() {
    awk '$1 == "ok" { sum += $3 } END { print sum + 0 }' "$work/published"
}

# allow COUNT: publishers may go so far; they always see a whole number.
allow() {
    echo "$1" >"$work/allowed.new" && mv "$work/allowed.new" "$work/allowed"
}

# publish_to QUEUE FIRST: portion after portion, until half of the messages are confirmed: faster than
# they are handled, so that all there may be is in flight, but not so that the queue grows long, nor far
# beyond the next kill.
publish_to() {
    local queue=$1 first=$2 count=0 verdict
    while [ "$count" -lt $((messages / 2)) ]; do
        verdict=maybe
        if timeout 60 "$top_builddir/tests/lib/amqptool" -p "$rabbit_port" \
            publish -c -b '%d' -n "$first" "$queue" "$portion" 2>>"$work/publisher.log"; then
            verdict=ok
            count=$((count + portion))
        else
            until amqp depth "$queue" >/dev/null 2>&1; do sleep 0.1; done
        fi
        echo "$verdict $first $portion $queue" >>"$work/published"
        first=$((first + portion))
        while [ "$count" -lt $((messages / 2)) ] && [ "$count" -gt $(($(cat "$work/allowed") / 2)) ] ||
            [ "$(amqp depth "$queue" 2>/dev/null || echo 0)" -gt $((10 * portion)) ]; do
            sleep 0.1
        done
    done
}

mark() {
    echo "$*" >>"$work/record"
}

random_below() {
    echo $(((RANDOM * 32768 + RANDOM) % $1))
}

# The moments: a number of confirmed messages, and who is killed then.
schedule() {
    local _
    for _ in $(seq "$ackd_kills"); do echo "$(random_below "$messages") ackd"; done
    for _ in $(seq "$broker_kills"); do echo "$(random_below "$messages") broker"; done
}

confirmed_at_least() {
    [ "$(confirmed)" -ge "$1" ]
}

queues_empty() {
    queue_depth_is classic 0 && queue_depth_is quorum 0
}

kill_one() {
    mark "begin $1 $2 $(confirmed)"
    if [ "$2" = ackd ]; then
        ackd_kill
        mark "over $1 ackd"
        ackd_start
    else
        rabbit_kill
        rabbit_restart || die "the broker does not start again"
        # What its kill left unacknowledged has ended once it delivers again.
        mark "over $1 broker"
    fi
}

# All kills, and what each explains; then sums. The records of handlers and the marks are in one file.
account() {
    awk -v prefetch=$((2 * prefetch)) -v json="$1" -v seed="$ACKD_TORTURE_SEED" '
        # The first kill after its handler had ended; but if the broker was killed meanwhile, and forgot
        # what it had taken, that, for acknowledgements to classic queues are written late.
        function explain(id,  kill, later) {
            kill = seen[id]
            for (later = kill; queue_of[id] == "classic" && later <= begun; later++)
                if (who[later] == "broker") { kill = later; break }
            twice[kill]++
            twice_of[kill, queue_of[id]]++
        }
        FILENAME ~ /published$/ {
            for (id = $2; id < $2 + $3; id++) { sent[id] = $1; queue_of[id] = $4 }
            if ($1 == "ok") published += $3; else perhaps += $3
            next
        }
        $1 == "begin" { begun = $2; who[$2] = $3; at[$2] = $4 }
        $1 == "over" { over = $2 }
        $1 == "end" && $3 == "ok" {
            ends++
            if (!($2 in seen)) { handled++ }
            else if (begun >= seen[$2]) explain($2)
            else unexplained++
            seen[$2] = over + 1
        }
        $1 == "end" && $3 != "ok" { other++ }
        END {
            for (id in sent) if (sent[id] == "ok" && !(id in seen)) { lost++; if (lost <= 10) names = names " " id }
            for (id in seen) if (!(id in sent)) unknown++
            print "| kill | of | confirmed so far | handled twice, classic | quorum | bound |"
            print "|---:|---|---:|---:|---:|---|"
            for (kill = 1; kill <= begun; kill++) {
                duplicates += twice[kill]
                sum[who[kill]] += twice[kill]
                if (twice[kill] > most[who[kill]]) most[who[kill]] = twice[kill]
                forgotten = 0
                if (twice[kill] > prefetch) {
                    if (who[kill] == "broker" && twice_of[kill, "quorum"] <= prefetch / 2) forgotten = twice[kill] - prefetch
                    else beyond++
                }
                forgot += forgotten
                printf "| %d | %s | %d | %d | %d | %s |\n", kill, who[kill], at[kill], twice_of[kill, "classic"],
                    twice_of[kill, "quorum"], forgotten ? prefetch " and " forgotten " the broker forgot" : prefetch
                rows = rows sprintf("%s{\"kill\":%d,\"of\":\"%s\",\"confirmed\":%d,\"classic\":%d,\"quorum\":%d,\"bound\":%d,\"forgotten_by_the_broker\":%d}",
                    kill > 1 ? "," : "", kill, who[kill], at[kill], twice_of[kill, "classic"], twice_of[kill, "quorum"],
                    prefetch, forgotten)
            }
            printf "\nmessages confirmed    %d\nsent perhaps          %d\nhandled               %d\n", published, perhaps, handled
            printf "lost                  %d%s\n", lost, names
            printf "handled twice         %d (after kills of ackd %d, at most %d; of the broker %d, at most %d)\n",
                duplicates + unexplained, sum["ackd"], most["ackd"], sum["broker"], most["broker"]
            printf "without explanation   %d, and %d kills beyond the bound\n", unexplained, beyond
            printf "{\"seed\":%d,\"messages\":%d,\"perhaps\":%d,\"handled\":%d,\"lost\":%d,\"duplicates\":%d,\"unexplained\":%d,\"kills_beyond\":%d,\"forgotten_by_the_broker\":%d,\"kills\":[%s]}\n",
                seed, published, perhaps, handled, lost, duplicates + unexplained, unexplained, beyond, forgot, rows >json
            exit lost + unexplained + beyond + unknown + other > 0
        }' "$work/published" "$work/record"
}

rabbit_available || { echo "torture: no rabbitmq-server" >&2; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-torture.XXXXXX") || exit 1
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
: >"$work/record"
: >"$work/published"
allow 0
rabbit_start || die "no private RabbitMQ: $(tail -n 5 "$(rabbit_log)")"
amqp declare classic && amqp declare quorum x-queue-type=quorum || die "no queues"
ackd_log_level=warning
ackd_config "
consumers:
  classic: {queue: classic, handler: record, concurrency: $concurrency, prefetch: $prefetch,
    settings: {file: $work/record, delay: 40ms, quiet: true}}
  quorum: {queue: quorum, handler: record, concurrency: $concurrency, prefetch: $prefetch,
    settings: {file: $work/record, delay: 40ms, quiet: true}}"
ackd_start
publish_to classic 1 &
publishers=$!
publish_to quorum 1000000001 &
publishers+=" $!"
number=0
while read -r point who; do
    number=$((number + 1))
    allow $((point + 4 * portion))
    until confirmed_at_least "$point"; do
        ackd_alive || die "ackd died: $(tail -n 5 "$ackd_log")"
        sleep 0.05
    done
    sleep "0.$(random_below 10)$(random_below 10)"
    kill_one "$number" "$who"
    [ ! -t 2 ] || printf '\rkill %d of %d (%s) after %d messages, %d s ' "$number" \
        $((ackd_kills + broker_kills)) "$who" "$point" $((SECONDS - began)) >&2
done < <(schedule | sort -n)
[ ! -t 2 ] || echo >&2
allow "$messages"
for publisher in $publishers; do
    wait "$publisher" || die "a publisher failed"
done
publishers=
wait_for 600 queues_empty || die "the queues do not run empty: $(tail -n 5 "$ackd_log")"
ackd_stop 60
[ "$ackd_status" = 0 ] || die "ackd stopped with $ackd_status: $(tail -n 5 "$ackd_log")"
queues_empty || die "messages came back when ackd stopped"
[ "$(grep -c 'unknown delivery tag' "$(rabbit_log)")" = 0 ] || die "the broker saw an unknown delivery tag"
account "$top_builddir/torture.json"
status=$?
printf 'seconds               %d\n' $((SECONDS - began))
[ "$status" -eq 0 ] || kept=yes
exit "$status"

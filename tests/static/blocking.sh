#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# blocking - rule B2: a call that stops a whole loop does not compile, and the message says what does.
#
# With each compiler that is there, as C and as C++, with and without optimization and checks of
# sizes, and whichever header comes first.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-blocking.XXXXXX")
trap 'rm -rf "$work"' EXIT

compilers=()
for pair in "gcc c11" "gcc gnu11" "clang c11" "g++ c++17" "clang++ c++17"; do
    ! command -v "${pair% *}" >/dev/null || compilers+=("$pair")
done
levels=("-O0" "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2")

# compile COMPILER STANDARD FLAGS FILE: with all warnings as errors, as a handler may well be.
compile() {
    local language=c shadow=-Wshadow
    # g++ has a view of its own on a function that has the name of a structure.
    [[ $1 != *++ ]] || language=c++ shadow=
    # shellcheck disable=SC2086
    "$1" -x $language -std="$2" $3 -Wall -Wextra -Wpedantic $shadow -Werror \
        -I"$top_srcdir/include" -c "$4" -o "$work/object.o" 2>&1
}

# refused NAME MESSAGE STATEMENT...: no compiler takes it, and each gives the message.
refused() {
    local name=$1 message=$2 pair level order
    shift 2
    for order in before after; do
        {
            [ $order = after ] || printf '#include <ackd/ackd.h>\n'
            printf '#include <%s>\n' netdb.h stdlib.h sys/wait.h time.h unistd.h
            [ $order = before ] || printf '#include <ackd/ackd.h>\n'
            printf 'int handle(unsigned count, int *status);\n'
            printf 'int handle(unsigned count, int *status)\n{\n    %s\n}\n' "$*"
        } >"$work/$name.$order"
        for pair in "${compilers[@]}"; do
            for level in "${levels[@]}"; do
                compile "${pair% *}" "${pair#* }" "$level" "$work/$name.$order" >"$work/output" &&
                    echo "$pair $level, ackd's header $order the system's: it compiles"
                grep -qF "$message" "$work/output" ||
                    echo "$pair $level, ackd's header $order the system's: $(head -n 3 "$work/output")"
            done
        done
    done
}

# permitted FILE: all compilers take it.
permitted() {
    local pair level
    for pair in "${compilers[@]}"; do
        for level in "${levels[@]}"; do
            compile "${pair% *}" "${pair#* }" "$level" "$1" >"$work/output" ||
                echo "$pair $level: $(head -n 5 "$work/output")"
        done
    done
}

[ ${#compilers[@]} -gt 0 ] || tap_skip_all "neither gcc nor clang"
tap_note "with ${compilers[*]}"

tap_empty "rule_b2_sleep_does_not_compile_and_the_message_names_ackd_delay" \
    "$(refused sleep 'ackd: sleep() blocks the whole loop; use ackd_delay()' \
        '(void)status; return (int)sleep(count);')"
tap_empty "rule_b2_usleep_does_not_compile" \
    "$(refused usleep 'ackd: usleep() blocks the whole loop; use ackd_delay()' \
        '(void)status; return usleep(count);')"
tap_empty "rule_b2_nanosleep_does_not_compile" \
    "$(refused nanosleep 'ackd: nanosleep() blocks the whole loop; use ackd_delay()' \
        'struct timespec t = {0, 0}; (void)status; t.tv_sec = count; return nanosleep(&t, NULL);')"
tap_empty "rule_b2_system_does_not_compile" \
    "$(refused system 'ackd: system() blocks the whole loop; use ackd_process_open()' \
        '(void)status; return count > 1 ? system("true") : 0;')"
tap_empty "rule_b2_wait_does_not_compile" \
    "$(refused wait 'ackd: wait() blocks the whole loop; use ackd_process_wait()' \
        '(void)count; return (int)wait(status);')"
tap_empty "rule_b2_getaddrinfo_does_not_compile" \
    "$(refused getaddrinfo 'ackd: getaddrinfo() blocks the whole loop; use ackd_resolve()' \
        'struct addrinfo *first; (void)count; (void)status;' \
        'return getaddrinfo("localhost", NULL, NULL, &first);')"

cat >"$work/permit.c" <<'C'
#include <ackd/ackd.h>
struct table {
    unsigned int (*sleep)(unsigned int);
    int wait; /* a member of that name is nobody's business */
};
int handle(unsigned count, int *status);
int handle(unsigned count, int *status)
{
    const struct timespec pause = {0, 1000};
    const struct table table = {0, (int)count};
    if (count > 2)
        ACKD_BLOCKING(sleep(count));
    int sum = ACKD_BLOCKING(usleep(count)) + ACKD_BLOCKING(nanosleep(&pause, NULL));
    sum += ACKD_BLOCKING(ACKD_BLOCKING(usleep(1)) + usleep(2));
    return sum + table.wait + (int)ACKD_BLOCKING(wait(status)) + ACKD_BLOCKING(system("true"));
}
C
tap_empty "ACKD_BLOCKING permits one call" "$(permitted "$work/permit.c")"

{
    cat "$work/permit.c"
    printf 'int more(void);\nint more(void)\n{\n    return (int)sleep(1);\n}\n'
} >"$work/other.c"
tap_check "and no other of the same file" \
    bash -c "! gcc -I'$top_srcdir/include' -c '$work/other.c' -o '$work/object.o' 2>'$work/output' &&
             [ \"\$(grep -c 'error:.*ackd:' '$work/output')\" = 1 ]"

cat >"$work/file.c" <<'C'
#define ACKD_ALLOW_BLOCKING
#include <ackd/ackd.h>
int job(unsigned count, int *status);
int job(unsigned count, int *status)
{
    return (int)sleep(count) + (int)wait(status) + ACKD_BLOCKING(usleep(count));
}
C
tap_empty "ACKD_ALLOW_BLOCKING permits a file" "$(permitted "$work/file.c")"

cat >"$work/address.c" <<'C'
#include <ackd/ackd.h>
struct clock {
    unsigned int (*sleep)(unsigned int);
    int (*system)(const char *);
};
extern const struct clock real;
const struct clock real = {sleep, system};
C
tap_empty "the address can be taken, for a table" "$(permitted "$work/address.c")"
tap_done

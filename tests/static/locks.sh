#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# locks - no mutex lies between a message's arrival and its acknowledgement (L1).
#
# What a message passes is the floors below, and of io the loop, the stream, its encryption and the
# bridges. Objects that ask for no lock take none: neither a mutex, nor anything that waits.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
: "${top_builddir:?}"
names='pthread_(mutex|cond|rwlock|spin|barrier)_|sem_(wait|post|timedwait)|mtx_|cnd_|call_once'

# objects NAME...: of these parts, as they are linked.
objects() {
    local part
    for part in "$@"; do
        find "$top_builddir/src/$part" -name '*.o' -path '*/.libs/*' 2>/dev/null
    done | sort
}

# locking: of the objects on standard input, those that ask for a lock.
locking() {
    local object asked
    while read -r object; do
        asked=$(nm -u "$object" | grep -oE "[Uw] ($names)[a-z_]*" | sort -u | tr '\n' ' ')
        [ -z "$asked" ] || echo "${object#"$top_builddir"/}: $asked"
    done
}

for floor in base task amqp ledger broker host; do
    found=$(objects "$floor" | wc -l)
    tap_check "src/$floor is looked at" [ "$found" -gt 0 ]
    tap_is "nothing of src/$floor takes a lock" "$(objects "$floor" | locking)" ""
done
of_io=$(objects io | grep -E 'libio_la-(bridge|loop|stream|tls)\.o$')
tap_is "four parts of src/io are on the way" "$(echo "$of_io" | wc -l)" 4
tap_is "none of them takes a lock" "$(echo "$of_io" | locking)" ""
# Were a lock not seen, the above would say nothing.
tap_check "one that has a lock is seen" [ -n "$(objects io | grep 'libio_la-pool\.o$' | locking)" ]
tap_done

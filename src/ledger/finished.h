/* SPDX-License-Identifier: MIT */
/*
 * finished - messages that were handled to the end, and whose acknowledgement was lost: a bounded
 * memory.
 *
 *   F1  What is added is taken at most once: two equal ones that are added are taken twice.
 *   F2  It never grows: where it is full, the oldest of those that share its place is forgotten,
 *       and would be handled again.
 *   F3  What is past its time is not there.
 *
 * Pure: no clock; times are its caller's.
 */
#ifndef ACKD_LEDGER_FINISHED_H
#define ACKD_LEDGER_FINISHED_H

#include <ackd/abi.h>

#include "ledger/identity.h"

#define FINISHED_NO_LIMIT UINT64_MAX

struct finished_place {
    struct identity identity;
    uint64_t until_ns; /* 0: empty */
    uint64_t number;   /* by which the oldest is known */
};

struct finished {
    struct finished_place *places; /* owned; NULL: none yet */
    size_t room;
    size_t count; /* that are full, past their time or not */
    uint64_t next_number;
};

/* @room: how many at most, rounded up. The memory is taken when the first is added. */
void finished_init(struct finished *finished, size_t room);
void finished_fini(struct finished *finished);
/* ACKD_E_NOMEM: the first one, and nothing is remembered. */
ACKD_MUST_CHECK int finished_add(struct finished *finished, struct identity identity,
                                 uint64_t until_ns);
/* Whether there is one: it is out then. */
bool finished_take(struct finished *finished, struct identity identity, uint64_t now_ns);
/* Forget all but the @count that were added last. */
void finished_keep_last(struct finished *finished, uint64_t count);
/* Those without a limit last until @until_ns. */
void finished_limit(struct finished *finished, uint64_t until_ns);

#endif

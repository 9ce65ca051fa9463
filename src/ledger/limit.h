/* SPDX-License-Identifier: MIT */
/*
 * limit - a group that several share: so many at once, so many in a time; fair between them.
 *
 * A member wants one place in each of its limits, then starts something, then wants again. It asks
 * limit after limit, in the order of their ranks, and stands in line at each: whoever has had a
 * place goes to the end. The place at the first limit is kept while it stands in line at the
 * second, else somebody who needs two would always come second to those who need one. No two can
 * wait for each other, since all ask in one order. The clock comes in.
 *
 *   I1  At most `concurrency` places are taken, and the rate is kept, whatever is asked.
 *   I2  Of those that stand in line, nobody gets a place before one who stood there before him.
 *   I3  A member that is done asking, or withdraws, stands in no line and keeps nothing.
 */
#ifndef ACKD_LEDGER_LIMIT_H
#define ACKD_LEDGER_LIMIT_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ledger/rate.h"

enum { LIMIT_CLAIMS_MAX = 8 }; /* limits of one member */

struct limit {
    const char *name;     /* borrowed */
    unsigned rank;        /* unlike that of any other limit */
    uint32_t concurrency; /* places; 0: any number */
    uint32_t taken;       /* also by those who do not yet use theirs */
    struct rate rate;
    struct list line; /* of claims, who came first is first */
    uint64_t granted; /* places ever given to one who stood in line */
};

struct limit_claim {
    struct list node; /* in the line of its limit */
    struct limit *limit;
    bool held; /* a place that is not yet used */
};

struct limit_member {
    struct limit_claim claims[LIMIT_CLAIMS_MAX]; /* by rank */
    size_t count;
};

/* A @concurrency of 0 or a @count of 0: without that bound. */
void limit_init(struct limit *limit, const char *name, unsigned rank, uint32_t concurrency,
                uint64_t count, uint64_t per_ms);
/* Other bounds from now on. What is taken beyond them stays so until it is given back. */
void limit_change(struct limit *limit, uint32_t concurrency, uint64_t count, uint64_t per_ms,
                  uint64_t now_ns);
/* Give places to those in line, as far as the bounds allow: after a change, or in time. */
void limit_go_on(struct limit *limit, uint64_t now_ns);
/* When it could go on by the passing of time alone; 0: nobody in line waits for that. */
uint64_t limit_due_ns(const struct limit *limit);

void limit_member_init(struct limit_member *member);
/* Join @limit, once. At most LIMIT_CLAIMS_MAX. */
void limit_member_join(struct limit_member *member, struct limit *limit);
/* Want one place in each. True: they are the caller's, to be given back by limit_member_leave;
 * false: it stands in line, and asks again when something was given back or is due. */
bool limit_member_claim(struct limit_member *member, uint64_t now_ns);
/* There is nothing to start, for now: out of every line, and keep nothing. */
void limit_member_withdraw(struct limit_member *member, uint64_t now_ns);
/* What was started has ended: one place of each back. */
void limit_member_leave(struct limit_member *member, uint64_t now_ns);
/* Whether it stands in a line, or keeps a place. */
bool limit_member_wants(const struct limit_member *member);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * retry - how often a message that fails is tried, and how long it waits in between.
 *
 * Pure: no clock, and what is chance comes in. It must not know where a message waits.
 *
 *   Y1  After `attempts` failures a message is not tried again, whatever wait was wished for.
 *   Y2  A message waits at least as long as was wished, or as the policy says: never shorter.
 *   Y3  Messages that failed together do not come back together: by chance the policy's wait is a
 *       step of the ladder longer. A wish is taken as it is.
 */
#ifndef ACKD_LEDGER_RETRY_H
#define ACKD_LEDGER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ladder.h"

enum {
    RETRY_PAUSE_MS = 100,     /* after the first copy that failed; doubles with each one more */
    RETRY_PAUSE_MS_MAX = 5000 /* the delivery is held meanwhile: no longer than this */
};

struct retry_policy {
    uint32_t attempts; /* tries in all, at least 1 */
    uint64_t first_ms; /* the wait after the first failure */
    uint32_t factor;   /* by which it grows with each failure, at least 1 */
    uint64_t max_ms;   /* ... and what it grows to */
};

/* What becomes of a message that has failed. */
struct retry_plan {
    bool again;       /* false: it was the last attempt */
    size_t step;      /* of the ladder, to wait in */
    uint64_t left_ms; /* to wait when that is over: for delays beyond the ladder's last step */
};

/* The policy's wait after @failures, at least 1. */
uint64_t retry_delay_ms(const struct retry_policy *policy, uint32_t failures);
/* The wait that follows, for @ms in all. */
struct retry_plan retry_wait(const struct ladder *ladder, uint64_t ms);
/*
 * After failure number @failures: @wished_ms is what its handler asked for, 0: nothing. @chance:
 * any number, by which the jitter is chosen.
 */
struct retry_plan retry_next(const struct retry_policy *policy, const struct ladder *ladder,
                             uint32_t failures, uint64_t wished_ms, uint64_t chance);
/* How long a message is held before it is given back, after @count copies in a row that could not
 * be published; 0 for none. */
uint64_t retry_pause_ms(uint32_t count);

#endif

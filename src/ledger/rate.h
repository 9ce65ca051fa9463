/* SPDX-License-Identifier: MIT */
/*
 * rate - so many events in so long a time, evenly.
 *
 * The generic cell rate algorithm: one number says when the next event would come if all came at
 * the rate, exactly. Events may be early by a burst, as many as the rate has in RATE_BURST_MS, so
 * that a fast rate does not want a timer for each event; nothing is saved up beyond that. The clock
 * comes in.
 *
 *   R1  In any span of time there are at most the rate times its length, and one burst; to the
 *       nanosecond.
 *   R2  Where there is always somebody who wants, there are not fewer over a long time.
 */
#ifndef ACKD_LEDGER_RATE_H
#define ACKD_LEDGER_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_BURST_MS = 10 };

struct rate {
    uint64_t count;     /* events ... */
    uint64_t per_ns;    /* ... in this time; a count of 0: there is no limit */
    uint64_t next_ns;   /* when the next would come at the rate */
    uint64_t remainder; /* of that, in 1 / count of a nanosecond */
    uint64_t early_ns;  /* by how much an event may be earlier */
};

/* @count events in @per_ms milliseconds, 1 to a day; a count of 0: no limit. */
void rate_init(struct rate *rate, uint64_t count, uint64_t per_ms);
/* The same from @now_ns on: what a slower rate had put off is not waited for. */
void rate_change(struct rate *rate, uint64_t count, uint64_t per_ms, uint64_t now_ns);
/* Whether there may be an event now. */
bool rate_allows(const struct rate *rate, uint64_t now_ns);
/* There is one now: rate_allows was true. */
void rate_spend(struct rate *rate, uint64_t now_ns);
/* When the next may be, if it may not be now; 0: at any time. */
uint64_t rate_due_ns(const struct rate *rate);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * ratelimit - how often each event is logged in a second. Private to io.
 *
 *   L1  Of one event at most RATELIMIT_LINES are admitted in a second that begins with the first.
 *   L2  What is not admitted is counted until ratelimit_report tells it.
 *   L3  The memory is fixed; where there are more events than places, some share one.
 */
#ifndef ACKD_IO_RATELIMIT_H
#define ACKD_IO_RATELIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RATELIMIT_LINES = 20, RATELIMIT_PLACES = 128, RATELIMIT_NAME_SIZE = 40 };

struct ratelimit_place {
    uint64_t hash;     /* of the event's name; 0: free */
    uint64_t start_ns; /* of the second that is counted */
    uint64_t left_out; /* lines, since the last report */
    unsigned admitted; /* lines, in this second */
    char event[RATELIMIT_NAME_SIZE];
};

/* All zeroes is a limiter that has seen nothing. */
struct ratelimit {
    struct ratelimit_place places[RATELIMIT_PLACES];
    uint64_t left_out; /* lines not reported, of all places */
};

bool ratelimit_admit(struct ratelimit *limit, const char *event, uint64_t now_ns);
/* One event of whose lines some were left out, and whose second is over; false where there is none.
 */
bool ratelimit_report(struct ratelimit *limit, uint64_t now_ns, char *event, size_t size,
                      uint64_t *ret_count);

#endif

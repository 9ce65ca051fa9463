/* SPDX-License-Identifier: MIT */
/*
 * publication - one message that a handler publishes: made and awaited on its loop, sent and
 * answered for on the broker thread.
 *
 * It has a copy of all that its caller gave, so that a caller who is cancelled can go at once. The
 * copies' memory, and the publication, are used again: after warm-up publishing allocates nothing.
 *
 *   B1  A publication goes over the bridge as its crossing, and comes back with code and error set;
 *       so does its withdrawal, after it. It is used again when all that was sent has come back.
 *   B2  Under way are at most `max` of a loop, whose copies have at most `bytes_max` together, but
 *       for one that is larger than that and alone. Who comes beyond that waits, first come first
 *       served.
 *   B3  Between sending and its coming back all but `wait`, `under_way` and `pool` belongs to the
 *       broker thread.
 */
#ifndef ACKD_HOST_PUBLICATION_H
#define ACKD_HOST_PUBLICATION_H

#include <ackd/publish.h>

#include "host/job.h"
#include "task/wait.h"

struct runner;

/* Of one loop; on its thread alone, but for the making. */
struct publication_pool {
    struct runner *runner;
    struct list all;     /* publications, free or not */
    struct list unused;  /* those that are free */
    struct list waiting; /* struct publication_waiter */
    size_t max, bytes_max;
    size_t under_way, bytes; /* now */
    size_t kept;             /* bytes of copies in those that are free */
    uint64_t next_id;
};

struct publication {
    struct crossing crossing;   /* PUBLISH */
    struct crossing withdrawal; /* WITHDRAW: its caller is gone */
    struct publisher_request request;
    struct properties properties;
    struct station *station; /* who publishes */
    const struct ackd_message
        *message; /* whose handler publishes; NULL: none. While it is under way
                                           for the first time */
    struct publication_pool *pool;
    struct wait *wait; /* of the caller; NULL: it is gone */
    struct list all, unused;
    uint8_t *bytes; /* of the copies: room for `room` of them, `used` of them used */
    size_t room, used;
    unsigned under_way;             /* crossings of its own that have not come back */
    struct ackd_bytes reply;        /* of one that wants it; in `bytes` */
    int code;                       /* with which it came back */
    const struct ackd_error *error; /* owned; NULL without a failure */
};

/* @seed makes its ids differ from those of others. */
void publication_pool_init(struct publication_pool *pool, struct runner *runner, size_t max,
                           size_t bytes_max, uint64_t seed);
/* When its loop has ended. */
void publication_pool_fini(struct publication_pool *pool);
/* On the loop: the crossing of a publication, or its withdrawal, came back. */
void publication_back(struct crossing *crossing);

/*
 * On the broker thread, of one that belongs to it: what @code says becomes of it, the current error
 * with it unless that is ACKD_OK or ACKD_CANCELED; and send it back.
 */
void publication_answer(struct publication *publication, int code);
/* Before that: the reply that it wants, of which a copy is made in place of all it has said.
 * ACKD_E_NOMEM. */
ACKD_MUST_CHECK int publication_set_reply(struct publication *publication, struct ackd_bytes reply);

/* The publication of a crossing of kind PUBLISH or WITHDRAW. */
static inline struct publication *publication_of(struct crossing *crossing)
{
    return crossing->kind == CROSSING_PUBLISH ? LIST_ITEM(crossing, publication, crossing)
                                              : LIST_ITEM(crossing, publication, withdrawal);
}

#endif

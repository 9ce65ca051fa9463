/* SPDX-License-Identifier: MIT */
/*
 * ring - a bounded queue of pointers from one thread to one other, without locks.
 *
 *   R1  Only the producer calls push and publish; only the consumer calls pop.
 *   R2  What was pushed is seen by the consumer only after publish: a batch costs one release
 * store. R3  Never allocates after ring_init.
 */
#ifndef ACKD_BASE_RING_H
#define ACKD_BASE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <ackd/abi.h>

enum { RING_LINE = 64 }; /* bytes of a cache line: the two sides must not share one */

struct ring {
    void **slots;
    size_t mask;                                /* capacity - 1; the capacity is a power of two */
    alignas(RING_LINE) atomic_size_t published; /* written by the producer */
    size_t pushed;                              /* the producer's own */
    size_t popped_seen;                         /* the producer's last look at popped */
    alignas(RING_LINE) atomic_size_t popped;    /* written by the consumer */
    size_t taken;                               /* the consumer's own */
    size_t published_seen;                      /* the consumer's last look at published */
};

/* Room for at least @capacity pointers. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int ring_init(struct ring *ring, size_t capacity);
void ring_fini(struct ring *ring);

/* Producer. False when full. */
bool ring_push(struct ring *ring, void *item);
/* Producer. Show the consumer what was pushed; false if there was nothing new. */
bool ring_publish(struct ring *ring);
/* Consumer. NULL when empty. */
void *ring_pop(struct ring *ring);

#endif

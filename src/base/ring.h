/* SPDX-License-Identifier: MIT */
/*
 * ring - a bounded queue of pointers from one thread to one other, without locks.
 *
 *   R1  Only the producer calls push and publish; only the consumer calls pop.
 *   R2  What was pushed is seen by the consumer only after publish: a batch costs one release
 *       store.
 *   R3  Never allocates after ring_init.
 *   R4  The place of an item is free as soon as it was taken: where no more than the capacity are
 *       under way, a push has room.
 */
#ifndef ACKD_BASE_RING_H
#define ACKD_BASE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <ackd/abi.h>

#include "base/assert.h"

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

/* Producer. Whether a second look finds room. */
bool ring_look_for_room(struct ring *ring);
/* Producer. False when full. */
static inline bool ring_push(struct ring *ring, void *item)
{
    ackd_assert(item != NULL);
    if (__builtin_expect(ring->pushed - ring->popped_seen > ring->mask, 0) &&
        !ring_look_for_room(ring))
        return false;
    ring->slots[ring->pushed++ & ring->mask] = item;
    return true;
}
/* Producer. Show the consumer what was pushed; false if there was nothing new. */
bool ring_publish(struct ring *ring);
/* Consumer. Whether a second look finds an item. */
bool ring_look_for_items(struct ring *ring);
/* Consumer. NULL when empty. */
static inline void *ring_pop(struct ring *ring)
{
    if (__builtin_expect(ring->taken == ring->published_seen, 0) && !ring_look_for_items(ring))
        return NULL;
    void *item = ring->slots[ring->taken++ & ring->mask];
    /* R4. In a line of the consumer's own, at which the producer looks only when it sees no room. */
    atomic_store_explicit(&ring->popped, ring->taken, memory_order_release);
    return item;
}

#endif

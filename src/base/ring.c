/* SPDX-License-Identifier: MIT */
/* ring - two counters and a table. It must not know what the pointers are, nor how to wake anybody.
 */
#include <config.h>

#include "base/ring.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "base/assert.h"

int ring_init(struct ring *ring, size_t capacity)
{
    ackd_assert(capacity > 0);
    ackd_assert(capacity <= (size_t)1 << 24);
    size_t size = 1;
    while (size < capacity)
        size *= 2;
    void **slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a ring of %zu places", size);
    ring->slots = slots;
    ring->mask = size - 1;
    ring->pushed = ring->popped_seen = ring->taken = ring->published_seen = 0;
    atomic_init(&ring->published, 0);
    atomic_init(&ring->popped, 0);
    return ACKD_OK;
}

void ring_fini(struct ring *ring)
{
    free(ring->slots);
    ring->slots = NULL;
}

bool ring_look_for_room(struct ring *ring)
{
    ring->popped_seen = atomic_load_explicit(&ring->popped, memory_order_acquire);
    return ring->pushed - ring->popped_seen <= ring->mask;
}

bool ring_publish(struct ring *ring)
{
    if (atomic_load_explicit(&ring->published, memory_order_relaxed) == ring->pushed)
        return false;
    atomic_store_explicit(&ring->published, ring->pushed, memory_order_release);
    return true;
}

bool ring_look_for_items(struct ring *ring)
{
    ring->published_seen = atomic_load_explicit(&ring->published, memory_order_acquire);
    return ring->taken != ring->published_seen;
}

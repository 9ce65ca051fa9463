/* SPDX-License-Identifier: MIT */
/* bridge - a ring and one loop_wake per batch. It must not know what an item is. */
#include <config.h>

#include "io/bridge.h"

#include <ackd/error.h>

#include "base/assert.h"

int bridge_init(struct bridge *bridge, size_t capacity, struct loop *to)
{
    ackd_assert(to != NULL);
    int code = ring_init(&bridge->ring, capacity);
    if (code != ACKD_OK)
        return code;
    bridge->to = to;
    bridge->unflushed = 0;
    atomic_init(&bridge->sent, 0);
    atomic_init(&bridge->wakes, 0);
    return ACKD_OK;
}

void bridge_fini(struct bridge *bridge)
{
    ring_fini(&bridge->ring);
    bridge->to = NULL;
}

bool bridge_send(struct bridge *bridge, void *item)
{
    if (!ring_push(&bridge->ring, item))
        return false;
    bridge->unflushed++;
    return true;
}

/* Only the sender writes a count, so it needs no read-modify-write. */
static void bridge_add(atomic_ullong *count, uint64_t more)
{
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, before + more, memory_order_relaxed);
}

void bridge_flush(struct bridge *bridge)
{
    if (bridge->unflushed == 0)
        return;
    bool published = ring_publish(&bridge->ring);
    ackd_assert(published);
    bridge_add(&bridge->sent, bridge->unflushed);
    bridge_add(&bridge->wakes, 1);
    bridge->unflushed = 0;
    loop_wake(bridge->to);
}

void *bridge_receive(struct bridge *bridge)
{
    return ring_pop(&bridge->ring);
}

uint64_t bridge_sent(const struct bridge *bridge)
{
    return atomic_load_explicit(&bridge->sent, memory_order_relaxed);
}

uint64_t bridge_wakes(const struct bridge *bridge)
{
    return atomic_load_explicit(&bridge->wakes, memory_order_relaxed);
}

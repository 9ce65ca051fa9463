/* SPDX-License-Identifier: MIT */
/*
 * bridge - one direction between two loops: a ring, and the wake-up of whoever reads it.
 *
 *   B1  Items arrive in the order in which they were sent, each once.
 *   B2  What was sent becomes visible at bridge_flush, which wakes the reader at most once, and not
 *       at all if nothing was sent since the last.
 *   B3  Sender and reader are one thread each; after bridge_init nothing allocates or locks.
 *
 * It must not know what an item is; who sends one lends or gives it by a rule of its own.
 */
#ifndef ACKD_IO_BRIDGE_H
#define ACKD_IO_BRIDGE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ring.h"
#include "io/loop.h"

struct bridge {
    struct ring ring;
    struct loop *to;     /* borrowed: outlives the bridge */
    atomic_ullong sent;  /* items; written by the sender, read by anybody */
    atomic_ullong wakes; /* wake-ups asked for; the same */
    uint64_t unflushed;  /* the sender's own */
};

/* Room for at least @capacity items that are under way to @to. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int bridge_init(struct bridge *bridge, size_t capacity, struct loop *to);
/* Neither side may use it any more; items still in it stay whose they are. */
void bridge_fini(struct bridge *bridge);

/* Sender. Not yet visible; false when full: flush, and try again later. Nothing tells of new room.
 */
bool bridge_send(struct bridge *bridge, void *item);
/* Sender, at the end of its turn: show the reader what was sent, and wake it. */
void bridge_flush(struct bridge *bridge);
/* Reader. The next item; NULL when there is none. */
void *bridge_receive(struct bridge *bridge);

/* For metrics; from any thread. Under load the wake-ups are far fewer than the items. */
uint64_t bridge_sent(const struct bridge *bridge);
uint64_t bridge_wakes(const struct bridge *bridge);

#endif

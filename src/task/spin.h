/* SPDX-License-Identifier: MIT */
/*
 * spin - a lock for a handful of instructions.
 *
 * What it guards are links of lists; it is never held over a call of somebody else's, so that a
 * thread that finds it held needs no queue to sleep in: it gives its processor away and looks
 * again. It allocates nothing, needs no end, and the one that lets go touches it no more afterwards,
 * so that the next one may free it.
 */
#ifndef ACKD_TASK_SPIN_H
#define ACKD_TASK_SPIN_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SPIN_TRIES = 64 }; /* before the processor is given away */

struct spin {
    atomic_bool held;
};

static inline bool spin_try(struct spin *spin)
{
    return !atomic_load_explicit(&spin->held, memory_order_relaxed) &&
           !atomic_exchange_explicit(&spin->held, true, memory_order_acquire);
}

static inline void spin_lock(struct spin *spin)
{
    for (unsigned tries = 1; !spin_try(spin); tries++)
        if (tries % SPIN_TRIES == 0)
            sched_yield();
}

static inline void spin_unlock(struct spin *spin)
{
    atomic_store_explicit(&spin->held, false, memory_order_release);
}

#endif

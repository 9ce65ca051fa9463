/* SPDX-License-Identifier: MIT */
/*
 * home - where the calls of one loop's registrations wait until the loop comes round.
 *
 * A post (scheduler.h) cannot be taken back, and the registration that is to be called may be, until
 * the moment it is called. So cancelling threads leave registrations here, and one post of the
 * home's own has the loop look. A home is reference-counted: it outlives its scheduler as long as a
 * registration made on that loop is left, which then will never be called.
 *
 *   H1  Locks are taken in this order: a place's (registration.h), a home's.
 *   H2  Timers of sources are touched on the loop only; that they are armed is known here, so that
 *       none is left behind when the scheduler goes.
 */
#ifndef ACKD_TASK_HOME_H
#define ACKD_TASK_HOME_H

#include <ackd/abi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "task/scheduler.h"
#include "task/spin.h"

struct registration;

struct home {
    struct spin spin;
    bool posted;         /* the post is under way */
    atomic_bool pending; /* there are calls */
    _Atomic uint32_t references;
    _Atomic uint64_t unobserved; /* failures of what belongs to the loop and lives anywhere */
    struct scheduler *scheduler; /* NULL: it is gone */
    struct list calls;           /* struct registration */
    struct list armed;           /* struct after: their timers run */
    struct scheduler_post post;
};

/* With the scheduler's reference; NULL: out of memory. */
struct home *home_new(struct scheduler *scheduler);
/* The scheduler goes: make the calls that still wait, and leave no timer. NULL does nothing. */
void home_close(struct home **home);
struct home *home_ref(struct home *home);
void home_unref(struct home *home);

/* Whether this is its loop's thread. */
bool home_is_here(struct home *home);
/* As scheduler_post; false, too, when the loop has ended. Any thread. */
bool home_post(struct home *home, struct scheduler_post *post);
/* What its loop is called, for errors: into @name of @size bytes. */
void home_name(struct home *home, char *name, size_t size);

/* Make the calls that wait, on the loop's thread. */
void home_serve(struct home *home);

static inline bool home_pending(const struct home *home)
{
    return atomic_load_explicit(&home->pending, memory_order_relaxed);
}

/* Whether calls may still come from outside: something is registered on this loop. */
static inline bool home_awaits_calls(const struct home *home)
{
    return atomic_load_explicit(&home->references, memory_order_relaxed) > 1;
}

/* Where a call is to be made, with its place locked. */
enum home_verdict {
    HOME_HERE,   /* by the caller: this is the loop's thread */
    HOME_QUEUED, /* it waits here now */
    HOME_GONE    /* nowhere: there is no such loop any more */
};
enum home_verdict home_offer(struct home *home, struct registration *registration);
/* Take back one that is queued, with its place locked. */
void home_withdraw(struct home *home, struct registration *registration);

/* On the loop's thread: that a timer runs, or does no more. Twice does no harm. */
void home_note_armed(struct home *home, struct list *link);
void home_note_stopped(struct home *home, struct list *link);

#endif

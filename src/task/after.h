/* SPDX-License-Identifier: MIT */
/*
 * after - the timer behind ackd_cancel_after.
 *
 * A timer belongs to its loop, a source to any thread. So who cancels, resets or frees the source
 * elsewhere makes the timer void at once, and has the loop stop it.
 *
 *   R1  A timer that runs is in its home's list; void or not, the source's memory stays until it
 *       was stopped on the loop, or the loop is gone.
 */
#ifndef ACKD_TASK_AFTER_H
#define ACKD_TASK_AFTER_H

#include "base/timer.h"
#include "task/home.h"
#include "task/registration.h"

struct ackd_cancel_source;

struct after {
    struct timer timer;
    struct home *home; /* with a reference; NULL: never used */
    struct list link;  /* in the home's */
    struct registration stop;
    bool on; /* the timer counts. With the lock of the source's registrations */
};

void after_init(struct after *after);
void after_fini(struct after *after);
/* The loop goes, and its timers with it. For the home alone. */
void after_forget(struct list *link);

/*
 * The timer counts no more; with the lock. True: the loop has been asked to stop it, and lets go of
 * a reference on the source afterwards, which the caller has to provide.
 */
bool after_void(struct ackd_cancel_source *source);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * registration - one call that a source makes when it is cancelled.
 *
 * The memory is the caller's, and nothing of it is touched once its call begins: that a call runs is
 * known to its place, a lock out of a fixed set that all registrations of a source share. So
 * unregistering is safe whatever became of the source meanwhile.
 *
 *   N1  Kept: in the source's list. Queued: at the home of its loop. Idle: in neither; it may run.
 *       Its state changes under the lock of its place only.
 *   N2  After registration_remove the call runs no more, unless it is what called remove.
 *   N3  Calls run without any lock, outside of tasks, last registered first.
 */
#ifndef ACKD_TASK_REGISTRATION_H
#define ACKD_TASK_REGISTRATION_H

#include <ackd/cancel.h>

#include "base/list.h"
#include "task/home.h"
#include "task/spin.h"

struct registration_place;

enum registration_state { REGISTRATION_IDLE, REGISTRATION_KEPT, REGISTRATION_QUEUED };

/* What struct ackd_cancel_registration holds. */
struct registration {
    struct list link;  /* in the source's list or at the home */
    struct home *home; /* with a reference; NULL: called on the thread that cancels */
    struct registration_place *place; /* NULL: was never registered */
    void (*fn)(void *arg);
    void *arg;
    enum registration_state state;
};

/* Those of one source. */
struct registrations {
    struct registration_place *place;
    struct list list; /* last registered first */
};

void registrations_init(struct registrations *registrations);
void registrations_lock(struct registrations *registrations);
void registrations_unlock(struct registrations *registrations);

/* @home: the loop on which it is to be called; NULL: the thread that cancels. Not registered. */
void registration_init(struct registration *registration, struct home *home, void (*fn)(void *arg),
                       void *arg);
/* Call it here, outside of tasks. */
void registration_call(const struct registration *registration);
/* From any thread, once or more: N2. */
void registration_remove(struct registration *registration);

/* These with the lock. */
void registrations_keep(struct registrations *registrations, struct registration *registration);
/* Call them all, or leave them to their loops; the lock is let go for each call. */
void registrations_call(struct registrations *registrations);
/* None will be called. Returns how many there were. */
size_t registrations_drop(struct registrations *registrations);
/* Have an idle one called on its loop, unless this is it. */
enum home_verdict registration_queue(struct registrations *registrations,
                                     struct registration *registration);

/*
 * For the home, which has locked itself: lock the place of one that is queued, if that is possible
 * at once (H1); then, after the home let go of its own lock, call it.
 */
bool registration_try_lock(struct registration *registration);
void registration_call_queued(struct registration *registration);

#endif

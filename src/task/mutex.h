/* SPDX-License-Identifier: MIT */
/*
 * mutex - from inside: what once is made of, and what the search for cycles follows.
 *
 *   X1  A locked mutex has a holding of its holder's, unless memory was out: then it is a lock all
 *       the same, that no search finds.
 *   X2  Unlocking hands it to the first in the queue, which holds it from then on, also before it
 *       runs.
 */
#ifndef ACKD_TASK_MUTEX_H
#define ACKD_TASK_MUTEX_H

#include <ackd/sync.h>

#include "task/belonging.h"
#include "task/queue.h"

struct holding;

struct mutex {
    belonging_loop loop;
    const char *name;
    struct ackd_task *holder; /* NULL: it is free */
    struct holding *holding;
    struct queue waiting;
};

/* In a task of its loop that may await: lock it, waiting as @kind. */
ACKD_MUST_CHECK int mutex_lock(struct mutex *mutex, enum wait_kind kind, const char *file, int line,
                               const char *function);
/* The caller holds it. */
void mutex_unlock(struct mutex *mutex);

/* Who waits for the mutex that @holding is of; NULL: it is of something else. */
const struct queue *mutex_waiting(const struct holding *holding);

#endif

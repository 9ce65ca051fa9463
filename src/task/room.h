/* SPDX-License-Identifier: MIT */
/*
 * room - waiting for a place among the tasks that a loop may have.
 *
 *   R1  While somebody waits, places that become free are granted, first come, first served: the
 *       bound holds for live tasks and grants together.
 *   R2  A grant is used by the spawn that waited, or given back.
 */
#ifndef ACKD_TASK_ROOM_H
#define ACKD_TASK_ROOM_H

#include <ackd/task.h>

#include "task/engine.h"

/* Whether one more task may live. */
static inline bool room_is_there(const struct scheduler *scheduler)
{
    return scheduler->counts.live + scheduler->granted < scheduler->tasks_max;
}

/* The running task waits for a grant: ACKD_OK, or ACKD_CANCELED without one. */
ACKD_MUST_CHECK int room_wait(struct scheduler *scheduler, const char *file, int line,
                              const char *function);
/* Take up the grant: at once, a task is made or room_offer called. */
void room_take_up(struct scheduler *scheduler);

/* A place may have become free. */
void room_offer(struct scheduler *scheduler);

#endif

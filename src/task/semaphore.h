/* SPDX-License-Identifier: MIT */
/*
 * semaphore - from inside: permits, and the operations that acquire one.
 *
 *   P1  While somebody waits there is no permit: release hands it to the first in the queue.
 *   P2  Permits that are there, held by tasks, and granted to operations are together what was ever
 *       put in: granted to nobody is none.
 */
#ifndef ACKD_TASK_SEMAPHORE_H
#define ACKD_TASK_SEMAPHORE_H

#include <ackd/sync.h>

#include "task/queue.h"

/* ACKD_E_WRONG_LOOP, or @entry has a permit or waits for one. */
ACKD_MUST_CHECK int semaphore_join(struct ackd_semaphore *opaque, struct queue_entry *entry,
                                   const char **ret_what, const char *file, int line,
                                   const char *function);
/* The permit that @entry was granted is its task's. */
void semaphore_take(struct queue_entry *entry);
/* Out of the queue, or give back what it was granted. */
void semaphore_leave(struct queue_entry *entry);

#endif

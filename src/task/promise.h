/* SPDX-License-Identifier: MIT */
/*
 * promise - from inside: the operations that await one.
 *
 *   V1  Who moves the state from pending decides; what was decided is written before the state says
 *       so, and never changes.
 *   V2  Only the promise's own loop touches the queue. A decision made elsewhere is followed by a
 *       post, which serves all that were in the queue; after it nobody joins the queue.
 *   V3  The memory lives while somebody has a reference, waits, or has posted. Those who wait do not
 *       count as somebody who could resolve it.
 */
#ifndef ACKD_TASK_PROMISE_H
#define ACKD_TASK_PROMISE_H

#include <ackd/promise.h>

#include "task/queue.h"

/* ACKD_E_WRONG_LOOP, or @entry waits for it, or was granted; it keeps the memory (V3). */
ACKD_MUST_CHECK int promise_join(struct ackd_promise *promise, struct queue_entry *entry,
                                 const char **ret_what, const char *file, int line,
                                 const char *function);
/* What it was decided to be; lets the memory go. */
ACKD_MUST_CHECK int promise_take(struct queue_entry *entry, void **ret_value);
/* Out of the queue; lets the memory go. */
void promise_leave(struct queue_entry *entry);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * mailbox - from inside: the operations that receive.
 *
 *   M1  Somebody waits to send only while it is full, and to receive only while every item in it is
 *       reserved.
 *   M2  An operation that completed has an item reserved, not taken: it takes the first one when it
 *       is awaited, so that giving up leaves everything as it was.
 */
#ifndef ACKD_TASK_MAILBOX_H
#define ACKD_TASK_MAILBOX_H

#include <ackd/mailbox.h>

#include "task/queue.h"

/* ACKD_E_WRONG_LOOP, or @entry has an item reserved, or the end, or waits. */
ACKD_MUST_CHECK int mailbox_join(struct ackd_mailbox *mailbox, struct queue_entry *entry,
                                 const char **ret_what, const char *file, int line,
                                 const char *function);
/* What @entry was granted: the item, or how it ended. */
ACKD_MUST_CHECK int mailbox_take(struct queue_entry *entry, void **ret_item, const char *file,
                                 int line, const char *function);
/* Out of the queue, or without what was reserved. */
void mailbox_leave(struct queue_entry *entry);

#endif

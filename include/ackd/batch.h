/* SPDX-License-Identifier: MIT */
/*
 * batch - several messages that one call handles, for what is cheaper together: an insert of a
 * hundred rows, one request for many.
 *
 *     static int handle_batch(const struct ackd_batch *batch, void *state)
 *     {
 *         for (size_t i = 0; i < ackd_batch_size(batch); i++) {
 *             const struct ackd_message *message = ackd_batch_message(batch, i);
 *             if (ackd_message_body(message).size == 0)
 *                 ACKD_TRY(ackd_batch_mark(message, ackd_dead("an order without a body")));
 *         }
 *         return insert_all(batch, state);
 *     }
 *
 * The consumer's 'batch:' says how many messages there are at most, and how long the first of them
 * waits for the others; there is always one at least. The call is one task: its children end before
 * anything of the batch is settled, and 'timeout:' is for all of it.
 *
 * What the call returns decides on every message that was not marked, as if each had been handled
 * alone and returned that: a failure counts as an attempt of each, after a cancellation each is
 * given back. A mark stays, whatever the call returns, and also after its timeout. Where the process
 * dies, the broker redelivers the whole batch, marked or not.
 */
#ifndef ACKD_BATCH_H
#define ACKD_BATCH_H

#include <stddef.h>

#include <ackd/abi.h>
#include <ackd/message.h>

ACKD_BEGIN_DECLS

/* Lives, as its messages do, until the handler and all its children have ended. */
struct ackd_batch;

/* How many messages there are; 1 at least. */
ACKD_API size_t ackd_batch_size(const struct ackd_batch *batch);
/* The message at @index, from 0, in the order in which they would have started one by one; with
 * 'key:' those of one key in their order. NULL beyond the last. */
ACKD_API const struct ackd_message *ackd_batch_message(const struct ackd_batch *batch,
                                                       size_t index);

/*
 * Decide on @message alone: as if a handler of its own had returned @code, with the current error.
 * ACKD_OK: it is done. ackd_fail(...), ackd_retry_after(...), ackd_dead(...), ackd_drop(...) stand
 * for themselves, and are no cause of a later error. ACKD_CANCELED: it is given back, and this was no attempt. The last mark of a
 * message holds. After a cancellation with SHUTDOWN a failure is given back, as at a return.
 *
 * In the batch's task or its children; does not suspend. ACKD_E_INVAL, and nothing is marked, for a
 * message that is not of a batch.
 */
ACKD_API ACKD_MUST_CHECK int ackd_batch_mark(const struct ackd_message *message, int code);

ACKD_END_DECLS

#endif

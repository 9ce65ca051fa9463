/* SPDX-License-Identifier: MIT */
/*
 * batch - several messages that one call of a handler takes together.
 *
 * Made on the broker thread, kept for use again, and, like a message, the runner's between
 * runner_send and runner_receive. It comes back with a verdict on each of its messages.
 *
 *   V1  A message of a batch is decided on once: by its last mark, or else by what the call returned.
 *   V2  A batch that is used again allocates nothing.
 */
#ifndef ACKD_HOST_BATCH_H
#define ACKD_HOST_BATCH_H

#include <ackd/batch.h>

#include "host/job.h"

enum { BATCH_FIELDS = 4 };

struct batch {
    struct crossing crossing;
    struct list node; /* its owner's, while it is idle */
    struct station *station;
    struct list running;    /* the runner's list */
    struct ackd_task *task; /* borrowed, while it runs */
    struct log_context log; /* of its lines, those of single messages apart */
    struct ackd_log_field fields[BATCH_FIELDS];
    size_t room;
    size_t count;
    size_t taken;       /* by batch_take, of @count */
    struct job *jobs[]; /* the first @count of @room */
};

/* With room for @room messages, 1 at least. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int batch_new(size_t room, struct batch **ret_batch);
/* NULL does nothing. Its messages are let go before. */
void batch_free(struct batch **batch);

/* Into an idle batch that has room: behind those that are in it. */
void batch_add(struct batch *batch, struct job *job);
/* It is complete, and to run at @station. */
void batch_begin(struct batch *batch, struct station *station);
/* What the call returned: for all messages without a mark. */
void batch_judge(struct batch *batch, int code, const struct ackd_error *error,
                 enum ackd_cancel_reason reason);
/* After it came back: its messages are single ones again, and it is empty. Takes the next out of
 * it, in their order; NULL at the end. */
struct job *batch_take(struct batch *batch);

/* As the handler sees it, and back. */
static inline const struct ackd_batch *batch_handle(const struct batch *batch)
{
    return (const struct ackd_batch *)batch;
}

#endif

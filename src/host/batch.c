/* SPDX-License-Identifier: MIT */
/* batch - see the header, and <ackd/batch.h>. It must not know how it is filled, nor what becomes of
 * a verdict. */
#include <config.h>

#include "host/batch.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"

int batch_new(size_t room, struct batch **ret_batch)
{
    struct batch *batch = calloc(1, sizeof *batch + room * sizeof batch->jobs[0]);
    if (batch == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a batch of %zu messages", room);
    batch->crossing.kind = CROSSING_BATCH;
    list_init(&batch->node);
    list_init(&batch->running);
    batch->room = room;
    *ret_batch = batch;
    return ACKD_OK;
}

void batch_free(struct batch **batch)
{
    struct batch *freed = *batch;
    if (freed == NULL)
        return;
    *batch = NULL;
    list_remove(&freed->node);
    free(freed);
}

void batch_add(struct batch *batch, struct job *job)
{
    ackd_assert(batch->count < batch->room);
    job->message.batch = batch;
    job->message.index = batch->count;
    batch->jobs[batch->count++] = job;
    job->marked = false;
}

void batch_begin(struct batch *batch, struct station *station)
{
    ackd_assert(batch->count > 0);
    const struct job *first = batch->jobs[0];
    batch->station = station;
    for (size_t i = 0; i < batch->count; i++)
        batch->jobs[i]->station = station;
    batch->fields[0] = first->fields[0];
    batch->fields[1] = first->fields[1];
    batch->fields[2] = first->fields[2];
    batch->fields[3] = (struct ackd_log_field)ACKD_FIELD_INT("batch", batch->count);
    batch->log = (struct log_context){.fields = batch->fields, .count = BATCH_FIELDS};
}

void batch_judge(struct batch *batch, int code, const struct ackd_error *error,
                 enum ackd_cancel_reason reason)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->jobs[i]->marked) /* V1 */
            job_judge(batch->jobs[i], code, error, reason);
    }
}

struct job *batch_take(struct batch *batch)
{
    if (batch->taken == batch->count) {
        batch->taken = batch->count = 0;
        return NULL;
    }
    struct job *job = batch->jobs[batch->taken++];
    job->message.batch = NULL;
    return job;
}

static const struct batch *batch_of(const struct ackd_batch *batch)
{
    return (const struct batch *)batch;
}

size_t ackd_batch_size(const struct ackd_batch *batch)
{
    return batch_of(batch)->count;
}

const struct ackd_message *ackd_batch_message(const struct ackd_batch *batch, size_t index)
{
    return index < batch_of(batch)->count ? &batch_of(batch)->jobs[index]->message : NULL;
}

int ackd_batch_mark(const struct ackd_message *message, int code)
{
    if (message->batch == NULL)
        return ackd_fail(ACKD_E_INVAL, "a message that is not of a batch is decided on by what its "
                                       "handler returns");
    struct job *job = message->batch->jobs[message->index];
    if (code > 0)
        code =
            ackd_fail(ACKD_E_BAD_RETURN,
                      "the message was marked with %d: 0 is success, a failure is negative", code);
    const struct ackd_error *error = code < 0 && code != ACKD_CANCELED ? error_for(code) : NULL;
    const struct ackd_error *before = job->error;
    job_judge(job, code, error, ackd_task_cancel_reason(message->batch->task));
    job->marked = true;
    ackd_error_unref(before);
    if (error != NULL)
        error_clear(); /* it is this message's, and no cause of the next one's */
    return ACKD_OK;
}

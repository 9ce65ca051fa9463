/* SPDX-License-Identifier: MIT */
/* job - making and freeing; what happens to it is the business of runner, dispatch and settle. */
#include <config.h>

#include "host/job.h"

#include <string.h>

#include "base/assert.h"

struct job *job_init(struct delivery *delivery, struct consumer *consumer,
                     const char *consumer_name, const char *queue)
{
    struct job *job = delivery->extra;
    job->crossing.kind = CROSSING_JOB;
    job->consumer = consumer;
    job->delivery = delivery;
    job->message = (struct ackd_message){
        .delivery = delivery, .consumer = consumer_name, .queue = queue, .attempt = 1};
    list_init(&job->node);
    list_init(&job->running);
    list_init(&job->entry.node);
    job->fields[0] = (struct ackd_log_field)ACKD_FIELD("consumer", consumer_name);
    job->fields[1] = (struct ackd_log_field)ACKD_FIELD("queue", queue);
    job->fields[2] = (struct ackd_log_field)ACKD_FIELD_INT("tag", delivery->tag);
    job->log = (struct log_context){.fields = job->fields, .count = 3};
    if (delivery->properties.message_id != NULL) {
        job->fields[3] =
            (struct ackd_log_field)ACKD_FIELD("message_id", delivery->properties.message_id);
        job->log.count = 4;
    }
    return job;
}

void job_free(struct job **job)
{
    struct job *freed = *job;
    if (freed == NULL)
        return;
    *job = NULL;
    ackd_assert(!timer_armed(&freed->pause));
    list_remove(&freed->node);
    ackd_error_unref(freed->error);
    struct delivery *delivery = freed->delivery;
    delivery_free(&delivery);
}

void job_judge(struct job *job, int code, const struct ackd_error *error,
               enum ackd_cancel_reason reason)
{
    job->failed_during_shutdown = false;
    if (code == ACKD_OK) {
        job->verdict = ACKD_VERDICT_DONE;
        job->error = NULL;
        job->delay_ms = 0;
        return;
    }
    job->error = ackd_error_ref(error);
    job->delay_ms = ackd_error_delay_ms(error);
    if (code == ACKD_CANCELED) {
        job->verdict =
            reason == ACKD_CANCEL_CHANNEL_CLOSED ? ACKD_VERDICT_ORPHAN : ACKD_VERDICT_RELEASE;
    } else if (reason == ACKD_CANCEL_SHUTDOWN) {
        job->failed_during_shutdown = true;
        job->verdict = ACKD_VERDICT_RELEASE;
    } else {
        job->verdict = ackd_error_verdict(error);
    }
}

/* FNV-1a, for its brevity: a collision only makes a message wait longer. */
static uint64_t job_mix(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

enum { JOB_FINGERPRINT_BODY = 4096 };

uint64_t job_fingerprint(const struct job *job)
{
    const struct delivery *delivery = job->delivery;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = job_mix(hash, job->message.consumer, strlen(job->message.consumer));
    if (delivery->properties.message_id != NULL) {
        const char *id = delivery->properties.message_id;
        return job_mix(hash, id, strlen(id));
    }
    size_t size = delivery->body.size;
    hash = job_mix(hash, delivery->routing_key, strlen(delivery->routing_key));
    hash = job_mix(hash, &size, sizeof size);
    if (size > 0)
        hash = job_mix(hash, delivery->body.data,
                       size < JOB_FINGERPRINT_BODY ? size : JOB_FINGERPRINT_BODY);
    return hash;
}

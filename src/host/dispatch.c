/* SPDX-License-Identifier: MIT */
/* dispatch - see the header. One lane per consumer: first come, first started. */
#include <config.h>

#include "host/dispatch.h"

#include <ackd/error.h>
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/settle.h"

/* Too large to be kept: it stays unanswered, so that it is not lost, and says so. */
static void dispatch_park(struct consumer *consumer, struct job *job)
{
    consumer_move(consumer, job, JOB_PARKED);
    struct ackd_log_field fields[] = {ACKD_FIELD("consumer", consumer->config->name),
                                      ACKD_FIELD("queue", consumer->config->queue),
                                      ACKD_FIELD_INT("tag", job->entry.tag),
                                      ACKD_FIELD_INT("size", job->delivery->body_size)};
    ackd_log_event(ACKD_LOG_ERROR, "parked", fields, 4,
                   "%s: it stays in the queue unacknowledged and holds one place of the prefetch; "
                   "raise 'message-size' of consumer '%s' or take it out of '%s'",
                   job->delivery->poison, consumer->config->name, consumer->config->queue);
}

/* A message that no handler may see: to the dead letters with its body, where it has one. */
static void dispatch_poison(struct consumer *consumer, struct job *job)
{
    if (job->delivery->body.size < job->delivery->body_size) {
        dispatch_park(consumer, job);
        return;
    }
    (void)ackd_fail(ACKD_E_POISON, "%s", job->delivery->poison);
    const struct ackd_error *error = error_take();
    settle_dead(consumer, job, error);
    ackd_error_unref(error);
}

static void dispatch_count_attempt(const struct consumer *consumer, struct job *job)
{
    uint32_t failures = attempts_count(&consumer->attempts, job_fingerprint(job));
    job->message.attempt = failures + 1;
}

void dispatch_delivery(struct consumer *consumer, struct delivery *delivery)
{
    struct job *job = job_init(delivery, consumer, consumer->config->name, consumer->config->queue);
    consumer->broker->last_active = consumer;
    broker_hold(consumer->broker, delivery->body.size);
    metric_add(&consumer->metrics, METRIC_bytes_buffered, delivery->body.size);
    metric_add(&consumer->metrics, METRIC_messages_delivered, 1);
    if (ledger_open(&consumer->ledger, &job->entry, delivery->tag) != ACKD_OK) {
        list_append(&consumer->jobs[JOB_SETTLED], &job->node);
        job->state = JOB_SETTLED;
        consumer_forget(consumer, job);
        link_fail(consumer->broker->consuming);
        return;
    }
    job->state = JOB_QUEUED;
    list_append(&consumer->jobs[JOB_QUEUED], &job->node);
    if (consumer->stopping) {
        settle_answer(consumer, job, LEDGER_RELEASE);
    } else if (delivery->poison != NULL) {
        dispatch_poison(consumer, job);
    } else if (delivery->redelivered && !orphan_claim(consumer, job)) {
        dispatch_count_attempt(consumer, job);
    }
}

void dispatch_queue(struct consumer *consumer, struct job *job)
{
    dispatch_count_attempt(consumer, job);
    consumer_move(consumer, job, JOB_QUEUED);
    list_remove(&job->node);
    list_insert(&consumer->jobs[JOB_QUEUED], &job->node);
}

/* The loop with the fewest of this consumer's messages. */
struct station *dispatch_station(struct consumer *consumer)
{
    struct station *least = &consumer->stations[0];
    for (size_t i = 1; i < consumer->station_count; i++) {
        if (consumer->stations[i].running < least->running)
            least = &consumer->stations[i];
    }
    return least;
}

struct job *dispatch_take(struct consumer *consumer)
{
    struct list *queued = &consumer->jobs[JOB_QUEUED];
    if (consumer->stopping || consumer->running >= consumer->config->concurrency ||
        list_empty(queued))
        return NULL;
    struct job *job = LIST_ITEM(queued->next, job, node);
    consumer_move(consumer, job, JOB_RUNNING);
    consumer->running++;
    metric_store(&consumer->metrics, METRIC_handlers_running, consumer->running);
    return job;
}

void dispatch_give_back(struct consumer *consumer, struct job *job)
{
    ackd_assert(job->state == JOB_RUNNING || job->state == JOB_ABANDONED); /* Q1 */
    ackd_assert(consumer->running > 0);
    consumer->running--;
    metric_store(&consumer->metrics, METRIC_handlers_running, consumer->running);
}

void dispatch_go_on(struct consumer *consumer)
{
    struct job *job;
    while ((job = dispatch_take(consumer)) != NULL) {
        job->station = dispatch_station(consumer);
        job->station->running++;
        runner_send(job->station->runner, &job->crossing);
    }
}

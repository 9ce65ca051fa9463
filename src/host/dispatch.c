/* SPDX-License-Identifier: MIT */
/* dispatch - see the header. One lane per consumer: first come, first started. */
#include <config.h>

#include "host/dispatch.h"

#include <ackd/error.h>
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/batcher.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/pause.h"
#include "host/settle.h"

enum {
    /* Of consumer-timeout: a message that waits through two of these parts goes back, after a
     * quarter at most. */
    DISPATCH_AGES = 8
};

/* Too large to be kept: it stays unanswered, so that it is not lost, and says so. */
static void dispatch_park(struct consumer *consumer, struct job *job)
{
    if (consumer->position != NULL) {
        ackd_log_error(
            "passed-over",
            "%s: offset %" PRId64 " of stream '%s' is passed over by consumer '%s'; raise "
            "'message-size'",
            job->delivery->poison, job->offset, consumer->config->queue, consumer->config->name);
        metric_add(&consumer->metrics, METRIC_messages_dropped, 1);
        settle_answer(consumer, job, LEDGER_ACK);
        return;
    }
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
    retry_dead(consumer, job, error);
    ackd_error_unref(error);
}

/* Whether it may have failed before. Most come for the first time, and have no author. */
static inline bool dispatch_has_past(const struct consumer *consumer,
                                     const struct delivery *delivery)
{
    return delivery->redelivered || delivery->properties.user_id != NULL ||
           consumer->broker->any_author;
}

void dispatch_delivery(struct consumer *consumer, struct delivery *delivery, bool stray)
{
    struct job *job = job_init(delivery, consumer, consumer->config->name, consumer->config->queue);
    consumer->inlet->last_active = consumer;
    uint64_t weight = job_weight(job);
    consumer->quota.held += weight;
    inlet_hold(consumer->inlet, weight);
    metric_add(&consumer->metrics, METRIC_bytes_buffered, delivery->body.size);
    metric_add(&consumer->metrics, METRIC_messages_delivered, 1);
    if (ledger_open(&consumer->ledger, &job->entry, delivery->tag) != ACKD_OK) {
        list_append(&consumer->jobs[JOB_SETTLED], &job->node);
        job->state = JOB_SETTLED;
        consumer_forget(consumer, job);
        link_fail(consumer->inlet->link);
        return;
    }
    job->state = JOB_QUEUED;
    consumer->queued++;
    list_append(&consumer->jobs[JOB_QUEUED], &job->node);
    if (consumer->position != NULL)
        position_delivered(consumer->position, job);
    stray = stray && consumer->position == NULL; /* it cannot go back to its stream */
    if (stray || consumer->stopping || (consumer->paused != 0 && !settle_keeps(consumer))) {
        retry_give_back(consumer, job);
        return;
    }
    if (delivery->poison != NULL) {
        dispatch_poison(consumer, job);
        return;
    }
    if (dispatch_has_past(consumer, delivery) && retry_arrived(consumer, job))
        return;
    if (delivery->redelivered && orphan_claim(consumer, job))
        return;
    if (consumer->gate != NULL && gate_add(consumer->gate, job, false) != ACKD_OK)
        retry_give_back(consumer, job);
}

void dispatch_queue(struct consumer *consumer, struct job *job)
{
    consumer_move(consumer, job, JOB_QUEUED);
    list_remove(&job->node);
    list_insert(&consumer->jobs[JOB_QUEUED], &job->node);
    if (consumer->gate != NULL && gate_add(consumer->gate, job, true) != ACKD_OK)
        retry_give_back(consumer, job);
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

/* The first in the queue, or the one that the gate lets pass. */
static struct job *dispatch_next(struct consumer *consumer)
{
    struct list *queued = &consumer->jobs[JOB_QUEUED];
    if (consumer->gate != NULL)
        return gate_take(consumer->gate);
    return list_empty(queued) ? NULL : LIST_ITEM(queued->next, job, node);
}

struct job *dispatch_take(struct consumer *consumer)
{
    if (consumer->paused != 0 || consumer->running >= consumer->concurrency) {
        if (consumer->gate != NULL)
            gate_withdraw(consumer->gate);
        return NULL;
    }
    struct job *job = dispatch_next(consumer);
    if (job == NULL)
        return NULL;
    job->joined = false;
    consumer_move(consumer, job, JOB_RUNNING);
    consumer->running++;
    metric_store(&consumer->metrics, METRIC_handlers_running, consumer->running);
    return job;
}

/* One more for the batch whose first has a slot. */
static struct job *dispatch_join(struct consumer *consumer)
{
    struct list *queued = &consumer->jobs[JOB_QUEUED];
    struct job *job = NULL;
    if (consumer->gate != NULL)
        job = gate_join(consumer->gate);
    else if (!list_empty(queued))
        job = LIST_ITEM(queued->next, job, node);
    if (job == NULL)
        return NULL;
    job->joined = true;
    consumer_move(consumer, job, JOB_RUNNING);
    return job;
}

void dispatch_take_batch(struct consumer *consumer, struct batch *batch)
{
    if (consumer->gate != NULL)
        gate_begin_batch(consumer->gate);
    struct job *job = dispatch_take(consumer);
    while (job != NULL) {
        batch_add(batch, job);
        job = batch->count < batch->room ? dispatch_join(consumer) : NULL;
    }
    if (consumer->gate != NULL)
        gate_end_batch(consumer->gate);
}

size_t dispatch_ready(const struct consumer *consumer)
{
    return consumer->gate == NULL ? consumer->queued : gate_ready(consumer->gate);
}

void dispatch_wait(struct consumer *consumer)
{
    if (consumer->gate != NULL)
        gate_withdraw(consumer->gate);
}

void dispatch_give_back(struct consumer *consumer, struct job *job)
{
    ackd_assert(job->state == JOB_RUNNING || job->state == JOB_ABANDONED); /* Q1 */
    if (!job->joined) {
        ackd_assert(consumer->running > 0);
        consumer->running--;
        metric_store(&consumer->metrics, METRIC_handlers_running, consumer->running);
    }
    if (consumer->gate != NULL)
        gate_give_back(consumer->gate, job);
}

/* Give back all that wait in @state, in order. */
static void dispatch_give_up_state(struct consumer *consumer, enum job_state state)
{
    struct list *jobs = &consumer->jobs[state];
    while (!list_empty(jobs)) {
        struct job *job = LIST_ITEM(jobs->next, job, node);
        timer_stop(&job->pause);
        retry_give_back(consumer, job);
    }
}

void dispatch_give_up(struct consumer *consumer)
{
    if (settle_keeps(consumer) && !consumer->stopping)
        return;
    dispatch_give_up_state(consumer, JOB_RESTING);
    dispatch_give_up_state(consumer, JOB_QUEUED);
    orphan_release(consumer);
    settle_pausing(consumer);
}

static void dispatch_arm_aging(struct consumer *consumer)
{
    struct loop *loop = consumer->host->loop;
    uint64_t part_ms = consumer->config->consumer_timeout_ms / DISPATCH_AGES;
    timer_start(loop_timers(loop), &consumer->aging, timer_after_ms(loop_now_ns(loop), part_ms));
}

/* All that had come when a part of the time was over, and still waits now that another is. */
void dispatch_aged(struct timer *timer)
{
    struct consumer *consumer = LIST_ITEM(timer, consumer, aging);
    struct list *queued = &consumer->jobs[JOB_QUEUED];
    size_t count = 0;
    if (consumer->position != NULL || consumer->paused != 0)
        return; /* a stream waits for no answer */
    while (!list_empty(queued)) {
        struct job *job = LIST_ITEM(queued->next, job, node);
        if (job->entry.tag > consumer->aged_tag)
            break;
        count++;
        retry_give_back(consumer, job);
        if (gate_is_strict(consumer->gate))
            pause_begin(consumer, PAUSE_ORDER, ""); /* G3 of gate */
    }
    consumer->aged_tag = consumer->ledger.last_tag;
    if (count > 0) {
        struct ackd_log_field fields[] = {ACKD_FIELD("consumer", consumer->config->name),
                                          ACKD_FIELD_INT("messages", count)};
        ackd_log_event(ACKD_LOG_WARNING, "unstarted", fields, 2,
                       "%zu messages have waited for their start for up to a quarter of "
                       "'consumer-timeout' and go back: lower 'prefetch', or let more run at once",
                       count);
    }
}

bool dispatch_yields(struct consumer *consumer)
{
    if (consumer->gate == NULL || !gate_shares(consumer->gate))
        return false;
    consumer->host->first = consumer->node.next;
    consumer->host->again = true;
    return true;
}

/* Each by itself. */
static void dispatch_start(struct consumer *consumer)
{
    struct job *job;
    while ((job = dispatch_take(consumer)) != NULL) {
        job->station = dispatch_station(consumer);
        job->station->running++;
        runner_send(job->station->runner, &job->crossing);
        if (dispatch_yields(consumer))
            return;
    }
}

void dispatch_go_on(struct consumer *consumer)
{
    if (consumer->paused != 0)
        pause_go_on(consumer);
    if (consumer->batcher == NULL)
        dispatch_start(consumer);
    else
        batcher_go_on(consumer->batcher);
    if (consumer->gate != NULL)
        gate_look_ahead(consumer->gate);
    if (!timer_armed(&consumer->aging) && !list_empty(&consumer->jobs[JOB_QUEUED]) &&
        consumer->config->consumer_timeout_ms > 0)
        dispatch_arm_aging(consumer);
}

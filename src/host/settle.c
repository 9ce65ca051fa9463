/* SPDX-License-Identifier: MIT */
/* settle - see the header. */
#include <config.h>

#include "host/settle.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/dispatch.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/pause.h"
#include "host/report.h"
#include "host/retry.h"

enum { SETTLE_LINE_SIZE = 1024 };

/* A line about one message, with the error that led to it. */
static void settle_log(const struct job *job, enum ackd_log_level level, const char *event,
                       const char *what)
{
    if (!ackd_log_enabled(level))
        return;
    char text[SETTLE_LINE_SIZE];
    report_failure_line(job->error, text, sizeof text);
    const struct error_name name = error_name(ackd_error_code(job->error));
    struct ackd_log_field fields[] = {ACKD_FIELD_INT("attempt", job->message.attempt),
                                      ACKD_FIELD("code", name.text)};
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(level, event, fields, 2, "%s: %s", what, text);
    (void)log_context_use(before);
}

/* Its key is free now; where it goes back, what waits goes back behind it (G3 of gate). */
static void settle_leave_gate(struct consumer *consumer, struct job *job, enum ledger_answer answer)
{
    if (answer != LEDGER_ACK && job->lane.out && !consumer->stopping &&
        gate_is_strict(consumer->gate))
        pause_begin(consumer, PAUSE_ORDER, "");
    if (job->state != JOB_ABANDONED)
        gate_forget(consumer->gate, job);
}

bool settle_stops_by_close(const struct consumer *consumer)
{
    return consumer->config->single_active && consumer->config->queue_type != CONFIG_QUEUE_QUORUM;
}

bool settle_keeps(const struct consumer *consumer)
{
    return consumer->position != NULL || settle_stops_by_close(consumer);
}

/*
 * Z4: what is given back where nothing can be given back to. True: @job is kept, to be run again, or
 * open until the channel is closed.
 */
static bool settle_keep(struct consumer *consumer, struct job *job)
{
    bool goes_back = consumer->position == NULL && consumer->paused == 0;
    if (job->entry.epoch != consumer->ledger.epoch || !settle_keeps(consumer) || goes_back)
        return false;
    if (job->state == JOB_ABANDONED)
        return true; /* its handler has it still: settle_verdict */
    if (job->state == JOB_QUEUED && !consumer->stopping)
        return true;
    if (consumer->gate != NULL)
        gate_forget(consumer->gate, job);
    if (consumer->stopping) {
        consumer_move(consumer, job, JOB_KEPT);
        return true;
    }
    ackd_error_unref(job->error);
    job->error = NULL;
    job->delay_ms = 0;
    job->message.attempt = job->failures + 1;
    dispatch_queue(consumer, job);
    return true;
}

void settle_answer(struct consumer *consumer, struct job *job, enum ledger_answer answer)
{
    if (answer != LEDGER_ACK && settle_keep(consumer, job))
        return;
    int code = ledger_settle(&consumer->ledger, &job->entry, answer);
    if (code == ACKD_E_STALE) {
        metric_add(&consumer->metrics, METRIC_settlements_stale, 1); /* Z2 */
        orphan_settled(consumer, job, answer);
        if (job->state == JOB_RUNNING)
            consumer_move(consumer, job, JOB_SETTLED);
        consumer_forget(consumer, job);
        return;
    }
    ackd_assert(code == ACKD_OK);
    consumer->settled = true;
    if (job->state != JOB_ABANDONED)
        consumer_move(consumer, job, JOB_SETTLED); /* first: a pause gives back whatever waits */
    if (consumer->gate != NULL)
        settle_leave_gate(consumer, job, answer);
}

static void settle_pause_over(struct timer *timer)
{
    struct job *job = LIST_ITEM(timer, job, pause);
    retry_give_back(job->consumer, job);
}

void settle_later(struct consumer *consumer, struct job *job, uint64_t ms)
{
    if (consumer->stopping) {
        settle_answer(consumer, job, LEDGER_RELEASE);
        return;
    }
    struct loop *loop = consumer->host->loop;
    consumer_move(consumer, job, JOB_PAUSING);
    timer_init(&job->pause, settle_pause_over);
    timer_start(loop_timers(loop), &job->pause, timer_after_ms(loop_now_ns(loop), ms));
}

/* A message of a strict key is tried again here, and its key waits; not for ever. */
static void settle_hold(struct consumer *consumer, struct job *job)
{
    const struct retry_policy *policy = &consumer->retry.policy;
    job->failures++;
    uint64_t wait_ms = job->delay_ms != 0 ? job->delay_ms : retry_delay_ms(policy, job->failures);
    if (job->failures < policy->attempts && gate_hold(consumer->gate, job, wait_ms)) {
        metric_add(&consumer->metrics, METRIC_messages_held, 1);
        settle_log(job, ACKD_LOG_WARNING, "retry", "failed, to be tried again while its key waits");
        return;
    }
    retry_dead(consumer, job, job->error);
}

/* A message of a stream is tried again here: a copy would be one for whoever else reads it. */
static void settle_again(struct consumer *consumer, struct job *job)
{
    const struct retry_policy *policy = &consumer->retry.policy;
    job->failures++;
    uint64_t wait_ms = job->delay_ms != 0 ? job->delay_ms : retry_delay_ms(policy, job->failures);
    if (job->failures < policy->attempts) {
        settle_log(job, ACKD_LOG_WARNING, "retry", "failed, to be tried again in its place");
        settle_later(consumer, job, wait_ms);
        return;
    }
    retry_dead(consumer, job, job->error);
}

static void settle_retry(struct consumer *consumer, struct job *job)
{
    if (consumer->position != NULL && !gate_is_strict(consumer->gate)) {
        settle_again(consumer, job);
        return;
    }
    if (!gate_is_strict(consumer->gate))
        retry_failed(consumer, job);
    else if (consumer->paused == 0)
        settle_hold(consumer, job);
    else
        retry_give_back_later(consumer, job, job->error); /* in its place */
}

/* Given back, not counted as an attempt. Where we do not stop, it waits, so that it cannot spin. */
static void settle_release(struct consumer *consumer, struct job *job)
{
    if (job->dead_if_canceled && job->error == NULL && !consumer->stopping) {
        (void)ackd_fail(ACKD_E_DEAD, "cancelled by an operator, to be dead");
        const struct ackd_error *error = error_take();
        retry_dead(consumer, job, error);
        ackd_error_unref(error);
        return;
    }
    if (job->failed_during_shutdown) {
        metric_add(&consumer->metrics, METRIC_failures_during_shutdown, 1);
        settle_log(job, ACKD_LOG_WARNING, "release", "failed when asked to stop, and goes back");
    }
    if (job->error == NULL || consumer->stopping)
        retry_give_back(consumer, job);
    else
        retry_give_back_later(consumer, job, job->error);
}

static int settle_send(struct subscription *subscription, const struct ledger_frame *frame)
{
    switch (frame->answer) {
    case LEDGER_ACK:
        return subscription_ack(subscription, frame->tag, frame->multiple);
    case LEDGER_RELEASE:
        return subscription_nack(subscription, frame->tag);
    }
    ackd_assert(false);
    return ACKD_E_INTERNAL;
}

/* An answer counts when it is written: one that its channel did not live to see is orphaned. */
static void settle_count(struct metric_set *metrics, enum ledger_answer answer)
{
    static const enum metric counted[] = {
        [LEDGER_ACK] = METRIC_messages_acked,
        [LEDGER_RELEASE] = METRIC_messages_released,
    };
    ackd_assert(answer < sizeof counted / sizeof counted[0]);
    metric_add(metrics, counted[answer], 1);
}

void settle_flush(struct consumer *consumer)
{
    if (!consumer->settled)
        return;
    consumer->settled = false;
    struct list sent;
    list_init(&sent);
    struct ledger_frame frame;
    bool unique = consumer->config->message_ids == 1;
    int code = ACKD_OK;
    while (code == ACKD_OK && ledger_next(&consumer->ledger, &frame, &sent))
        code = settle_send(consumer->subscription, &frame);
    struct list *node;
    while ((node = list_take(&sent)) != NULL) {
        struct ledger_entry *entry = LIST_ITEM(node, ledger_entry, node);
        struct job *job = LIST_ITEM(entry, job, entry);
        settle_count(&consumer->metrics, entry->answer);
        if (unique && entry->answer == LEDGER_ACK)
            orphan_acked(consumer, job);
        if (job->state != JOB_ABANDONED)
            consumer_forget(consumer, job);
    }
    if (consumer->position != NULL)
        position_settled(consumer->position, consumer);
    if (code != ACKD_OK)
        link_fail(consumer->inlet->link); /* an answer that is not sent must not be forgotten */
}

void settle_verdict(struct consumer *consumer, struct job *job)
{
    ackd_assert(job->station->running > 0);
    job->station->running--;
    dispatch_give_back(consumer, job);
    if (consumer->gate != NULL)
        gate_judge(consumer->gate, job);
    if (job->state == JOB_ABANDONED) {
        /* Answered for at the hard limit; its memory was needed until that answer is written. */
        settle_flush(consumer);
        if (!list_empty(&job->entry.node))
            consumer_move(consumer, job, JOB_KEPT); /* Z4 */
        else
            consumer_forget(consumer, job);
        return;
    }
    bool wanted = job->verdict != ACKD_VERDICT_DONE && job->verdict != ACKD_VERDICT_DROP;
    if (wanted && job->entry.epoch != consumer->ledger.epoch)
        job->verdict = ACKD_VERDICT_ORPHAN; /* whoever gets it next has it whole */
    switch (job->verdict) {
    case ACKD_VERDICT_DONE:
        settle_answer(consumer, job, LEDGER_ACK);
        break;
    case ACKD_VERDICT_RETRY:
        settle_retry(consumer, job);
        break;
    case ACKD_VERDICT_DEAD:
        job->failures++;
        retry_dead(consumer, job, job->error);
        break;
    case ACKD_VERDICT_DROP:
        settle_log(job, ACKD_LOG_INFO, "drop", "dropped by its handler");
        metric_add(&consumer->metrics, METRIC_messages_dropped, 1);
        settle_answer(consumer, job, LEDGER_ACK);
        break;
    case ACKD_VERDICT_RELEASE:
        settle_release(consumer, job);
        break;
    case ACKD_VERDICT_ORPHAN:
        settle_answer(consumer, job,
                      LEDGER_RELEASE); /* stale by now, unless it was told so early */
        break;
    }
}

void settle_lost(struct consumer *consumer)
{
    static const enum job_state idle[] = {JOB_QUEUED, JOB_RESTING, JOB_PAUSING, JOB_SETTLED,
                                          JOB_PARKED, JOB_HELD,    JOB_KEPT};
    ledger_abandon(&consumer->ledger);
    consumer->settled = false;
    orphan_lost(consumer);
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        struct list *jobs = &consumer->jobs[idle[i]];
        while (!list_empty(jobs)) {
            metric_add(&consumer->metrics, METRIC_messages_orphaned, 1);
            consumer_forget(consumer, LIST_ITEM(jobs->next, job, node));
        }
    }
}

void settle_pausing(struct consumer *consumer)
{
    struct list *pausing = &consumer->jobs[JOB_PAUSING];
    while (!list_empty(pausing)) {
        struct job *job = LIST_ITEM(pausing->next, job, node);
        timer_stop(&job->pause);
        retry_give_back(consumer, job);
    }
}

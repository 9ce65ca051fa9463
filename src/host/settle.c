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
#include "host/dead_letter.h"
#include "host/dispatch.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/pause.h"
#include "host/report.h"

enum { SETTLE_PAUSE_MAX_MS = 5000, SETTLE_LINE_SIZE = 1024 };

/* A line about one message, with the error that led to it. */
static void settle_log(const struct job *job, enum ackd_log_level level, const char *event,
                       const char *what, const struct ackd_error *error, uint64_t pause_ms)
{
    if (!ackd_log_enabled(level))
        return;
    char text[SETTLE_LINE_SIZE];
    report_failure_line(error, text, sizeof text);
    const struct error_name name = error_name(ackd_error_code(error));
    struct ackd_log_field fields[] = {ACKD_FIELD_INT("attempt", job->message.attempt),
                                      ACKD_FIELD("code", name.text),
                                      ACKD_FIELD_INT("pause_ms", pause_ms)};
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(level, event, fields, 3, "%s: %s", what, text);
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

void settle_answer(struct consumer *consumer, struct job *job, enum ledger_answer answer)
{
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
    if (consumer->gate != NULL)
        settle_leave_gate(consumer, job, answer);
    if (answer == LEDGER_ACK && job->message.attempt > 1)
        attempts_done(&consumer->attempts, job_fingerprint(job));
    if (job->state != JOB_ABANDONED)
        consumer_move(consumer, job, JOB_SETTLED);
}

static void settle_pause_over(struct timer *timer)
{
    struct job *job = LIST_ITEM(timer, job, pause);
    settle_answer(job->consumer, job, job->answer);
}

/* Z3: answer with @answer after @ms. */
static void settle_later(struct consumer *consumer, struct job *job, enum ledger_answer answer,
                         uint64_t ms)
{
    if (consumer->stopping) {
        settle_answer(consumer, job, answer);
        return;
    }
    struct loop *loop = consumer->host->loop;
    consumer_move(consumer, job, JOB_PAUSING);
    job->answer = answer;
    timer_init(&job->pause, settle_pause_over);
    timer_start(loop_timers(loop), &job->pause, timer_after_ms(loop_now_ns(loop), ms));
}

/* The copy is safe: now, and not before, the original is acknowledged (Z1). */
static void settle_dead_done(struct dead_letter *letter, struct job *job, int code)
{
    struct consumer *consumer = job->consumer;
    dead_letter_free(&letter);
    metric_add(&consumer->metrics,
               code == ACKD_OK ? METRIC_publishes_confirmed : METRIC_publishes_failed, 1);
    if (code == ACKD_OK) {
        metric_add(&consumer->metrics, METRIC_messages_dead, 1);
        settle_answer(consumer, job, LEDGER_ACK);
        return;
    }
    uint32_t failures = attempts_failed(&consumer->attempts, job_fingerprint(job));
    uint64_t pause_ms = attempts_pause_ms(failures);
    settle_log(job, ACKD_LOG_ERROR, "dead-letter-failed",
               "it could not be copied to its dead-letter queue and goes back",
               ackd_error_current(), pause_ms);
    settle_later(consumer, job, LEDGER_RELEASE, pause_ms);
}

void settle_dead(struct consumer *consumer, struct job *job, const struct ackd_error *error)
{
    struct dead_letter *letter;
    if (!job->entry.open || job->entry.epoch != consumer->ledger.epoch) {
        settle_answer(consumer, job, LEDGER_RELEASE); /* Z2: somebody else gets it */
        return;
    }
    if (dead_letter_new(consumer, job, error, settle_dead_done, &letter) != ACKD_OK) {
        settle_log(job, ACKD_LOG_ERROR, "dead-letter-failed", "it goes back", ackd_error_current(),
                   SETTLE_PAUSE_MAX_MS);
        settle_later(consumer, job, LEDGER_RELEASE, SETTLE_PAUSE_MAX_MS);
        return;
    }
    consumer_move(consumer, job, JOB_PUBLISHING);
    dead_letter_publish(letter);
}

/* Its key waits while it is tried again here; not for ever. */
static void settle_hold(struct consumer *consumer, struct job *job, uint64_t pause_ms)
{
    if (gate_hold(consumer->gate, job, pause_ms)) {
        metric_add(&consumer->metrics, METRIC_messages_held, 1);
        settle_log(job, ACKD_LOG_WARNING, "retry", "failed, to be tried again while its key waits",
                   job->error, pause_ms);
        return;
    }
    settle_log(job, ACKD_LOG_ERROR, "dead", "failed for as long as its key may wait: it is dead",
               job->error, 0);
    settle_dead(consumer, job, job->error);
}

static void settle_retry(struct consumer *consumer, struct job *job)
{
    uint32_t failures = attempts_failed(&consumer->attempts, job_fingerprint(job));
    uint64_t pause_ms = job->delay_ms != 0 ? job->delay_ms : attempts_pause_ms(failures);
    if (pause_ms > SETTLE_PAUSE_MAX_MS)
        pause_ms = SETTLE_PAUSE_MAX_MS;
    if (gate_is_strict(consumer->gate) && consumer->paused == 0) {
        settle_hold(consumer, job, pause_ms);
        return;
    }
    settle_log(job, ACKD_LOG_WARNING, "retry", "failed, to be tried again", job->error, pause_ms);
    settle_later(consumer, job, LEDGER_RETRY, pause_ms);
}

/* Given back, not counted as an attempt. Where we do not stop, it waits, so that it cannot spin. */
static void settle_release(struct consumer *consumer, struct job *job)
{
    if (job->failed_during_shutdown) {
        metric_add(&consumer->metrics, METRIC_failures_during_shutdown, 1);
        settle_log(job, ACKD_LOG_WARNING, "release", "failed when asked to stop, and goes back",
                   job->error, 0);
    }
    if (job->error == NULL || consumer->stopping) {
        settle_answer(consumer, job, LEDGER_RELEASE);
        return;
    }
    uint32_t failures = attempts_failed(&consumer->attempts, job_fingerprint(job));
    uint64_t pause_ms = attempts_pause_ms(failures);
    settle_log(job, ACKD_LOG_WARNING, "release", "not handled, and goes back", job->error,
               pause_ms);
    settle_later(consumer, job, LEDGER_RELEASE, pause_ms);
}

static int settle_send(struct subscription *subscription, const struct ledger_frame *frame)
{
    switch (frame->answer) {
    case LEDGER_ACK:
        return subscription_ack(subscription, frame->tag, frame->multiple);
    case LEDGER_RELEASE:
        return subscription_nack(subscription, frame->tag);
    case LEDGER_RETRY:
        return subscription_reject(subscription, frame->tag, true);
    case LEDGER_DISCARD:
        return subscription_reject(subscription, frame->tag, false);
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
        [LEDGER_RETRY] = METRIC_messages_retried,
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
    if (code != ACKD_OK)
        link_fail(
            consumer->broker->consuming); /* an answer that is not sent must not be forgotten */
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
        settle_dead(consumer, job, job->error);
        break;
    case ACKD_VERDICT_DROP:
        settle_log(job, ACKD_LOG_INFO, "drop", "dropped by its handler", job->error, 0);
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
    static const enum job_state idle[] = {JOB_QUEUED,  JOB_RESTING, JOB_PAUSING,
                                          JOB_SETTLED, JOB_PARKED,  JOB_HELD};
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
        settle_answer(consumer, job, job->answer);
    }
}

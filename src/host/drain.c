/* SPDX-License-Identifier: MIT */
/* drain - see the header. */
#include <config.h>

#include "host/drain.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "host/dispatch.h"
#include "host/host.h"
#include "host/pause.h"
#include "host/settle.h"
#include "io/system.h"

enum {
    DRAIN_HOOKS_MS = 5000,
    DRAIN_LAST_MS = 1500 /* for a broker's last answers; with nothing in flight a stop takes 2 s */
};

static const char *const drain_stage_names[] = {
#define DRAIN_STAGE(name, text) text,
#include "host/drain.def"
#undef DRAIN_STAGE
};

const char *drain_stage_name(enum drain_stage stage)
{
    return drain_stage_names[stage];
}

static size_t drain_count(const struct host *host, enum job_state state)
{
    size_t count = 0;
    list_for_each (node, &host->consumers) {
        const struct consumer *consumer = LIST_ITEM(node, consumer, node);
        list_for_each (job, &consumer->jobs[state])
            count++;
    }
    return count;
}

/* G1: the one place that enters a stage. */
static void drain_enter(struct host *host, enum drain_stage stage)
{
    struct drain *drain = &host->drain;
    ackd_assert(stage > drain->stage);
    drain->stage = stage;
    size_t running = drain_count(host, JOB_RUNNING);
    uint64_t elapsed_ms = (loop_now_ns(host->loop) - drain->begun_ns) / NS_PER_MS;
    struct ackd_log_field fields[] = {ACKD_FIELD_INT("running", running),
                                      ACKD_FIELD_INT("elapsed_ms", elapsed_ms)};
    ackd_log_event(ACKD_LOG_INFO, "stopping", fields, 2, "%s: %zu messages in flight",
                   drain_stage_name(stage), running);
    char state[128];
    snprintf(state, sizeof state, "STATUS=stopping: %s, %zu in flight", drain_stage_name(stage),
             running);
    notify_send(state);
}

/* start() calls that have not come back. */
static size_t drain_starting(const struct host *host)
{
    size_t count = 0;
    list_for_each (node, &host->consumers)
        count += LIST_ITEM(node, consumer, node)->stations_starting;
    return count;
}

static void drain_arm(struct host *host, struct timer *timer, uint64_t ms)
{
    timer_start(loop_timers(host->loop), timer, timer_after_ms(loop_now_ns(host->loop), ms));
}

/* Cancel what runs beside the messages: run(), and what was detached. Stations that still start
 * are asked when they have come back. */
static void drain_end_stations(struct host *host)
{
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        for (size_t i = 0; i < consumer->station_count && consumer->stations_starting == 0; i++) {
            struct station *station = &consumer->stations[i];
            if (station->ended)
                continue;
            station->ended = true;
            station->crossing.kind = CROSSING_END;
            host->drain.ends++;
            runner_send(station->runner, &station->crossing);
            runner_flush(station->runner);
        }
    }
}

static void drain_name_slow(const struct host *host, const struct job *job)
{
    uint64_t since_ms = (loop_now_ns(host->loop) - job->started_ns) / NS_PER_MS;
    struct ackd_log_field fields[] = {ACKD_FIELD_INT("running_ms", since_ms)};
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(ACKD_LOG_WARNING, "asked-to-stop", fields, 1,
                   "cancelled by the stop: its handler runs for %" PRIu64 " ms now", since_ms);
    (void)log_context_use(before);
}

/* Ask every handler to stop, and say which did not end by itself. */
static void drain_cancel(struct host *host)
{
    drain_enter(host, DRAIN_CANCELING);
    list_for_each (node, &host->consumers) {
        struct list *running = &LIST_ITEM(node, consumer, node)->jobs[JOB_RUNNING];
        list_for_each (link, running) {
            const struct job *job = LIST_ITEM(link, job, node);
            if (!job->joined) /* of a batch the first is enough */
                drain_name_slow(host, job);
        }
    }
    for (size_t i = 0; i < host->runner_count; i++) {
        host->orders[i].cancel =
            (struct order){.crossing = {CROSSING_CANCEL}, .reason = ACKD_CANCEL_SHUTDOWN};
        host_order(host, i, &host->orders[i].cancel);
    }
}

static void drain_name_survivor(const struct host *host, const struct job *job)
{
    uint64_t since_ms = (loop_now_ns(host->loop) - job->started_ns) / NS_PER_MS;
    struct ackd_log_field fields[] = {ACKD_FIELD_INT("running_ms", since_ms)};
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(ACKD_LOG_ERROR, "given-back", fields, 1,
                   "given back while its handler still runs, for %" PRIu64
                   " ms now: it does not look at cancellation, or cleans up for too long",
                   since_ms);
    (void)log_context_use(before);
}

/* What waits for a confirm goes back. */
static void drain_stop_publishing(const struct host *host)
{
    list_for_each (node, &host->brokers)
        publisher_give_up(LIST_ITEM(node, broker, node)->publisher);
}

/* The hard limit: what still runs is given back over its handler's head. */
static void drain_force(struct host *host)
{
    host->drain.forced =
        drain_count(host, JOB_RUNNING) + drain_starting(host) + host->drain.ends > 0;
    drain_enter(host, DRAIN_FORCING);
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        struct list *running = &consumer->jobs[JOB_RUNNING];
        while (!list_empty(running)) {
            struct job *job = LIST_ITEM(running->next, job, node);
            if (!job->joined)
                drain_name_survivor(host, job);
            consumer_move(consumer, job, JOB_ABANDONED);
            if (job->entry.open && job->entry.epoch == consumer->ledger.epoch)
                settle_answer(consumer, job, LEDGER_RELEASE);
        }
    }
    drain_stop_publishing(host);
    for (size_t i = 0; i < host->runner_count; i++)
        host_report(host, i, true);
}

/* stop() of every handler that has started. */
static void drain_stop_hooks(struct host *host)
{
    drain_enter(host, DRAIN_HOOKS);
    if (host->drain.forced)
        return; /* a handler still uses its state */
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        for (size_t i = 0; i < consumer->station_count; i++) {
            struct station *station = &consumer->stations[i];
            if (!station->started)
                continue;
            station->crossing.kind = CROSSING_STOP;
            host->drain.hooks++;
            runner_send(station->runner, &station->crossing);
            runner_flush(station->runner);
        }
    }
    drain_arm(host, &host->drain.extra, DRAIN_HOOKS_MS);
}

static void drain_soft_over(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, drain.soft);
    if (host->drain.stage == DRAIN_FINISHING)
        drain_cancel(host);
}

static void drain_hard_over(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, drain.hard);
    if (host->drain.stage <= DRAIN_CANCELING)
        drain_force(host);
    else
        drain_stop_publishing(host);
}

static void drain_extra_over(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, drain.extra);
    if (host->drain.stage == DRAIN_HOOKS && host->drain.hooks > 0) {
        ackd_log_warning("stop-failed", "%zu handlers did not end their stop() within %d ms",
                         host->drain.hooks, DRAIN_HOOKS_MS);
        host->drain.stuck = true;
        host->drain.hooks = 0;
        for (size_t i = 0; i < host->runner_count; i++)
            host_report(host, i, true);
    }
}

/* What it has not seen answered it redelivers. */
static void drain_last_over(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, drain.last);
    list_for_each (node, &host->brokers) {
        struct broker *broker = LIST_ITEM(node, broker, node);
        if (broker_is_closed(broker))
            continue;
        struct ackd_log_field fields[] = {ACKD_FIELD("broker", broker->config->name)};
        ackd_log_event(ACKD_LOG_WARNING, "no-answer", fields, 1,
                       "the broker gave no answer within %d ms: closing without it", DRAIN_LAST_MS);
        broker_cut(broker);
    }
}

void drain_init(struct drain *drain)
{
    *drain = (struct drain){.stage = DRAIN_NOT};
    timer_init(&drain->soft, drain_soft_over);
    timer_init(&drain->hard, drain_hard_over);
    timer_init(&drain->extra, drain_extra_over);
    timer_init(&drain->last, drain_last_over);
}

/* Nothing new starts; what has not started goes back in order; what waits for its pause goes back
 * now. */
static void drain_stop_consuming(struct consumer *consumer)
{
    consumer->stopping = true;
    consumer->paused |= 1U << PAUSE_STOP; /* for good */
    timer_stop(&consumer->start_again);
    if (consumer->declare != NULL)
        declare_stop(consumer->declare);
    timer_stop(&consumer->aging);
    if (consumer->subscription != NULL)
        subscription_stop(consumer->subscription);
    dispatch_give_up(consumer);
}

void drain_begin(struct host *host)
{
    struct drain *drain = &host->drain;
    if (drain->stage == DRAIN_FINISHING) {
        drain_cancel(host);
        return;
    }
    if (drain->stage != DRAIN_NOT) {
        if (drain->stage == DRAIN_CANCELING)
            drain_force(host);
        else if (drain->stage == DRAIN_HOOKS || drain->stage == DRAIN_FLUSHING)
            drain_stop_publishing(host); /* all that can be waited for still */
        return;
    }
    uint64_t budget_ms = config_shutdown_ms(host->config);
    char state[160];
    snprintf(state, sizeof state, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64,
             (budget_ms + DRAIN_HOOKS_MS) * 1000);
    notify_send(state);
    drain->begun_ns = loop_now_ns(host->loop);
    drain_enter(host, DRAIN_FINISHING);
    drain_arm(host, &drain->soft, budget_ms * config_shutdown_soft_percent(host->config) / 100);
    drain_arm(host, &drain->hard, budget_ms);
    list_for_each (node, &host->brokers)
        broker_drain(LIST_ITEM(node, broker, node));
    list_for_each (node, &host->consumers)
        drain_stop_consuming(LIST_ITEM(node, consumer, node));
    for (size_t i = 0; i < host->runner_count && drain_starting(host) > 0; i++) {
        host->orders[i].cancel_starts = (struct order){
            .crossing = {CROSSING_CANCEL}, .reason = ACKD_CANCEL_SHUTDOWN, .starts_only = true};
        host_order(host, i, &host->orders[i].cancel_starts);
    }
}

static bool drain_consumers_are(const struct host *host, bool (*is)(const struct consumer *))
{
    list_for_each (node, &host->consumers) {
        const struct consumer *consumer = LIST_ITEM(node, consumer, node);
        if (consumer->subscription != NULL && !is(consumer))
            return false;
    }
    return true;
}

static bool drain_is_quiet(const struct consumer *consumer)
{
    return subscription_is_quiet(consumer->subscription);
}

static bool drain_is_closed(const struct consumer *consumer)
{
    return subscription_state(consumer->subscription) == SUBSCRIPTION_CLOSED;
}

/* Confirms first, then the channels: their close-ok says that the broker has seen every answer. */
static void drain_flush(struct host *host)
{
    if (drain_count(host, JOB_PUBLISHING) > 0)
        return;
    if (!timer_armed(&host->drain.last))
        drain_arm(host, &host->drain.last, DRAIN_LAST_MS);
    if (drain_count(host, JOB_SETTLED) > 0 || !drain_consumers_are(host, drain_is_quiet))
        return;
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        if (consumer->subscription != NULL)
            subscription_close(consumer->subscription);
    }
    if (!drain_consumers_are(host, drain_is_closed))
        return;
    drain_enter(host, DRAIN_CLOSING);
    list_for_each (node, &host->brokers)
        broker_close(LIST_ITEM(node, broker, node));
}

static void drain_close(struct host *host)
{
    list_for_each (node, &host->brokers) {
        if (!broker_is_closed(LIST_ITEM(node, broker, node)))
            return;
    }
    timer_stop(&host->drain.soft);
    timer_stop(&host->drain.hard);
    timer_stop(&host->drain.extra);
    timer_stop(&host->drain.last);
    drain_enter(host, DRAIN_ENDED);
    loop_stop(host->loop);
}

void drain_go_on(struct host *host)
{
    struct drain *drain = &host->drain;
    if (drain->stage == DRAIN_FINISHING || drain->stage == DRAIN_CANCELING) {
        bool idle = drain_count(host, JOB_RUNNING) + drain_starting(host) == 0;
        if (idle || drain->stage == DRAIN_CANCELING)
            drain_end_stations(host);
        if (idle && drain->ends == 0)
            drain_stop_hooks(host);
    }
    if (drain->stage == DRAIN_FORCING)
        drain_stop_hooks(host);
    if (drain->stage == DRAIN_HOOKS && drain->hooks == 0)
        drain_enter(host, DRAIN_FLUSHING);
    if (drain->stage == DRAIN_FLUSHING)
        drain_flush(host);
    if (drain->stage == DRAIN_CLOSING)
        drain_close(host);
}

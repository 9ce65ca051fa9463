/* SPDX-License-Identifier: MIT */
/* consumer - see the header. What starts when is dispatch's business, what becomes of it settle's.
 */
#include <config.h>

#include "host/consumer.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/batcher.h"
#include "host/dispatch.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/report.h"
#include "host/settle.h"

enum {
    CONSUMER_START_AGAIN_FIRST_MS = 1000,
    CONSUMER_START_AGAIN_MAX_MS = 60000,
    /* Room for a higher concurrency at run time: so many times the configured one, or so many. */
    CONSUMER_CONCURRENCY_GROWTH = 4,
    CONSUMER_CONCURRENCY_ROOM = 1024
};

static void consumer_log(const struct consumer *consumer, enum ackd_log_level level,
                         const char *event, const char *text)
{
    struct ackd_log_field fields[] = {ACKD_FIELD("consumer", consumer->config->name),
                                      ACKD_FIELD("queue", consumer->config->queue)};
    ackd_log_event(level, event, fields, 2, "%s", text);
}

/* It does not consume, and says why; the current error is the reason. */
static void consumer_pause(struct consumer *consumer, const char *event, const char *what)
{
    char text[CONSUMER_REASON_SIZE];
    report_error_line(ackd_error_current(), text, sizeof text);
    snprintf(consumer->reason, sizeof consumer->reason, "%s: %.400s", what, text);
    consumer->tried = true;
    consumer_log(consumer, ACKD_LOG_ERROR, event, consumer->reason);
}

static void consumer_opened(void *arg)
{
    struct consumer *consumer = arg;
    consumer->epochs++;
    ledger_renew(&consumer->ledger, consumer->epochs);
    consumer->aged_tag = 0;
    if (consumer->position != NULL)
        position_opened(consumer->position, loop_wall_ns(consumer->host->loop));
    if (consumer->epochs > 1)
        metric_add(&consumer->metrics, METRIC_channel_recoveries, 1);
}

static void consumer_active(uint32_t messages, uint32_t consumers, void *arg)
{
    struct consumer *consumer = arg;
    char text[CONSUMER_REASON_SIZE];
    consumer->tried = true;
    consumer->reason[0] = '\0';
    orphan_active(consumer);
    snprintf(text, sizeof text,
             "consuming from '%s': %" PRIu32 " messages ready, %" PRIu32
             " other consumers, concurrency %" PRIu32 ", prefetch %" PRIu32,
             consumer->config->queue, messages, consumers, consumer->concurrency,
             consumer_prefetch_now(consumer));
    consumer_log(consumer, ACKD_LOG_INFO, "consuming", text);
}

static void consumer_delivery(struct delivery *delivery, void *arg)
{
    dispatch_delivery(arg, delivery, false);
}

static void consumer_stray(struct delivery *delivery, void *arg)
{
    struct consumer *consumer = arg;
    metric_add(&consumer->metrics, METRIC_messages_stray, 1);
    dispatch_delivery(consumer, delivery, true);
}

uint32_t consumer_prefetch_now(const struct consumer *consumer)
{
    return quota_prefetch(consumer, gate_prefetch(consumer->gate, consumer->prefetch));
}

static bool consumer_hungry(void *arg)
{
    const struct consumer *consumer = arg;
    return consumer->ledger.open < consumer_prefetch_now(consumer);
}

static void consumer_canceled(uint64_t retry_ms, void *arg)
{
    struct consumer *consumer = arg;
    snprintf(
        consumer->reason, sizeof consumer->reason,
        "the broker cancelled the subscription to '%s': was the queue deleted, or did it move? "
        "Next try in %" PRIu64 " ms",
        consumer->config->queue, retry_ms);
    consumer_log(consumer, ACKD_LOG_WARNING, "canceled", consumer->reason);
}

/* What else there is to say of a close by the broker; counts it. */
static enum ackd_log_level consumer_count_close(struct consumer *consumer, char *more, size_t size)
{
    const struct closing *closing = subscription_closing(consumer->subscription);
    more[0] = '\0';
    if (closing == NULL || closing->act == CLOSING_AGAIN)
        return ACKD_LOG_WARNING;
    if (closing->act == CLOSING_FAULT) {
        metric_add(&consumer->metrics, METRIC_protocol_faults, 1);
        snprintf(more, size, "; this is a fault in ackd, please report it");
    } else if (closing->act == CLOSING_LATE) {
        metric_add(&consumer->metrics, METRIC_deliveries_late, 1);
        snprintf(more, size, "; handler '%.64s' has %" PRIu32 " messages in work",
                 consumer->config->handler, consumer->running);
    }
    return ACKD_LOG_ERROR;
}

static void consumer_lost(uint64_t retry_ms, void *arg)
{
    struct consumer *consumer = arg;
    size_t open = consumer_open_count(consumer);
    char text[CONSUMER_REASON_SIZE / 2];
    char more[CONSUMER_REASON_SIZE / 4];
    report_error_line(ackd_error_current(), text, sizeof text);
    consumer->tried = true;
    enum ackd_log_level level = consumer_count_close(consumer, more, sizeof more);
    metric_store(&consumer->metrics, METRIC_subscriptions_condemned,
                 subscription_condemned(consumer->subscription));
    settle_lost(consumer);
    if (consumer->stopping)
        return;
    if (consumer->declare != NULL)
        declare_start(consumer->declare); /* the queue may be gone with the broker */
    if (retry_ms == 0) {
        /* The link's own line says what happened; this is for who asks why. */
        snprintf(consumer->reason, sizeof consumer->reason,
                 "the connection is lost: %.300s; the broker redelivers %zu messages", text, open);
        consumer_log(consumer, ACKD_LOG_DEBUG, "not-consuming", consumer->reason);
        return;
    }
    snprintf(consumer->reason, sizeof consumer->reason,
             "not consuming from '%.100s': %s%s; next try in %" PRIu64 " ms",
             consumer->config->queue, text, more, retry_ms);
    consumer_log(consumer, level, "not-consuming", consumer->reason);
}

void consumer_isolate(struct consumer *consumer, uint64_t ms)
{
    char what[96];
    if (consumer->stopping)
        return;
    snprintf(what, sizeof what, "nothing is consumed for %" PRIu64 " s", ms / 1000);
    consumer_pause(consumer, "isolated", what);
    subscription_hold(consumer->subscription, ms);
}

static const struct subscription_events consumer_events = {
    .opened = consumer_opened,
    .active = consumer_active,
    .delivery = consumer_delivery,
    .stray = consumer_stray,
    .hungry = consumer_hungry,
    .canceled = consumer_canceled,
    .lost = consumer_lost,
};

/* Subscribe when the handlers have started, and the queues are there. */
static void consumer_subscribe(struct consumer *consumer)
{
    if (consumer->subscribed || consumer->stopping || !consumer->retry.ready)
        return;
    if (consumer->declare != NULL && !consumer->declared)
        return;
    for (size_t i = 0; i < consumer->station_count; i++) {
        if (!consumer->stations[i].started)
            return;
    }
    consumer->subscribed = true;
    subscription_start(consumer->subscription);
}

static void consumer_arm_start_again(struct consumer *consumer, uint64_t ms)
{
    struct loop *loop = consumer->host->loop;
    timer_start(loop_timers(loop), &consumer->start_again, timer_after_ms(loop_now_ns(loop), ms));
}

static void consumer_retry_done(struct topology_wish *wish, int code)
{
    struct consumer *consumer = LIST_ITEM(wish, consumer, retry.wish);
    if (code == ACKD_OK) {
        consumer->retry.ready = true;
        consumer_subscribe(consumer);
        return;
    }
    if (consumer->stopping)
        return;
    consumer_pause(consumer, "paused", "the queues for messages that fail are not to be had");
    if (!timer_armed(&consumer->start_again))
        consumer_arm_start_again(consumer, CONSUMER_START_AGAIN_MAX_MS);
}

/* Once it consumes, a failure of another declaration is told, and no reason to stop. */
static void consumer_declared(int code, uint64_t retry_ms, void *arg)
{
    struct consumer *consumer = arg;
    if (consumer->stopping)
        return;
    if (code == ACKD_OK) {
        consumer->declared = true;
        consumer_subscribe(consumer);
        return;
    }
    char text[CONSUMER_REASON_SIZE];
    char line[2 * CONSUMER_REASON_SIZE];
    report_error_line(ackd_error_current(), text, sizeof text);
    snprintf(line, sizeof line,
             "not as 'declare:' of consumer '%.64s' asks: %s%s; next try in %" PRIu64 " ms",
             consumer->config->name, text, declare_advice(code), retry_ms);
    consumer->tried = true;
    consumer_log(consumer, ACKD_LOG_ERROR, "declare-failed", line);
    if (!consumer->subscribed)
        snprintf(consumer->reason, sizeof consumer->reason, "%.*s", CONSUMER_REASON_SIZE - 1, line);
}

/* Call start() wherever it has not succeeded. */
static void consumer_start_stations(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->station_count; i++) {
        struct station *station = &consumer->stations[i];
        if (station->started)
            continue;
        station->crossing.kind = CROSSING_START;
        consumer->stations_starting++;
        runner_send(station->runner, &station->crossing);
        runner_flush(station->runner);
    }
}

static void consumer_start_again(struct timer *timer)
{
    struct consumer *consumer = LIST_ITEM(timer, consumer, start_again);
    if (consumer->stopping)
        return;
    retry_declare(consumer);
    if (consumer->stations_starting == 0)
        consumer_start_stations(consumer);
}

/* The calls of a round have all come back: consume, or try again where it failed. */
static void consumer_end_round(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->station_count; i++) {
        if (consumer->stations[i].started)
            continue;
        consumer_arm_start_again(consumer, consumer->start_again_ms);
        consumer->start_again_ms *= 2;
        if (consumer->start_again_ms > CONSUMER_START_AGAIN_MAX_MS)
            consumer->start_again_ms = CONSUMER_START_AGAIN_MAX_MS;
        return;
    }
    consumer_subscribe(consumer);
}

static void consumer_started(struct consumer *consumer, struct station *station)
{
    ackd_assert(consumer->stations_starting > 0);
    consumer->stations_starting--;
    station->started = station->code == ACKD_OK;
    if (!station->started && !consumer->stopping) {
        char what[160];
        (void)error_give(ackd_error_ref(station->error));
        snprintf(what, sizeof what, "start() of handler '%.64s' failed, again in %" PRIu64 " ms",
                 station->handler->name, consumer->start_again_ms);
        consumer_pause(consumer, "start-failed", what);
    }
    if (station->started && station->handler->run != NULL && !consumer->stopping)
        runner_send(station->runner, &station->run_crossing);
    if (consumer->stations_starting == 0 && !consumer->stopping)
        consumer_end_round(consumer);
}

void consumer_run_back(struct consumer *consumer, const struct station *station)
{
    /* Another policy's failure is one at the stop, which was logged. */
    if (station->run_code != ACKD_OK && station->handler->run_failure == ACKD_SERVICE_STOP_HOST)
        host_fail(consumer->host);
}

void consumer_station_back(struct consumer *consumer, struct station *station)
{
    if (station->crossing.kind == CROSSING_START) {
        consumer_started(consumer, station);
        return;
    }
    if (station->crossing.kind == CROSSING_END) {
        consumer->host->drain.ends--;
        return;
    }
    station->started = false;
    if (consumer->host->drain.hooks > 0) /* else it is not waited for any more */
        consumer->host->drain.hooks--;
    if (station->code != ACKD_OK) {
        char text[CONSUMER_REASON_SIZE / 2];
        (void)error_give(ackd_error_ref(station->error));
        report_error_line(ackd_error_current(), text, sizeof text);
        consumer_log(consumer, ACKD_LOG_ERROR, "stop-failed", text);
    }
}

/* What a settings error says goes to the log as it is: it names its place. */
static void consumer_report_setting(const char *line, void *arg)
{
    (void)arg;
    ackd_log_error("config", "%s", line);
}

int consumer_new(struct host *host, const struct config_consumer *config,
                 struct consumer **ret_consumer)
{
    struct consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        return ackd_fail(ACKD_E_NOMEM, "consumer '%s'", config->name);
    consumer->host = host;
    consumer->config = config;
    consumer->concurrency = config->concurrency;
    consumer->prefetch = config->prefetch;
    consumer->prefetch_fixed = config->prefetch_given || config->exclusive || config->single_active;
    consumer->start_again_ms = CONSUMER_START_AGAIN_FIRST_MS;
    list_init(&consumer->node);
    list_init(&consumer->retry.wish.node);
    ledger_init(&consumer->ledger);
    orphan_init(consumer);
    timer_init(&consumer->start_again, consumer_start_again);
    timer_init(&consumer->aging, dispatch_aged);
    for (int state = 0; state < JOB_STATE_COUNT; state++)
        list_init(&consumer->jobs[state]);
    *ret_consumer = consumer;
    ACKD_TRY(metric_register(&consumer->metrics, config->name));
    int code = plugin_load(config->handler, config_plugin_path(host->config),
                           config_cache_directory(host->config), &consumer->plugin);
    if (code != ACKD_OK) {
        char what[256];
        snprintf(what, sizeof what, "%.128s:%d: consumer '%.64s' cannot run", config->file,
                 config->line, config->name);
        consumer_pause(consumer, "no-handler", what);
        return ACKD_OK;
    }
    ACKD_TRY(batcher_check(config, plugin_consumer(consumer->plugin)));
    char where[160];
    snprintf(where, sizeof where, "consumer '%.100s'", config->name);
    return plugin_settings(consumer->plugin, config->settings, config->setting_count, where, NULL,
                           consumer_report_setting, NULL);
}

/* Its subscription, to begin later. */
static int consumer_new_subscription(struct consumer *consumer)
{
    const struct config_consumer *config = consumer->config;
    size_t count = config->arguments.count;
    consumer->arguments = calloc(count + 1, sizeof *consumer->arguments);
    if (consumer->arguments == NULL)
        return ackd_fail(ACKD_E_NOMEM, "consumer '%s'", config->name);
    declare_arguments(&config->arguments, consumer->arguments);
    struct channel_field *own = &consumer->arguments[count];
    *own = (struct channel_field)CHANNEL_FIELD_INTEGER("x-priority", config->priority);
    /* Of a stream the broker counts all that it keeps as ready, and no consumers. */
    bool stream = config->queue_type == CONFIG_QUEUE_STREAM;
    struct subscription_options options = {
        .link = consumer->inlet->link,
        .name = config->name,
        .queue = config->queue,
        .prefetch = (uint16_t)config->prefetch,
        .message_size_max = config->message_size_max,
        .probe_ms = stream ? 0 : config->probe_ms,
        .terms = {.exclusive = config->exclusive,
                  .arguments = consumer->arguments,
                  .argument_count = count + (config->priority > 0)},
        .stays = settle_stops_by_close(consumer),
        .events = &consumer_events,
        .arg = consumer};
    ACKD_TRY(position_new(config, config_state_directory(consumer->host->config), own,
                          &consumer->position));
    if (consumer->position != NULL)
        options.terms.argument_count = count + 1; /* the offset: a stream has no priorities */
    return subscription_new(&options, &consumer->subscription);
}

int consumer_place(struct consumer *consumer, struct broker *broker, struct runner **runners,
                   size_t count)
{
    const struct config_consumer *config = consumer->config;
    consumer->broker = broker;
    consumer->inlet = broker_inlet(broker, config);
    quota_init(consumer);
    ACKD_TRY(gate_new(consumer, &consumer->gate));
    ACKD_TRY(retry_init(&consumer->retry, config, consumer_retry_done));
    ACKD_TRY(batcher_new(consumer, &consumer->batcher));
    consumer->stations = calloc(count, sizeof *consumer->stations);
    if (consumer->stations == NULL)
        return ackd_fail(ACKD_E_NOMEM, "consumer '%s'", config->name);
    for (size_t i = 0; i < count; i++) {
        struct station *station = &consumer->stations[consumer->station_count++];
        station->owner = consumer;
        station->handler = plugin_consumer(consumer->plugin);
        station->consumer = config->name;
        station->timeout_ms = config->timeout_ms;
        station->stack_size = config->stack_size;
        station->publishes = true;
        ACKD_TRY(plugin_state_new(consumer->plugin, config->settings, config->setting_count,
                                  config->name, &station->state));
        runner_place(runners[i], station);
    }
    if (config->declare.given)
        ACKD_TRY(declare_new(config, broker->topology, broker->consuming, consumer_declared,
                             consumer, &consumer->declare));
    return consumer_new_subscription(consumer);
}

void consumer_free(struct consumer **consumer)
{
    struct consumer *freed = *consumer;
    if (freed == NULL)
        return;
    *consumer = NULL;
    ackd_assert(consumer_open_count(freed) == 0);
    declare_free(&freed->declare);
    position_free(&freed->position);
    timer_stop(&freed->start_again);
    timer_stop(&freed->aging);
    batcher_free(&freed->batcher);
    gate_free(&freed->gate);
    list_remove(&freed->node);
    retry_fini(&freed->retry);
    subscription_free(&freed->subscription);
    for (size_t i = 0; i < freed->station_count; i++) {
        runner_clear(&freed->stations[i]);
        plugin_state_free(freed->plugin, &freed->stations[i].state);
    }
    free(freed->stations);
    free(freed->arguments);
    orphan_fini(freed);
    metric_retire(&freed->metrics);
    free(freed);
}

void consumer_start(struct consumer *consumer)
{
    if (consumer->declare != NULL)
        declare_start(consumer->declare);
    retry_declare(consumer);
    consumer_start_stations(consumer);
}

size_t consumer_open_count(const struct consumer *consumer)
{
    size_t count = 0;
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        list_for_each (node, &consumer->jobs[state])
            count++;
    }
    return count;
}

void consumer_move(struct consumer *consumer, struct job *job, enum job_state state)
{
    /* From where to where: a bit for each state that may follow. What a stream would be given back is
     * run again, or kept open (Z4 of settle). */
    enum { AGAIN = 1 << JOB_QUEUED | 1 << JOB_KEPT };
    static const unsigned moves[JOB_STATE_COUNT] = {
        [JOB_QUEUED] = 1U << JOB_RUNNING | 1U << JOB_PUBLISHING | 1U << JOB_SETTLED |
                       1U << JOB_PARKED | 1U << JOB_PAUSING | 1U << JOB_HELD | 1U << JOB_KEPT,
        [JOB_HELD] = 1U << JOB_PUBLISHING | 1U << JOB_SETTLED | AGAIN,
        [JOB_RESTING] = 1U << JOB_PUBLISHING | 1U << JOB_SETTLED | AGAIN,
        [JOB_RUNNING] = 1U << JOB_RESTING | 1U << JOB_PAUSING | 1U << JOB_PUBLISHING |
                        1U << JOB_SETTLED | 1U << JOB_ABANDONED | AGAIN,
        [JOB_PAUSING] = 1U << JOB_PUBLISHING | 1U << JOB_SETTLED | AGAIN,
        [JOB_PUBLISHING] = 1U << JOB_PAUSING | 1U << JOB_SETTLED | AGAIN,
        [JOB_PARKED] = 1U << JOB_SETTLED,
        [JOB_ABANDONED] = 1U << JOB_KEPT,
    };
    ackd_assert(moves[job->state] & 1U << state);
    if (__builtin_expect(consumer->batcher != NULL, 0))
        consumer->queued += (size_t)(state == JOB_QUEUED) - (size_t)(job->state == JOB_QUEUED);
    job->state = state;
    list_remove(&job->node);
    list_append(&consumer->jobs[state], &job->node);
}

uint32_t consumer_concurrency_max(const struct config_consumer *config)
{
    uint64_t most = (uint64_t)config->concurrency * CONSUMER_CONCURRENCY_GROWTH;
    if (most < CONSUMER_CONCURRENCY_ROOM)
        most = CONSUMER_CONCURRENCY_ROOM;
    return most > UINT16_MAX ? UINT16_MAX : (uint32_t)most;
}

void consumer_set_prefetch(struct consumer *consumer, uint32_t prefetch)
{
    consumer->prefetch = prefetch;
    if (consumer->paused == 0 && !consumer->quota.stopped && !consumer->stopping)
        subscription_change(consumer->subscription, (uint16_t)consumer_prefetch_now(consumer));
}

void consumer_forget(struct consumer *consumer, struct job *job)
{
    ackd_assert(job->state != JOB_RUNNING);
    ackd_assert(list_empty(&job->entry.node)); /* the ledger has no more to do with it */
    if (__builtin_expect(consumer->batcher != NULL, 0))
        consumer->queued -= job->state == JOB_QUEUED;
    timer_stop(&job->pause);
    if (consumer->gate != NULL)
        gate_forget(consumer->gate, job);
    uint64_t weight = job_weight(job);
    consumer->quota.held -= weight;
    inlet_let_go(consumer->inlet, weight);
    metric_subtract(&consumer->metrics, METRIC_bytes_buffered, job->delivery->body.size);
    job_free(&job);
}

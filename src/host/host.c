/* SPDX-License-Identifier: MIT */
/* host - see the header. */
#include <config.h>

#include "host/host.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/batcher.h"
#include "host/dispatch.h"
#include "host/outlet.h"
#include "host/settle.h"
#include "io/blocking.h"
#include "io/pool.h"
#include "io/watchdog.h"

enum {
    HOST_STATUS_MS = 5000,
    HOST_QUIT_MS = 1000,  /* for the loops to answer after everything is done */
    HOST_CLOSE_MS = 5500, /* for the destruction of what is local to them, thereafter */
    HOST_ORDERS = 8,      /* crossings of a runner beside messages and hooks */
    HOST_HOOKS = 4        /* of a station: start(), stop() and the end; run(); orphans; cancel */
};

struct loop *host_loop(const struct host *host)
{
    return host->loop;
}

struct limit *host_limit(struct host *host, const char *name)
{
    for (size_t i = 0; i < host->limit_count; i++) {
        if (strcmp(host->limits[i].name, name) == 0)
            return &host->limits[i];
    }
    return NULL;
}

struct consumer *host_consumer(struct host *host, const char *name)
{
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        if (strcmp(consumer->config->name, name) == 0)
            return consumer;
    }
    return NULL;
}

struct random *host_random(struct host *host)
{
    return &host->random;
}

void host_order(struct host *host, size_t runner, struct order *order)
{
    runner_send(host->runners[runner], &order->crossing);
    runner_flush(host->runners[runner]);
}

void host_report(struct host *host, size_t runner, bool forced)
{
    struct host_orders *orders = &host->orders[runner];
    if (orders->reporting)
        return;
    orders->reporting = true;
    orders->report = (struct order){.crossing = {CROSSING_REPORT}, .forced = forced};
    host_order(host, runner, &orders->report);
}

static void host_receive(struct host *host, size_t index)
{
    struct crossing *crossing;
    while ((crossing = runner_receive(host->runners[index])) != NULL) {
        if (crossing->kind == CROSSING_JOB) {
            struct job *job = LIST_ITEM(crossing, job, crossing);
            settle_verdict(job->consumer, job);
        } else if (crossing->kind == CROSSING_BATCH) {
            batcher_receive(LIST_ITEM(crossing, batch, crossing));
        } else if (crossing->kind == CROSSING_PUBLISH || crossing->kind == CROSSING_WITHDRAW) {
            outlet_receive(crossing);
        } else if (crossing->kind == CROSSING_REPORT) {
            host->orders[index].reporting = false;
        } else if (crossing->kind == CROSSING_RUN) {
            struct station *station = LIST_ITEM(crossing, station, run_crossing);
            consumer_run_back(station->owner, station);
        } else if (crossing->kind == CROSSING_ORPHANS) {
            struct station *station = LIST_ITEM(crossing, station, orphans.crossing);
            orphan_canceled(station->owner, station);
        } else if (crossing->kind == CROSSING_CANCEL) {
            LIST_ITEM(crossing, order, crossing)->under_way = false;
        } else {
            struct station *station = LIST_ITEM(crossing, station, crossing);
            consumer_station_back(station->owner, station);
        }
    }
}

/* Say once that the service is up: every consumer consumes, or has said why it does not. */
static void host_say_ready(struct host *host)
{
    if (host->ready || host->drain.stage != DRAIN_NOT)
        return;
    size_t consuming = 0;
    size_t count = 0;
    list_for_each (node, &host->consumers) {
        const struct consumer *consumer = LIST_ITEM(node, consumer, node);
        if (!consumer->tried && !(consumer->broker->tried && !consumer->broker->was_up))
            return;
        count++;
        consuming += consumer->subscription != NULL &&
                     subscription_state(consumer->subscription) == SUBSCRIPTION_ACTIVE;
    }
    host->ready = true;
    char state[128];
    snprintf(state, sizeof state, "READY=1\nSTATUS=%zu of %zu consumers consume", consuming, count);
    notify_send(state);
    struct ackd_log_field fields[] = {
        ACKD_FIELD_INT("consumers", count), ACKD_FIELD_INT("consuming", consuming),
        ACKD_FIELD_INT("after_ms", (loop_now_ns(host->loop) - host->started_ns) / NS_PER_MS)};
    ackd_log_event(consuming == count ? ACKD_LOG_INFO : ACKD_LOG_WARNING, "ready", fields, 3,
                   "%zu of %zu consumers consume", consuming, count);
}

/* Each consumer starts what it may; those that share take turns, also from turn to turn. */
static void host_dispatch(struct host *host)
{
    do {
        struct list *first = host->first == NULL ? &host->consumers : host->first;
        struct list *node = first;
        host->again = false;
        do {
            if (node != &host->consumers)
                dispatch_go_on(LIST_ITEM(node, consumer, node));
            node = node->next;
        } while (node != first);
    } while (host->again);
}

/* The broker thread's turn: verdicts in, starts out, then one write for all answers. */
static uint64_t host_turn(void *arg)
{
    struct host *host = arg;
    for (size_t i = 0; i < host->runner_count; i++)
        host_receive(host, i);
    host_dispatch(host);
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        settle_flush(consumer);
        if (consumer->quota.share > 0)
            quota_look(consumer);
    }
    for (size_t i = 0; i < host->runner_count; i++)
        runner_flush(host->runners[i]);
    if (host->drain.stage != DRAIN_NOT)
        drain_go_on(host);
    else if (!host->ready)
        host_say_ready(host);
    list_for_each (node, &host->brokers)
        broker_flush(LIST_ITEM(node, broker, node));
    return TIMER_NEVER;
}

void host_stop(struct host *host)
{
    drain_begin(host);
}

void host_fail(struct host *host)
{
    host->failed = true;
    if (host->drain.stage == DRAIN_NOT)
        host_stop(host);
}

static void host_signal(int number, void *arg)
{
    struct host *host = arg;
    if (number == SIGHUP) {
        ackd_log_warning("reload", "SIGHUP: reloading is not available in this release; restart to "
                                   "take a new configuration");
    } else if (number == SIGQUIT) {
        for (size_t i = 0; i < host->runner_count; i++) {
            if (host->orders[i].reporting)
                ackd_log_warning("stuck",
                                 "loop %zu has not answered the last report: a handler "
                                 "holds it",
                                 i);
            host_report(host, i, false);
        }
    } else {
        ackd_log_notice("signal", "%s: %s", strsignal(number),
                        host->drain.stage == DRAIN_NOT ? "stopping" : "stopping faster");
        host_stop(host);
    }
}

static void host_watchdog_due(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, watchdog);
    notify_send("WATCHDOG=1");
    timer_start(loop_timers(host->loop), timer, loop_now_ns(host->loop) + notify_watchdog_ns() / 2);
}

/* What `systemctl status` shows. Only where a service manager listens: an idle host makes no
 * wake-ups. */
static void host_status_due(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, status);
    size_t consuming = 0;
    size_t count = 0;
    uint64_t acked = 0;
    uint64_t running = 0;
    list_for_each (node, &host->consumers) {
        const struct consumer *consumer = LIST_ITEM(node, consumer, node);
        count++;
        acked += metric_load(&consumer->metrics, METRIC_messages_acked);
        running += consumer->running;
        consuming += consumer->subscription != NULL &&
                     subscription_state(consumer->subscription) == SUBSCRIPTION_ACTIVE;
    }
    char state[512];
    size_t size = (size_t)snprintf(state, sizeof state,
                                   "STATUS=%zu of %zu consumers consume, %" PRIu64
                                   " in flight, %" PRIu64 " acknowledged",
                                   consuming, count, running, acked);
    list_for_each (node, &host->brokers) {
        const struct broker *broker = LIST_ITEM(node, broker, node);
        if (broker->blocked[0] != '\0' && size < sizeof state)
            size +=
                (size_t)snprintf(state + size, sizeof state - size, "; '%s' takes no publishes: %s",
                                 broker->config->name, broker->blocked);
    }
    if (host->drain.stage == DRAIN_NOT)
        notify_send(state);
    timer_start(loop_timers(host->loop), timer,
                timer_after_ms(loop_now_ns(host->loop), HOST_STATUS_MS));
}

/* Brokers that consumers use, each once. */
static int host_make_broker(struct host *host, const struct config_broker *config,
                            struct broker **ret_broker)
{
    size_t deliveries_max = 0;
    list_for_each (node, &host->brokers) {
        *ret_broker = LIST_ITEM(node, broker, node);
        if ((*ret_broker)->config == config)
            return ACKD_OK;
    }
    list_for_each (node, &host->consumers) {
        const struct config_consumer *consumer = LIST_ITEM(node, consumer, node)->config;
        if (consumer->broker != config)
            continue;
        deliveries_max += consumer->prefetch;
    }
    ACKD_TRY(broker_new(host, config, deliveries_max, ret_broker));
    list_append(&host->brokers, &(*ret_broker)->node);
    return ACKD_OK;
}

/* Each loop has its share of the tasks; a consumer must be able to fill its slots with them. */
static int host_share_tasks(const struct host *host, size_t loops, size_t *ret_share)
{
    size_t share = config_tasks_max(host->config) / loops;
    list_for_each (node, &host->consumers) {
        const struct config_consumer *consumer = LIST_ITEM(node, consumer, node)->config;
        size_t slots = (consumer->concurrency + consumer->loops - 1) / consumer->loops;
        if (slots > share)
            return ackd_fail(ACKD_E_CONFIG,
                             "%s:%d: consumer '%s' may handle %zu messages at once on a loop, but "
                             "'tasks-max' of 'runtime' leaves a loop %zu tasks: raise it to %zu",
                             consumer->file, consumer->line, consumer->name, slots, share,
                             slots * loops);
    }
    *ret_share = share;
    return ACKD_OK;
}

static int host_make_runners(struct host *host)
{
    static const enum stack_guard guards[] = {STACK_GUARD_AUTO, STACK_GUARD_MPROTECT,
                                              STACK_GUARD_REGION};
    size_t count = config_loops(host->config);
    size_t tasks_max = 0;
    ACKD_TRY(host_share_tasks(host, count, &tasks_max));
    size_t capacity = HOST_ORDERS;
    size_t usual = HOST_ORDERS;
    list_for_each (node, &host->consumers) {
        const struct config_consumer *config = LIST_ITEM(node, consumer, node)->config;
        capacity += consumer_concurrency_max(config) + HOST_HOOKS;
        usual += config->concurrency + HOST_HOOKS;
    }
    host->runners = calloc(count, sizeof *host->runners);
    host->orders = calloc(count, sizeof *host->orders);
    if (host->runners == NULL || host->orders == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%zu handler loops", count);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "loop %zu", i);
        struct runner_options options = {.name = name,
                                         .owner = host->loop,
                                         .capacity = capacity,
                                         .stack_size = config_stack_size(host->config),
                                         .tasks_max = tasks_max,
                                         .publishes_max = config_publishes_max(host->config),
                                         .publish_bytes_max = config_publish_buffer(host->config),
                                         .stacks_cached = usual,
                                         .seed = random_next(&host->random),
                                         .guard = guards[config_stack_guard(host->config)],
                                         .watchdog = host->stalls};
        ACKD_TRY(runner_new(&options, &host->runners[i]));
        host->runner_count++;
    }
    return ACKD_OK;
}

/* Spread the consumers over the loops, one after the other. */
static int host_place_consumers(struct host *host)
{
    size_t next = 0;
    list_for_each (node, &host->consumers) {
        struct consumer *consumer = LIST_ITEM(node, consumer, node);
        struct broker *broker = NULL;
        ACKD_TRY(host_make_broker(host, consumer->config->broker, &broker));
        size_t loops = consumer->config->loops;
        if (loops > host->runner_count)
            loops = host->runner_count;
        struct runner **runners = calloc(loops, sizeof(struct runner *));
        if (runners == NULL)
            return ackd_fail(ACKD_E_NOMEM, "consumer '%s'", consumer->config->name);
        for (size_t i = 0; i < loops; i++)
            runners[i] = host->runners[next++ % host->runner_count];
        int code = consumer_place(consumer, broker, runners, loops);
        free(runners);
        ACKD_TRY(code);
    }
    return ACKD_OK;
}

static int host_make_limits(struct host *host)
{
    size_t count = 0;
    const struct config_limit *limits = config_limits(host->config, &count);
    host->limits = calloc(count + 1, sizeof *host->limits);
    if (host->limits == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%zu limits", count);
    for (size_t i = 0; i < count; i++)
        limit_init(&host->limits[i], limits[i].name, (unsigned)i, limits[i].concurrency,
                   limits[i].rate.count, limits[i].rate.per_ms);
    host->limit_count = count;
    return ACKD_OK;
}

static int host_make_consumers(struct host *host)
{
    size_t count = 0;
    int failure = ACKD_OK;
    const struct config_consumer *configs = config_consumers(host->config, &count);
    for (size_t i = 0; i < count; i++) {
        struct consumer *consumer = NULL;
        int code = consumer_new(host, &configs[i], &consumer);
        if (code != ACKD_OK)
            failure = code; /* go on: all that is wrong is said at once */
        if (consumer != NULL && consumer->plugin == NULL)
            consumer_free(&consumer);
        if (consumer != NULL)
            list_append(&host->consumers, &consumer->node);
    }
    if (failure != ACKD_OK)
        return failure;
    if (list_empty(&host->consumers))
        return ackd_fail(ACKD_E_CONFIG, count == 0 ? "no consumer is configured: see 'consumers:'"
                                                   : "no consumer can run");
    return ACKD_OK;
}

/* What handlers may not do to their loops, and who looks. */
static int host_watch(struct host *host)
{
    struct config_stall stall;
    config_stall(host->config, &stall);
    blocking_set_policy((enum ackd_blocking_policy)config_blocking(host->config));
    struct watchdog_options options = {.warn_ms = stall.warn_ms,
                                       .error_ms = stall.error_ms,
                                       .abort_ms = stall.abort_ms,
                                       .signal = watchdog_signal(stall.signal)};
    return watchdog_new(&options, &host->stalls);
}

static int host_set_up(struct host *host)
{
    const struct pool_options pool = {.threads = config_cpu_threads(host->config),
                                      .queue = config_cpu_queue(host->config)};
    ACKD_TRY(pool_open(&pool));
    host->pooled = true;
    plugin_sweep(config_cache_directory(host->config));
    ACKD_TRY(loop_new("ackd", &host->loop));
    loop_set_turn(host->loop, host_turn, host);
    ACKD_TRY(host_make_limits(host));
    ACKD_TRY(host_make_consumers(host));
    ACKD_TRY(host_watch(host));
    ACKD_TRY(host_make_runners(host));
    ACKD_TRY(host_place_consumers(host));
    return signals_open(host->loop, host_signal, host, &host->signals);
}

int host_new(struct config *config, struct host **ret_host)
{
    struct host *host = calloc(1, sizeof *host);
    if (host == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the host");
    host->config = config_ref(config);
    list_init(&host->brokers);
    list_init(&host->consumers);
    random_init(&host->random, system_seed());
    drain_init(&host->drain);
    timer_init(&host->watchdog, host_watchdog_due);
    timer_init(&host->status, host_status_due);
    int code = host_set_up(host);
    if (code != ACKD_OK) {
        host_free(&host);
        return code;
    }
    host->started_ns = loop_now_ns(host->loop);
    *ret_host = host;
    return ACKD_OK;
}

static void host_log_summary(const struct host *host)
{
    static const enum metric shown[] = {
        METRIC_messages_delivered, METRIC_messages_acked,    METRIC_messages_retried,
        METRIC_messages_dead,      METRIC_messages_dropped,  METRIC_messages_released,
        METRIC_messages_orphaned,  METRIC_settlements_stale, METRIC_failures_during_shutdown,
        METRIC_messages_put_back,  METRIC_messages_waited_on};
    enum { SHOWN = sizeof shown / sizeof shown[0] };
    list_for_each (node, &host->consumers) {
        const struct consumer *consumer = LIST_ITEM(node, consumer, node);
        struct ackd_log_field fields[1 + SHOWN] = {ACKD_FIELD("consumer", consumer->config->name)};
        for (size_t i = 0; i < SHOWN; i++)
            fields[1 + i] = (struct ackd_log_field)ACKD_FIELD_INT(
                metric_describe(shown[i])->name, metric_load(&consumer->metrics, shown[i]));
        ackd_log_event(ACKD_LOG_INFO, "summary", fields, 1 + SHOWN,
                       "%" PRIi64 " delivered, %" PRIi64 " acknowledged (%" PRIi64
                       " of them to be tried again, %" PRIi64 " dead, %" PRIi64
                       " dropped), %" PRIi64 " given back, %" PRIi64
                       " left to the broker by a lost channel",
                       fields[1].number, fields[2].number, fields[3].number, fields[4].number,
                       fields[5].number, fields[6].number, fields[7].number + fields[8].number);
    }
}

/* A loop that hangs is not waited for; the destruction of what is local to one is. */
static void host_quit_due(struct timer *timer)
{
    struct host *host = LIST_ITEM(timer, host, status);
    bool late = host->quit_late;
    host->quit_late = true;
    for (size_t i = 0; i < host->runner_count; i++)
        late = late || !runner_is_quitting(host->runners[i]);
    if (late)
        loop_stop(host->loop);
    else
        timer_start(loop_timers(host->loop), timer,
                    timer_after_ms(loop_now_ns(host->loop), HOST_CLOSE_MS));
}

static uint64_t host_quit_turn(void *arg)
{
    const struct host *host = arg;
    for (size_t i = 0; i < host->runner_count; i++) {
        if (!runner_has_quit(host->runners[i]))
            return TIMER_NEVER;
    }
    loop_stop(host->loop);
    return TIMER_NEVER;
}

/* End the loops; false if one hangs in a handler, and can then not be waited for. */
static bool host_end_runners(struct host *host)
{
    for (size_t i = 0; i < host->runner_count; i++) {
        host->orders[i].quit = (struct order){.crossing = {CROSSING_QUIT}};
        host_order(host, i, &host->orders[i].quit);
    }
    loop_set_turn(host->loop, host_quit_turn, host);
    timer_init(&host->status, host_quit_due);
    timer_start(loop_timers(host->loop), &host->status,
                timer_after_ms(loop_now_ns(host->loop), HOST_QUIT_MS));
    loop_run(host->loop);
    timer_stop(&host->status);
    bool all = true;
    for (size_t i = 0; i < host->runner_count; i++) {
        if (runner_has_quit(host->runners[i])) {
            runner_join(host->runners[i]);
        } else {
            ackd_log_warning("stuck",
                             "loop %zu does not answer: a handler holds it, with neither an "
                             "await nor a return",
                             i);
            all = false;
        }
    }
    return all;
}

/* The loops have ended. Whether the exit status is to tell of failures that nobody looked at. */
static bool host_report_unobserved(struct host *host)
{
    uint64_t count = 0;
    for (size_t i = 0; i < host->runner_count; i++)
        count += runner_report_unobserved(host->runners[i]);
    return count > 0 && config_unobserved_fails(host->config);
}

int host_run(struct host *host)
{
    for (size_t i = 0; i < host->runner_count; i++) {
        if (runner_start(host->runners[i]) != ACKD_OK) {
            ackd_log_error("internal", "%s", ackd_error_text(ackd_error_current()));
            return HOST_EXIT_INTERNAL;
        }
    }
    if (notify_watchdog_ns() > 0)
        host_watchdog_due(&host->watchdog);
    if (notify_wanted())
        host_status_due(&host->status);
    list_for_each (node, &host->brokers)
        broker_open(LIST_ITEM(node, broker, node));
    list_for_each (node, &host->consumers)
        consumer_start(LIST_ITEM(node, consumer, node));
    loop_run(host->loop);
    timer_stop(&host->status);
    bool ended = host_end_runners(host);
    timer_stop(&host->watchdog);
    bool unobserved = ended && host_report_unobserved(host);
    host_log_summary(host);
    if (!ended || host->drain.forced || host->drain.stuck) {
        ackd_log_warning("stopped", "stopped by force: what was in flight has been given back");
        return HOST_EXIT_FORCED;
    }
    if (host->failed) {
        ackd_log_error("stopped", "stopped because a handler's run() failed; nothing is left in "
                                  "flight");
        return HOST_EXIT_INTERNAL;
    }
    ackd_log_info("stopped", "stopped, nothing is left in flight");
    return unobserved ? HOST_EXIT_UNOBSERVED : HOST_EXIT_OK;
}

void host_free(struct host **host)
{
    struct host *freed = *host;
    if (freed == NULL)
        return;
    *host = NULL;
    signals_close(&freed->signals);
    while (!list_empty(&freed->consumers)) {
        struct consumer *consumer = LIST_ITEM(freed->consumers.next, consumer, node);
        consumer_free(&consumer);
    }
    while (!list_empty(&freed->brokers)) {
        struct broker *broker = LIST_ITEM(list_take(&freed->brokers), broker, node);
        broker_free(&broker);
    }
    for (size_t i = 0; i < freed->runner_count; i++)
        runner_free(&freed->runners[i]);
    watchdog_free(&freed->stalls);
    free(freed->limits);
    free(freed->runners);
    free(freed->orders);
    loop_free(&freed->loop);
    if (freed->pooled)
        pool_close();
    config_unref(&freed->config);
    free(freed);
}

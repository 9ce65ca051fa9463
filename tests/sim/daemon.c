/* SPDX-License-Identifier: MIT */
/* daemon - see the header. */
#include <config.h>

#include "daemon.h"

#include <ackd/batch.h>
#include <ackd/cancel.h>
#include <ackd/offload.h>
#include <ackd/publish.h>
#include <ackd/task.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "amqp/wire.h"
#include "fakequeue.h"
#include "sim_plugin.h"

enum {
    DAEMON_HEADER_MAX = 512,
    DAEMON_LIMIT_S = 3600,
    DAEMON_KILLED_MAX = 10000,
    DAEMON_UNSENT_MS = 5,
    DAEMON_BATCH_MAX = 64
};

/* There is one at a time: handlers have no other way to it. */
static struct daemon *daemon_now;
static struct host *daemon_killed[DAEMON_KILLED_MAX];
static size_t daemon_killed_count;

void daemon_draw_options(struct daemon_options *options)
{
    *options = (struct daemon_options){.messages = (unsigned)sim_between(100, 300),
                                       .concurrency = (unsigned)sim_between(1, 40),
                                       .loops = (unsigned)sim_between(1, 3),
                                       .heartbeat_s = (unsigned)sim_between(2, 20),
                                       .shutdown_ms = 20000,
                                       .delay_max_ms = sim_chance(50) ? 20 : 500,
                                       .body_max = sim_chance(5) ? 200000 : 1000,
                                       .fail = 10,
                                       .dead = 5,
                                       .drop = 3,
                                       .nested = 20};
    if (sim_chance(20))
        options->timeout_ms = 3 * options->delay_max_ms;
    if (sim_chance(20)) {
        options->body_max = 60000;
        options->buffer_kib = (unsigned)sim_between(64, 512);
    }
    options->start_ms = sim_chance(20) ? 3000 : 0;
    options->stop_ms = sim_chance(20) ? 3000 : 0;
    options->unstarted = sim_chance(10) ? 60 : 0;
    if (options->loops > options->concurrency)
        options->loops = options->concurrency;
}

static uint8_t daemon_byte(uint64_t number, size_t at)
{
    return (uint8_t)(number * 31 + at);
}

static void daemon_check_body(uint64_t number, const uint8_t *body, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sim_that(body[i] == daemon_byte(number, i));
}

static uint8_t *daemon_put_long(uint8_t *at, const char *name, uint64_t value)
{
    size_t size = strlen(name);
    at = wire_put_8(at, (uint8_t)size);
    memcpy(at, name, size);
    return wire_put_64(wire_put_8(at + size, 'l'), value);
}

/* The headers, of which a drawn number are there for their size alone. */
static void daemon_put(struct daemon *daemon, uint64_t number)
{
    uint8_t bytes[DAEMON_HEADER_MAX];
    uint8_t *at = daemon_put_long(bytes, FAKEQUEUE_NUMBER, number);
    at = daemon_put_long(at, FAKEQUEUE_SERIAL, 0);
    at = daemon_put_long(at, "x-sim-key", number % DAEMON_KEYS);
    for (uint64_t more = sim_between(0, 9); more > 0; more--)
        at = daemon_put_long(at, "x-more", more);
    struct properties properties = {.delivery_mode = 2, .priority = -1};
    char id[32];
    snprintf(id, sizeof id, "m%" PRIu64, number);
    properties.message_id = daemon->options.ids ? id : NULL;
    properties.headers = (struct ackd_bytes){.data = bytes, .size = (size_t)(at - bytes)};
    size_t size = sim_chance(5) ? 0 : sim_between(0, sim_between(1, daemon->options.body_max));
    uint8_t *body = malloc(size + 1);
    sim_that(body != NULL);
    for (size_t i = 0; i < size; i++)
        body[i] = daemon_byte(number, i);
    fakebroker_put(daemon->broker.fake, "work", &properties, (struct ackd_bytes){body, size});
    free(body);
}

static void daemon_plan(struct daemon *daemon, struct daemon_message *message)
{
    const struct daemon_options *options = &daemon->options;
    uint64_t draw = sim_between(0, 99);
    message->plan = draw < options->dead                   ? BOOKS_DEAD
                    : draw < options->dead + options->drop ? BOOKS_DROPPED
                                                           : BOOKS_DONE;
    if (sim_chance(options->fail))
        message->failures_left = (unsigned)sim_between(1, 2);
    message->stubborn = sim_chance(options->stubborn);
    message->nested = sim_chance(options->nested);
    message->orphaned = message->nested && sim_chance(options->orphaned);
    message->strange = sim_chance(options->strange);
    message->publishes = sim_chance(options->publish);
}

static int daemon_child(void *arg)
{
    const struct daemon *daemon = arg;
    return ackd_delay(sim_between(0, daemon->options.delay_max_ms));
}

static int daemon_fail(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_USER, "nobody looks");
}

static int daemon_nest(struct daemon *daemon, struct daemon_message *message)
{
    ACKD_SCOPE(calls);
    if (message->orphaned) {
        message->orphaned = false;
        ACKD_TRY(ackd_spawn(&calls, daemon_fail, NULL));
    }
    ACKD_TRY(ackd_spawn(&calls, daemon_child, daemon));
    ACKD_TRY(ackd_spawn(&calls, daemon_child, daemon));
    return ackd_scope_join(&calls);
}

static struct ackd_task *daemon_kept;

/* One handle is never let go: what it failed with is told at the end of the daemon. */
static int daemon_care_little(void)
{
    const struct ackd_task_options options = {.name = "careless"};
    ACKD_SCOPE_SUPERVISED(calls);
    ACKD_TRY(ackd_spawn(&calls, daemon_fail, NULL));
    if (daemon_kept == NULL)
        ACKD_TRY(ackd_spawn_task(&calls, daemon_fail, NULL, &options, &daemon_kept));
    return ackd_scope_join(&calls);
}

static int daemon_job(void *arg, struct ackd_token token)
{
    sim_that(token.source == NULL && ackd_task_current() == NULL);
    ++*(unsigned *)arg;
    return ACKD_OK;
}

/* Cancelled before it ran, it never runs. */
static int daemon_offload(void)
{
    unsigned ran = 0;
    int code = ackd_offload(daemon_job, &ran);
    sim_equal(ran, code == ACKD_OK);
    return code;
}

/* D13: what was published is confirmed when the call returns so. */
static int daemon_publish(struct daemon *daemon, uint64_t number)
{
    const struct ackd_publication_header headers[] = {
        {.name = FAKEQUEUE_NUMBER, .integer = (int64_t)(daemon->options.messages + number)},
        {.name = NULL}};
    const struct ackd_publication publication = {
        .routing_key = "products", .body = {.data = "product", .size = 7}, .headers = headers};
    uint32_t before = daemon->books.products[number];
    ACKD_TRY(ackd_publish_message(&publication));
    sim_that(daemon->books.products[number] > before);
    return ACKD_OK;
}

static int daemon_stay(const struct daemon *daemon)
{
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 10 * 60 * 1000));
    int code = ackd_delay(sim_between(0, 4 * daemon->options.shutdown_ms));
    ackd_shield_pop(&shield);
    return code;
}

static int daemon_wait(struct daemon *daemon, struct daemon_message *message)
{
    if (message->stubborn)
        ACKD_TRY(daemon_stay(daemon));
    if (message->nested)
        ACKD_TRY(daemon_nest(daemon, message));
    if (daemon->options.careless)
        ACKD_TRY(daemon_care_little());
    if (daemon->options.offloads)
        ACKD_TRY(daemon_offload());
    if (message->publishes)
        ACKD_TRY(daemon_publish(daemon, (uint64_t)(message - daemon->messages)));
    unsigned most = daemon->options.awaits == 0 ? 3 : daemon->options.awaits;
    for (uint64_t awaits = sim_between(0, most); awaits > 0; awaits--)
        ACKD_TRY(ackd_delay(sim_between(0, daemon->options.delay_max_ms)));
    return ACKD_OK;
}

/* @late: the time limit has passed. Beyond it a message is tried again, whatever is returned but
 * success. */
static int daemon_return(struct daemon *daemon, struct daemon_message *message, uint64_t serial,
                         bool late)
{
    if (message->failures_left > 0) {
        message->failures_left--;
        books_outcome(&daemon->books, serial, BOOKS_FAILED);
        return sim_chance(30) ? ackd_retry_after(sim_between(1, 200), "later")
                              : ackd_fail(ACKD_E_USER, "on purpose");
    }
    if (message->strange) {
        message->strange = false;
        books_outcome(&daemon->books, serial, BOOKS_FAILED);
        return 7;
    }
    late = late && message->plan != BOOKS_DONE;
    books_outcome(&daemon->books, serial, late ? BOOKS_FAILED : message->plan);
    if (message->plan == BOOKS_DEAD)
        return ackd_dead("for good");
    return message->plan == BOOKS_DROPPED ? ackd_drop("not wanted") : ACKD_OK;
}

static uint64_t daemon_header(const struct ackd_message *message, const char *name)
{
    struct ackd_header header;
    sim_that(ackd_message_header(message, name, &header));
    return (uint64_t)header.integer;
}

struct daemon_delivery {
    uint64_t number;
    uint64_t serial;
};

static struct daemon_delivery daemon_delivery(struct daemon *daemon,
                                              const struct ackd_message *message)
{
    struct daemon_delivery delivery = {.number = daemon_header(message, FAKEQUEUE_NUMBER),
                                       .serial = daemon_header(message, FAKEQUEUE_SERIAL)};
    sim_that(delivery.number > 0 && delivery.number <= daemon->options.messages);
    books_started(&daemon->books, delivery.serial);
    struct ackd_bytes body = ackd_message_body(message);
    daemon_check_body(delivery.number, body.data, body.size);
    return delivery;
}

/* D7: where the order is that of deliveries. With ids one may wait for the end of its own first
 * handler. With keys: none runs beside another of its key, unless that one's channel is gone. */
static void daemon_enter(struct daemon *daemon, const struct daemon_delivery *delivery)
{
    uint64_t *key = &daemon->keys[delivery->number % DAEMON_KEYS];
    if (daemon->options.keyed)
        sim_that(*key == 0 || !books_is_open(&daemon->books, *key));
    else if (daemon->options.loops == 1 && !daemon->options.ids)
        sim_that(delivery->serial > daemon->last_serial);
    *key = delivery->serial;
    daemon->last_serial = delivery->serial;
    daemon->running++;
    if (daemon->running > daemon->running_max)
        daemon->running_max = daemon->running;
    sim_that(daemon->running <= daemon->options.concurrency);
    sim_equal(daemon->started, daemon->options.loops);
}

static void daemon_leave(struct daemon *daemon, const struct daemon_delivery *delivery)
{
    uint64_t *key = &daemon->keys[delivery->number % DAEMON_KEYS];
    if (*key == delivery->serial)
        *key = 0;
    daemon->running--;
    daemon->handled++;
}

/* What became of one whose handler ended with @code before it could decide. */
static void daemon_ended(struct daemon *daemon, uint64_t serial, int code)
{
    bool late = ackd_cancel_reason() == ACKD_CANCEL_DEADLINE;
    books_outcome(&daemon->books, serial,
                  code == ACKD_CANCELED && !late ? BOOKS_CANCELED : BOOKS_FAILED);
}

static int daemon_handle(const struct ackd_message *message, void *state)
{
    struct daemon *daemon = daemon_now;
    (void)state;
    struct daemon_delivery delivery = daemon_delivery(daemon, message);
    struct daemon_message *planned = &daemon->messages[delivery.number];
    daemon_enter(daemon, &delivery);
    int code = daemon_wait(daemon, planned);
    daemon_leave(daemon, &delivery);
    if (code == ACKD_OK)
        return daemon_return(daemon, planned, delivery.serial, ackd_time_left_ms() == 0);
    daemon_ended(daemon, delivery.serial, code);
    return code;
}

/* The first message's plan is the batch's until all of it has waited; then each has its own. */
static int daemon_handle_batch(const struct ackd_batch *batch, void *state)
{
    struct daemon *daemon = daemon_now;
    size_t size = ackd_batch_size(batch);
    struct daemon_delivery deliveries[DAEMON_BATCH_MAX];
    (void)state;
    sim_that(size > 0 && size <= daemon->options.batch);
    for (size_t i = 0; i < size; i++) {
        deliveries[i] = daemon_delivery(daemon, ackd_batch_message(batch, i));
        sim_that(i == 0 || daemon->options.loops > 1 || daemon->options.keyed ||
                 daemon->options.ids || deliveries[i].serial > deliveries[i - 1].serial);
    }
    daemon_enter(daemon, &deliveries[0]);
    int code = daemon_wait(daemon, &daemon->messages[deliveries[0].number]);
    daemon_leave(daemon, &deliveries[0]);
    for (size_t i = 0; i < size; i++) {
        if (code != ACKD_OK) {
            daemon_ended(daemon, deliveries[i].serial, code);
            continue;
        }
        struct daemon_message *planned = &daemon->messages[deliveries[i].number];
        int decision = daemon_return(daemon, planned, deliveries[i].serial, false);
        if (decision == ACKD_OK && i % 2 == 0)
            continue; /* what is returned stands for it */
        sim_that(ackd_batch_mark(ackd_batch_message(batch, i), decision) == ACKD_OK);
    }
    return code;
}

static int daemon_start(void *state)
{
    struct daemon *daemon = daemon_now;
    (void)state;
    sim_equal(daemon->running, 0);
    ACKD_TRY(ackd_delay(sim_between(0, daemon->options.start_ms)));
    if (sim_chance(daemon->options.unstarted))
        return ackd_fail(ACKD_E_USER, "not this time");
    daemon->started++;
    return ACKD_OK;
}

static int daemon_stop(void *state)
{
    struct daemon *daemon = daemon_now;
    (void)state;
    sim_equal(daemon->running, 0);
    sim_that(daemon->started > 0);
    ACKD_TRY(ackd_delay(sim_between(0, daemon->options.stop_ms)));
    daemon->started--;
    return ACKD_OK;
}

static void daemon_happened(const struct fakebroker_event *event, void *arg)
{
    struct daemon *daemon = arg;
    books_happened(event, &daemon->books);
    if (event->fate == FAKEBROKER_STORED && event->number <= daemon->options.messages)
        daemon_check_body(event->number, event->body.data, event->body.size);
    if (event->fate == FAKEBROKER_ACKED && daemon->stop_when_done && daemon->signals == 0 &&
        !timer_armed(&daemon->signal) && daemon->books.finished == daemon->options.messages)
        daemon_signal_after(daemon, sim_between(0, 50 * NS_PER_MS));
}

static void daemon_configure(struct daemon *daemon)
{
    const struct daemon_options *options = &daemon->options;
    char directory[] = "/tmp/ackd_sim_XXXXXX";
    char file[64];
    sim_that(mkdtemp(directory) != NULL);
    snprintf(file, sizeof file, "%s/ackd.yaml", directory);
    FILE *out = fopen(file, "w");
    sim_that(out != NULL);
    fprintf(out,
            "broker:\n  uri: amqp://localhost\n  user: sim\n  password: sim\n"
            "  heartbeat: %us\n  reconnect: {first: 100ms, max: 2s, spread: off}\n"
            "runtime: {loops: %u, stack: 64KiB, tasks-max: 1000, unobserved: %s}\n"
            "shutdown: {timeout: %ums, soft: 50%%}\n"
            "plugins: {path: [/nowhere]}\n"
            "consumers:\n  sim:\n    queue: work\n    handler: sim\n    concurrency: %u\n"
            "    loops: %u\n    retry: {attempts: %u, first: 100ms, factor: 2, max: 5s}\n",
            options->heartbeat_s, options->loops, options->careless ? "fail" : "log",
            options->shutdown_ms, options->concurrency, options->loops,
            options->attempts == 0 ? 5 : options->attempts);
    if (options->prefetch > 0)
        fprintf(out, "    prefetch: %u\n", options->prefetch);
    if (options->lines != NULL)
        fputs(options->lines, out);
    if (options->timeout_ms > 0)
        fprintf(out, "    timeout: %ums\n", options->timeout_ms);
    if (options->batch > 0)
        fprintf(out, "    batch: {size: %u, wait: 20ms}\n", options->batch);
    if (options->buffer_kib > 0)
        fprintf(out, "    buffer: %uKiB\n    message-size: 64KiB\n", options->buffer_kib);
    fclose(out);
    struct config_errors errors = {0};
    int code = config_load(file, NULL, &daemon->config, &errors);
    if (code != ACKD_OK)
        sim_fail(file, 0, "%s", errors.count > 0 ? errors.lines[0] : "no configuration");
    config_errors_free(&errors);
    unlink(file);
    rmdir(directory);
}

/* K2 of the link, B1 of the subscription, R9: it consumes, or somebody will see to it. */
static void daemon_check_way(const struct consumer *consumer)
{
    if (consumer->stopping || consumer->subscription == NULL)
        return;
    enum link_state link = link_state(consumer->inlet->link);
    enum subscription_state state = subscription_state(consumer->subscription);
    if (link == LINK_WAITING || link == LINK_LOGIN)
        sim_that(link_waits(consumer->inlet->link));
    bool suspended =
        state == SUBSCRIPTION_SUSPENDED && (consumer->paused != 0 || consumer->quota.stopped);
    if (state != SUBSCRIPTION_IDLE && state != SUBSCRIPTION_ACTIVE && !suspended)
        sim_that(subscription_waits(consumer->subscription));
}

/* A8: what is answered is written at the end of the turn. */
static void daemon_check_answers(struct daemon *daemon, const struct consumer *consumer)
{
    if (list_empty(&consumer->ledger.answered) && list_empty(&consumer->ledger.refused))
        daemon->unsent_ns = 0;
    else if (daemon->unsent_ns == 0)
        daemon->unsent_ns = sim_now_ns();
    else
        sim_that(sim_now_ns() - daemon->unsent_ns < DAEMON_UNSENT_MS * NS_PER_MS);
}

/* Where a consumer may pause by itself, it subscribes anew on its channel afterwards: what it holds
 * then does not count against the new prefetch. */
static uint64_t daemon_open_max(struct daemon *daemon, const struct consumer *consumer)
{
    if (consumer->prefetch > daemon->prefetch_max)
        daemon->prefetch_max = consumer->prefetch;
    if (daemon->flooded)
        return UINT64_MAX;
    return daemon->options.lines == NULL ? consumer->config->prefetch
                                         : 2 * (uint64_t)daemon->prefetch_max;
}

/* D3 in the midst of it. What is answered counts when it is written, what was lost under its handler
 * when that ends: until then both are only held. */
static void daemon_check_balance(const struct consumer *consumer)
{
    const struct metric_set *metrics = &consumer->metrics;
    int64_t delivered = metric_load(metrics, METRIC_messages_delivered);
    int64_t known = metric_load(metrics, METRIC_messages_acked) +
                    metric_load(metrics, METRIC_messages_released) +
                    metric_load(metrics, METRIC_messages_orphaned) +
                    metric_load(metrics, METRIC_settlements_stale);
    bool held = false;
    for (size_t i = 0; i < sizeof consumer->jobs / sizeof consumer->jobs[0]; i++)
        held = held || !list_empty(&consumer->jobs[i]);
    sim_that(known + (int64_t)consumer->ledger.open <= delivered);
    sim_that(held || known == delivered);
}

/* U1 and U2 of the consumer, L1 of the ledger; that the broker has no reason to complain (A9). */
static void daemon_check(void *arg)
{
    struct daemon *daemon = arg;
    if (daemon->dying)
        longjmp(*daemon->death, 1); /* from here, where no list of timers is being run */
    const struct fakebroker_counts *counts = fakebroker_counts(daemon->broker.fake);
    if (counts->faults + counts->unknown_tags + counts->unbounded > 0)
        sim_fail(__FILE__, __LINE__, "a slip: %s", fakebroker_first_fault(daemon->broker.fake));
    if (daemon->step != NULL)
        daemon->step(daemon);
    daemon->books.loose = daemon->books.loose || daemon->host->drain.forced;
    list_for_each (node, &daemon->host->consumers) {
        const struct consumer *consumer = LIST_ITEM(node, consumer, node);
        sim_that(consumer->running <= consumer->config->concurrency);
        sim_that(consumer->ledger.open <= daemon_open_max(daemon, consumer));
        daemon_check_answers(daemon, consumer);
        daemon_check_balance(consumer);
        sim_that(consumer->reason[CONSUMER_REASON_SIZE - 1] == '\0');
        daemon_check_way(consumer);
    }
}

void daemon_signal_now(struct daemon *daemon)
{
    if (daemon->signals++ == 0)
        daemon->signal_ns = sim_now_ns();
    sim_signal(SIGTERM);
}

static void daemon_signal(struct timer *timer)
{
    struct daemon *daemon = LIST_ITEM(timer, daemon, signal);
    daemon_signal_now(daemon);
    if (daemon->signals <= daemon->signals_more)
        sim_after_ns(timer, sim_between(0, daemon->signals_apart_ns));
}

void daemon_signal_after(struct daemon *daemon, uint64_t ns)
{
    if (daemon->signals == 0)
        sim_after_ns(&daemon->signal, ns);
}

/* Some more of the messages; without `fed`, all. */
static void daemon_feed(struct timer *timer)
{
    struct daemon *daemon = LIST_ITEM(timer, daemon, feed);
    unsigned left = daemon->options.messages - daemon->put;
    unsigned part = daemon->options.messages / 20 + 1;
    unsigned count = daemon->options.fed == 0 || left < part ? left : part;
    (void)sim_broker_fake(&daemon->broker);
    for (; count > 0; count--, left--)
        daemon_put(daemon, ++daemon->put);
    sim_broker_changed(&daemon->broker);
    if (left > 0)
        sim_after_ns(timer, sim_between(0, daemon->options.fed * NS_PER_MS / 10));
}

static void daemon_begin_broker(struct daemon *daemon)
{
    const struct fakebroker_options options = {.heartbeat_s = 60,
                                               .version = daemon->options.version};
    char full[16];
    snprintf(full, sizeof full, "%u", daemon->options.full);
    /* A lost connection counts as well, and there are more of them than 4.x forgives by default. */
    const struct fakebroker_argument quorum[] = {{"x-queue-type", "quorum"},
                                                 {"x-delivery-limit", "1000"}};
    const struct fakebroker_argument products[] = {{"x-max-length", full},
                                                   {"x-overflow", "reject-publish"}};
    const struct fakebroker_observer observer = {.happened = daemon_happened, .arg = daemon};
    sim_broker_begin(&daemon->broker, &options);
    fakebroker_tick(daemon->broker.fake, sim_now_ns());
    fakebroker_observe(daemon->broker.fake, &observer);
    fakebroker_declare(daemon->broker.fake, "work", quorum, daemon->options.quorum ? 2 : 0);
    fakebroker_declare(daemon->broker.fake, "products", products, daemon->options.full > 0 ? 2 : 0);
    if (sim_chance(50))
        fakebroker_declare(daemon->broker.fake, "work.dead", NULL, 0);
    books_begin(&daemon->books, daemon->options.messages, "work.dead");
    daemon->messages = calloc(daemon->options.messages + 1, sizeof *daemon->messages);
    sim_that(daemon->messages != NULL);
    for (unsigned i = 1; i <= daemon->options.messages; i++)
        daemon_plan(daemon, &daemon->messages[i]);
    daemon_feed(&daemon->feed);
}

void daemon_loosen(struct daemon *daemon)
{
    daemon->books.loose = true;
}

uint64_t daemon_finished(const struct daemon *daemon)
{
    return daemon->books.finished;
}

void daemon_again(struct daemon *daemon)
{
    daemon->signals = daemon->running = daemon->started = 0;
    daemon->signal_ns = daemon->unsent_ns = 0;
    daemon->last_serial = 0;
    memset(daemon->keys, 0, sizeof daemon->keys);
    sim_system_begin();
    daemon_configure(daemon);
    for (int code = ACKD_E_NOMEM; code != ACKD_OK;) {
        uint64_t failed = sim_memory_failed();
        sim_memory_enter(true);
        code = host_new(daemon->config, &daemon->host);
        sim_memory_enter(false);
        sim_that(code == ACKD_OK || sim_memory_failed() > failed);
    }
}

void daemon_begin(struct daemon *daemon, const struct daemon_options *options)
{
    memset(daemon, 0, sizeof *daemon);
    sim_set_limit_ns(sim_now_ns() + DAEMON_LIMIT_S * NS_PER_S);
    daemon->options = *options;
    daemon_now = daemon;
    daemon->handler = (struct ackd_consumer){.size = sizeof daemon->handler,
                                             .abi_major = ACKD_ABI_MAJOR,
                                             .abi_minor = ACKD_ABI_MINOR,
                                             .name = "sim",
                                             .start = daemon_start,
                                             .handle = daemon_handle,
                                             .handle_batch = daemon_handle_batch,
                                             .stop = daemon_stop,
                                             .run = options->run,
                                             .run_failure = options->run_failure};
    sim_plugin_use(&daemon->handler);
    timer_init(&daemon->signal, daemon_signal);
    timer_init(&daemon->feed, daemon_feed);
    daemon_begin_broker(daemon);
    daemon_again(daemon);
}

struct consumer *daemon_consumer(const struct daemon *daemon)
{
    return LIST_ITEM(daemon->host->consumers.next, consumer, node);
}

/* D3 */
static void daemon_check_counts(const struct daemon *daemon)
{
    const struct metric_set *metrics = &daemon_consumer(daemon)->metrics;
    sim_equal(metric_load(metrics, METRIC_messages_delivered),
              metric_load(metrics, METRIC_messages_acked) +
                  metric_load(metrics, METRIC_messages_released) +
                  metric_load(metrics, METRIC_messages_orphaned) +
                  metric_load(metrics, METRIC_settlements_stale));
}

/* After an end by force the process goes at once, and nothing is freed; but nothing is lost sight of
 * either, so that leaks can still be looked for. */
static void daemon_kill(struct daemon *daemon)
{
    sim_that(daemon_killed_count < DAEMON_KILLED_MAX);
    daemon_killed[daemon_killed_count++] = daemon->host;
    daemon->host = NULL;
    (void)config_ref(daemon->config);
    sim_kill();
}

void daemon_kill_now(struct daemon *daemon)
{
    sim_that(daemon->death != NULL);
    daemon->dying = true;
}

/* The status, or DAEMON_KILLED. */
static int daemon_live(struct daemon *daemon)
{
    jmp_buf death;
    volatile int status = DAEMON_KILLED;
    daemon->death = &death;
    if (setjmp(death) == 0) {
        sim_memory_enter(true);
        status = host_run(daemon->host);
    }
    sim_memory_enter(false);
    daemon->death = NULL;
    daemon->dying = false;
    return status;
}

int daemon_run(struct daemon *daemon)
{
    sim_set_check(daemon_check, daemon);
    int status = daemon_live(daemon);
    sim_set_check(NULL, NULL);
    daemon->ended_ns = sim_now_ns();
    timer_stop(&daemon->signal);
    if (status == DAEMON_KILLED) {
        daemon_kill(daemon);
        config_unref(&daemon->config);
        return status;
    }
    sim_equal(sim_notified("READY=1") <= 1, true);
    if (!daemon->books.loose)
        daemon_check_counts(daemon);
    if (status == HOST_EXIT_UNOBSERVED) {
        ackd_task_unref(daemon_kept);
        daemon_kept = NULL;
    }
    if (status == HOST_EXIT_FORCED || (status == HOST_EXIT_INTERNAL && !daemon->host->failed))
        daemon_kill(daemon);
    else
        sim_equal(daemon->started, 0);
    host_free(&daemon->host);
    config_unref(&daemon->config);
    return status;
}

void daemon_end(struct daemon *daemon)
{
    timer_stop(&daemon->feed);
    sim_end();
    const struct fakebroker_counts *counts = fakebroker_counts(daemon->broker.fake);
    if (counts->faults + counts->unknown_tags + counts->unbounded > 0)
        sim_fail(__FILE__, __LINE__, "a slip: %s", fakebroker_first_fault(daemon->broker.fake));
    books_check(&daemon->books);
    books_free(&daemon->books);
    free(daemon->messages);
    sim_broker_end(&daemon->broker);
}

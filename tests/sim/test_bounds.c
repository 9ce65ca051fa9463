/* SPDX-License-Identifier: MIT */
/* What bounds a consumer, whatever the broker sends or does not read: places, bytes, order. */
#include <config.h>

#include "chaos.h"
#include "host/broker.h"
#include "host/control.h"
#include "main.h"

enum {
    BOUNDS_SEEDS = 20,
    BOUNDS_KIB = 64,
    BOUNDS_READ = 256 * 1024, /* bytes that may be read before reading stops */
    BOUNDS_HEARTBEAT_S = 2,
    BOUNDS_ACK = 21, /* bytes of basic.ack */
    BOUNDS_OUTPUT = 4096
};

static struct daemon daemon;
static struct timer trouble;
static unsigned changes; /* to come */
static uint32_t limit, running;
static uint64_t idle_ns; /* since when a message waits beside a free place; 0: none does */
static uint64_t paused_ns, longest_ns;
static bool silent;
static unsigned handled; /* when it fell silent */

static struct daemon_options usual(unsigned messages, unsigned concurrency)
{
    return (struct daemon_options){.messages = messages,
                                   .concurrency = concurrency,
                                   .loops = 1,
                                   .heartbeat_s = 10,
                                   .shutdown_ms = 20000,
                                   .delay_max_ms = 50,
                                   .body_max = 100};
}

static void begin(const struct daemon_options *options, void (*step)(struct daemon *))
{
    daemon_begin(&daemon, options);
    daemon.stop_when_done = true;
    daemon.step = step;
}

static void end(void)
{
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), daemon.options.messages);
    daemon_end(&daemon);
}

/* daemon_enter looks at the order. */
static void one_after_the_other(uint64_t seed)
{
    struct daemon_options options = usual(100, 1);
    sim_begin(seed);
    begin(&options, NULL);
    end();
    sim_equal(daemon.running_max, 1);
}

static void started_in_order(uint64_t seed)
{
    struct daemon_options options = usual(300, 20);
    options.fail = options.dead = 10;
    sim_begin(seed);
    begin(&options, NULL);
    end();
    sim_that(daemon.running_max > 1);
}

/* What is held is bounded, though the broker sends all that it has. */
static void look_at_flood(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    uint64_t most = (BOUNDS_KIB * 1024 + BOUNDS_READ) / JOB_WEIGHT;
    sim_that(consumer->running <= seen->options.concurrency);
    sim_that(consumer->ledger.open <= most);
}

static void flooded(uint64_t seed)
{
    struct daemon_options options = usual(5000, 5);
    options.prefetch = 10;
    options.delay_max_ms = 20;
    options.buffer_kib = BOUNDS_KIB;
    sim_begin(seed);
    begin(&options, look_at_flood);
    daemon.flooded = true;
    fakebroker_over_deliver(daemon.broker.fake, UINT16_MAX);
    end();
}

/* Reading stops above the bound and goes on below the half of it. */
static void look_at_bytes(struct daemon *seen)
{
    const struct inlet *inlet = daemon_consumer(seen)->inlet;
    sim_that(inlet->held <= inlet->held_max + BOUNDS_READ);
    if (!link_paused(inlet->link)) {
        paused_ns = sim_now_ns();
        return;
    }
    sim_that(inlet->held > inlet->held_max / 2);
    if (sim_now_ns() - paused_ns > longest_ns)
        longest_ns = sim_now_ns() - paused_ns;
}

static void large_bodies(uint64_t seed)
{
    struct daemon_options options = usual(100, 4);
    options.prefetch = 100;
    options.heartbeat_s = BOUNDS_HEARTBEAT_S;
    options.delay_max_ms = 30000;
    options.body_max = 60000;
    options.buffer_kib = 2 * BOUNDS_KIB;
    sim_begin(seed);
    paused_ns = sim_now_ns();
    longest_ns = 0;
    begin(&options, look_at_bytes);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), options.messages);
    sim_equal(fakebroker_counts(daemon.broker.fake)->logins, 2);
    sim_that(longest_ns > 3 * BOUNDS_HEARTBEAT_S * NS_PER_S); /* it was not for nothing */
    daemon_end(&daemon);
}

static void change_concurrency(struct timer *timer)
{
    struct loop *loop = host_loop(daemon.host);
    limit = (uint32_t)sim_between(1, daemon.options.concurrency);
    running = daemon_consumer(&daemon)->running;
    sim_equal(control_concurrency(daemon.host, "sim", limit), ACKD_OK);
    if (--changes > 0)
        timer_start(loop_timers(loop), timer, loop_now_ns(loop) + sim_between(1, 2 * NS_PER_S));
}

/* What runs goes on; nothing starts beyond the limit; below it, whatever waits starts. */
static void look_at_concurrency(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    if (consumer->stopping)
        timer_stop(&trouble);
    uint32_t most = running > limit ? running : limit;
    sim_that(consumer->running <= most);
    if (running > limit && consumer->running < running)
        running = consumer->running;
    if (list_empty(&consumer->jobs[JOB_QUEUED]) || consumer->running >= limit || consumer->stopping)
        idle_ns = 0;
    else if (idle_ns == 0)
        idle_ns = sim_now_ns();
    else
        sim_that(sim_now_ns() - idle_ns < NS_PER_MS);
}

static void changed(uint64_t seed)
{
    struct daemon_options options = usual(300, 20);
    options.delay_max_ms = 500;
    sim_begin(seed);
    limit = options.concurrency;
    running = 0;
    idle_ns = 0;
    begin(&options, look_at_concurrency);
    changes = 12;
    timer_init(&trouble, change_concurrency);
    timer_start(loop_timers(host_loop(daemon.host)), &trouble, sim_now_ns() + NS_PER_S);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), options.messages);
    sim_equal(fakebroker_counts(daemon.broker.fake)->delivered, options.messages);
    daemon_end(&daemon);
}

/* The broker neither reads nor writes any more, and nobody knows yet. */
static void fall_silent(struct timer *timer)
{
    struct fakebroker *fake = sim_broker_fake(&daemon.broker);
    (void)timer;
    if (fakebroker_consumers(fake, "work") == 0) {
        sim_after_ns(timer, 100 * NS_PER_MS);
        return;
    }
    silent = true;
    handled = daemon.handled;
    for (struct fakebroker_link *link = fakebroker_first_link(fake); link != NULL;
         link = fakebroker_next_link(link))
        fakebroker_silence(link, true);
    sim_broker_changed(&daemon.broker);
}

/* Answers gather until the connection is given up: no more of them than it had messages. */
static void look_at_answers(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    struct link *link = consumer->broker->consuming;
    if (!silent || link_connection(link) == NULL || seen->signals > 0)
        return;
    if (fakebroker_counts(seen->broker.fake)->logins > 2) {
        silent = false;
        return;
    }
    sim_that(seen->handled - handled <= consumer->prefetch);
    sim_that(buffer_size(connection_output(link_connection(link))) <=
             consumer->prefetch * BOUNDS_ACK + BOUNDS_OUTPUT);
}

static void unread(uint64_t seed)
{
    static const struct sim_weather weather = {
        .latency_ns = NS_PER_MS, .chunk_max = 4096, .whole = true, .window = 32};
    struct daemon_options options = usual(500, 10);
    options.prefetch = 30;
    options.heartbeat_s = 20;
    sim_begin(seed);
    sim_set_weather(&weather);
    silent = false;
    begin(&options, look_at_answers);
    timer_init(&trouble, fall_silent);
    sim_after_ns(&trouble, sim_between(0, 500 * NS_PER_MS));
    end();
}

#define BOUNDS_TEST(name, run)         \
    START_TEST(name)                   \
    {                                  \
        sim_each(BOUNDS_SEEDS, (run)); \
    }                                  \
    END_TEST

BOUNDS_TEST(promise_d7_with_one_place_messages_are_handled_in_order, one_after_the_other)
BOUNDS_TEST(promise_d7_with_more_places_handlers_start_in_order, started_in_order)
BOUNDS_TEST(promise_c1_a_broker_that_sends_all_it_has_fills_no_memory, flooded)
BOUNDS_TEST(promise_c8_another_concurrency_holds_at_once_and_drops_nothing, changed)
BOUNDS_TEST(promise_a10_a_broker_that_does_not_read_is_sent_no_more_than_it_gave, unread)

BOUNDS_TEST(promise_c3_reading_stops_and_goes_on_and_the_connection_lives, large_bodies)

Suite *test_suite(void)
{
    Suite *suite = suite_create("bounds");
    TCase *tcase = tcase_create("bounds");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, promise_d7_with_one_place_messages_are_handled_in_order);
    tcase_add_test(tcase, promise_d7_with_more_places_handlers_start_in_order);
    tcase_add_test(tcase, promise_c1_a_broker_that_sends_all_it_has_fills_no_memory);
    tcase_add_test(tcase, promise_c3_reading_stops_and_goes_on_and_the_connection_lives);
    tcase_add_test(tcase, promise_c8_another_concurrency_holds_at_once_and_drops_nothing);
    tcase_add_test(tcase, promise_a10_a_broker_that_does_not_read_is_sent_no_more_than_it_gave);
    suite_add_tcase(suite, tcase);
    return suite;
}

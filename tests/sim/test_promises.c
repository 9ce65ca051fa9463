/* SPDX-License-Identifier: MIT */
/* Promises of reliability, each by what would break it. What every simulation looks at, after each
 * step and at the end, is in daemon.c and books.c. */
#include <config.h>

#include "chaos.h"
#include "main.h"

enum { PROMISES_SEEDS = 30, PROMISES_CALM_S = 240, PROMISES_TRIES = 12 };

static struct daemon daemon;
static struct chaos chaos;
static struct timer trouble;
static unsigned troubles; /* to come */

static void begin(uint64_t seed, const struct daemon_options *options)
{
    sim_begin(seed);
    daemon_begin(&daemon, options);
    daemon.stop_when_done = true;
}

/* All that was put is handled, and acknowledged. */
static void end(void)
{
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    timer_stop(&trouble);
    sim_equal(daemon_finished(&daemon), daemon.options.messages);
    sim_equal(fakebroker_counts(daemon.broker.fake)->unknown_tags, 0);
    daemon_end(&daemon);
}

static const struct daemon_options usual = {.messages = 200,
                                            .concurrency = 20,
                                            .loops = 2,
                                            .heartbeat_s = 5,
                                            .shutdown_ms = 20000,
                                            .delay_max_ms = 50,
                                            .body_max = 500,
                                            .fail = 10,
                                            .dead = 5,
                                            .drop = 5,
                                            .nested = 20};

/* Each message ends acknowledged after its handler, by the failure policy, or redelivered: B1 to B4
 * of the books. */
static void every_end(uint64_t seed)
{
    struct daemon_options options = usual;
    options.fed = 2000;
    begin(seed, &options);
    chaos_begin(&chaos, &daemon, 20, 200);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), options.messages);
    if (chaos.calm_ns != 0)
        sim_that(daemon.signal_ns < chaos.calm_ns + PROMISES_CALM_S * NS_PER_S);
    chaos_end(&chaos);
    daemon_end(&daemon);
}

/* Channels end, consumers are cancelled and queues die while handlers run: their tags have a
 * successor that is another message's. */
static void tags_change(struct timer *timer)
{
    struct fakebroker *fake = sim_broker_fake(&daemon.broker);
    struct fakebroker_link *link = sim_broker_draw_link(&daemon.broker);
    uint16_t channel = sim_broker_draw_channel(link);
    daemon.flooded = true;
    if (channel != 0 && sim_chance(50))
        fakebroker_close_channel(link, channel, 406, "PRECONDITION_FAILED - a test");
    else if (sim_chance(50))
        fakebroker_kill_queue(fake, "work");
    else
        fakebroker_crash(fake);
    sim_broker_changed(&daemon.broker);
    if (--troubles > 0)
        sim_after_ns(timer, sim_between(0, 300 * NS_PER_MS));
}

static void tags(uint64_t seed)
{
    struct daemon_options options = usual;
    options.fed = 3000;
    options.delay_max_ms = 200;
    begin(seed, &options);
    troubles = PROMISES_TRIES;
    timer_init(&trouble, tags_change);
    sim_after_ns(&trouble, 100 * NS_PER_MS);
    end();
}

/* One message at a time: each waits for the acknowledgement of the last. */
static void one_by_one(uint64_t seed)
{
    struct daemon_options options = usual;
    options.concurrency = options.loops = options.prefetch = 1;
    options.messages = 50;
    begin(seed, &options);
    end();
}

/* One byte at a time, both ways. */
static void byte_by_byte(uint64_t seed)
{
    static const struct sim_weather weather = {
        .latency_ns = 20 * NS_PER_US, .chunk_max = 1, .window = 1};
    struct daemon_options options = usual;
    options.messages = 20;
    sim_begin(seed);
    sim_set_weather(&weather);
    daemon_begin(&daemon, &options);
    daemon.stop_when_done = true;
    end();
}

static uint32_t running; /* when it was told to stop; since then it only falls */

static void look_for_starts(struct daemon *stopping)
{
    uint32_t now = daemon_consumer(stopping)->running;
    if (stopping->signals > 0) {
        sim_that(now <= running);
        sim_equal(sim_notified("STOPPING=1"), 1);
    }
    running = now;
}

static void stop_in_work(uint64_t seed)
{
    struct daemon_options options = usual;
    options.delay_max_ms = 2000;
    options.messages = 500;
    sim_begin(seed);
    daemon_begin(&daemon, &options);
    running = 0;
    daemon.step = look_for_starts;
    daemon_signal_after(&daemon, sim_between(50, 3000) * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    daemon_end(&daemon);
}

/* Answers get lost while it subscribes. */
static void lose_an_answer(struct timer *timer)
{
    fakebroker_mangle(sim_broker_fake(&daemon.broker), FAKEBROKER_UNSAID);
    fakebroker_crash(daemon.broker.fake);
    sim_broker_changed(&daemon.broker);
    if (--troubles > 0)
        sim_after_ns(timer, sim_between(0, 30 * NS_PER_S));
}

static void one_consumer(struct daemon *seen)
{
    sim_that(fakebroker_consumers(seen->broker.fake, "work") <= 1);
}

static void late_answers(uint64_t seed)
{
    struct daemon_options options = usual;
    options.fed = 60000;
    begin(seed, &options);
    daemon.step = one_consumer;
    troubles = PROMISES_TRIES;
    timer_init(&trouble, lose_an_answer);
    sim_after_ns(&trouble, sim_between(0, NS_PER_S));
    end();
}

/* The broker refuses each try to subscribe, until it does not. */
static void refuse_it(struct timer *timer)
{
    struct fakebroker_link *link = sim_broker_draw_link(&daemon.broker);
    uint16_t channel = sim_broker_draw_channel(link);
    (void)sim_broker_fake(&daemon.broker);
    if (channel != 0 && troubles-- > 0)
        fakebroker_close_channel(link, channel, 404, "NOT_FOUND - a test");
    sim_broker_changed(&daemon.broker);
    if (troubles > 0)
        sim_after_ns(timer, sim_between(0, 500 * NS_PER_MS));
}

static void refused(uint64_t seed)
{
    struct daemon_options options = usual;
    options.fed = 20000;
    begin(seed, &options);
    troubles = PROMISES_TRIES;
    timer_init(&trouble, refuse_it);
    sim_after_ns(&trouble, sim_between(0, 100 * NS_PER_MS));
    end();
}

/* What each verdict sends: never basic.reject, nor anything but requeue. */
static const struct {
    struct daemon_options options;
    bool stops; /* while messages are in work: basic.nack is sent, too */
} verdicts[] = {
    {{.messages = 100}, false},
    {{.messages = 100, .fail = 100}, false},
    {{.messages = 100, .fail = 100, .attempts = 1}, false},
    {{.messages = 100, .dead = 100}, false},
    {{.messages = 100, .drop = 100}, false},
    {{.messages = 100, .fail = 100, .quorum = true}, false},
    {{.messages = 500, .delay_max_ms = 60000, .shutdown_ms = 4000}, true},
    {{.messages = 500, .delay_max_ms = 60000, .shutdown_ms = 4000, .fail = 100}, true},
};

static void settle_by_verdict(uint64_t seed)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct daemon_options options = verdicts[i].options;
        options.concurrency = 20;
        options.loops = 2;
        options.heartbeat_s = 5;
        options.body_max = 100;
        if (options.delay_max_ms == 0)
            options.delay_max_ms = 50;
        if (options.shutdown_ms == 0)
            options.shutdown_ms = 20000;
        sim_begin(seed);
        daemon_begin(&daemon, &options);
        daemon.stop_when_done = !verdicts[i].stops;
        if (verdicts[i].stops)
            daemon_signal_after(&daemon, NS_PER_S);
        sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
        const struct fakebroker_counts *counts = fakebroker_counts(daemon.broker.fake);
        sim_equal(counts->retried, 0);
        sim_equal(counts->rejected, 0);
        sim_that(counts->released > 0 || !verdicts[i].stops);
        sim_that(verdicts[i].stops || counts->acked >= options.messages);
        daemon_end(&daemon);
    }
}

#define PROMISE_TEST(name, run)          \
    START_TEST(name)                     \
    {                                    \
        sim_each(PROMISES_SEEDS, (run)); \
    }                                    \
    END_TEST

PROMISE_TEST(promise_d1_every_message_has_exactly_one_end, every_end)
PROMISE_TEST(promise_a2_a_delivery_is_settled_at_most_once, tags)
PROMISE_TEST(promise_a6_no_verdict_sends_a_reject, settle_by_verdict)
PROMISE_TEST(promise_a8_an_answer_is_written_within_the_turn, one_by_one)
PROMISE_TEST(promise_a9_the_broker_never_meets_an_unknown_tag, tags)
PROMISE_TEST(promise_a11_writes_of_any_size_leave_the_stream_valid, byte_by_byte)
PROMISE_TEST(promise_s1_no_handler_starts_behind_the_signal, stop_in_work)
PROMISE_TEST(promise_r8_a_late_answer_leaves_no_second_consumer, late_answers)
PROMISE_TEST(promise_r9_a_refused_subscription_is_tried_again, refused)

Suite *test_suite(void)
{
    Suite *suite = suite_create("promises");
    TCase *tcase = tcase_create("promises");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, promise_d1_every_message_has_exactly_one_end);
    tcase_add_test(tcase, promise_a2_a_delivery_is_settled_at_most_once);
    tcase_add_test(tcase, promise_a6_no_verdict_sends_a_reject);
    tcase_add_test(tcase, promise_a8_an_answer_is_written_within_the_turn);
    tcase_add_test(tcase, promise_a9_the_broker_never_meets_an_unknown_tag);
    tcase_add_test(tcase, promise_a11_writes_of_any_size_leave_the_stream_valid);
    tcase_add_test(tcase, promise_s1_no_handler_starts_behind_the_signal);
    tcase_add_test(tcase, promise_r8_a_late_answer_leaves_no_second_consumer);
    tcase_add_test(tcase, promise_r9_a_refused_subscription_is_tried_again);
    suite_add_tcase(suite, tcase);
    return suite;
}

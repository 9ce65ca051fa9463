/* SPDX-License-Identifier: MIT */
/* Work that ends within the time it is given at a stop is acknowledged, whatever crosses its way. */
#include <config.h>

#include "daemon.h"
#include "main.h"

static struct daemon daemon;
static uint64_t stale; /* settlements that came too late for their channel */
static bool crossed;

static void watch(struct daemon *watched)
{
    const struct metric_set *metrics = &daemon_consumer(watched)->metrics;
    stale = metric_load(metrics, METRIC_settlements_stale);
}

static void begin(uint64_t seed, const struct daemon_options *options)
{
    sim_begin(seed);
    daemon_begin(&daemon, options);
    daemon.step = watch;
    stale = 0;
    crossed = false;
}

/* The stop ends in order, and no answer came too late. */
static void stop(uint64_t after_ms)
{
    daemon_signal_after(&daemon, after_ms * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(stale, 0);
    daemon_end(&daemon);
}

/* The broker's basic.cancel is on its way when ours is. */
static void cross(struct daemon *stopping)
{
    watch(stopping);
    if (stopping->signals == 0 || crossed)
        return;
    if (fakebroker_consumers(stopping->broker.fake, "work") == 0)
        return;
    fakebroker_cancel(sim_broker_fake(&stopping->broker), "work");
    sim_broker_changed(&stopping->broker);
    stopping->flooded = true;
    crossed = true;
}

static void stop_across_a_cancel(uint64_t seed)
{
    struct daemon_options options = {.messages = 50,
                                     .concurrency = 10,
                                     .loops = 1,
                                     .heartbeat_s = 10,
                                     .shutdown_ms = 60000,
                                     .delay_max_ms = 3000,
                                     .body_max = 100};
    begin(seed, &options);
    daemon.step = cross;
    stop(sim_between(1500, 4000));
    sim_that(crossed);
}

/* Bodies fill the buffer, so that nothing is read, for longer than an answer may take. */
static void stop_with_a_full_buffer(uint64_t seed)
{
    struct daemon_options options = {.messages = 50,
                                     .concurrency = 10,
                                     .loops = 1,
                                     .heartbeat_s = 10,
                                     .shutdown_ms = 200000,
                                     .delay_max_ms = 30000,
                                     .body_max = 60000,
                                     .buffer_kib = 64};
    begin(seed, &options);
    stop(sim_between(1500, 4000));
}

START_TEST(a_cancel_that_crosses_ours_leaves_the_channel_open)
{
    sim_each(20, stop_across_a_cancel);
}
END_TEST

START_TEST(a_full_buffer_does_not_hide_the_answer_to_the_cancel)
{
    sim_each(20, stop_with_a_full_buffer);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("drain");
    TCase *tcase = tcase_create("drain");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_cancel_that_crosses_ours_leaves_the_channel_open);
    tcase_add_test(tcase, a_full_buffer_does_not_hide_the_answer_to_the_cancel);
    suite_add_tcase(suite, tcase);
    return suite;
}

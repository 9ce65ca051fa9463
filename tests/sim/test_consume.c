/* SPDX-License-Identifier: MIT */
/* Consume, acknowledge, drain: the whole life of a daemon whose broker never fails it. */
#include <config.h>

#include <ackd/offload.h>

#include "daemon.h"
#include "main.h"

static struct daemon daemon;

static void begin(uint64_t seed)
{
    struct daemon_options options;
    sim_begin(seed);
    daemon_draw_options(&options);
    daemon_begin(&daemon, &options);
}

static void consume_all(uint64_t seed)
{
    begin(seed);
    daemon.stop_when_done = true;
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), daemon.options.messages);
    sim_equal(sim_notified("READY=1"), 1);
    sim_equal(sim_notified("STOPPING=1"), 1);
    daemon_end(&daemon);
}

static void stop_anywhere(uint64_t seed)
{
    begin(seed);
    daemon_signal_after(&daemon, sim_between(0, sim_between(1, 5000) * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    daemon_end(&daemon);
}

/* Handlers have jobs for the CPU pool; half of the seeds are stopped in the midst of it. */
static void offload_jobs(uint64_t seed)
{
    struct daemon_options options;
    sim_begin(seed);
    daemon_draw_options(&options);
    options.offloads = true;
    daemon_begin(&daemon, &options);
    daemon.stop_when_done = seed % 2 == 0;
    if (!daemon.stop_when_done)
        daemon_signal_after(&daemon, sim_between(0, 2000 * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    struct ackd_cpu_pool_counts counts;
    ackd_cpu_pool_counts(&counts);
    sim_equal(counts.queued, 0);
    if (daemon.stop_when_done)
        sim_that(counts.completed >= daemon.options.messages);
    daemon_end(&daemon);
}

/* start() takes its time on each loop, and fails now and then. */
static void start_slowly(uint64_t seed)
{
    struct daemon_options options;
    sim_begin(seed);
    daemon_draw_options(&options);
    options.concurrency = options.loops = 3;
    options.messages = 10;
    options.start_ms = 6000;
    options.unstarted = 30;
    daemon_begin(&daemon, &options);
    daemon.stop_when_done = true;
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), daemon.options.messages);
    daemon_end(&daemon);
}

START_TEST(every_message_is_acknowledged_once_after_its_handler)
{
    sim_each(200, consume_all);
}
END_TEST

START_TEST(a_stop_at_any_moment_loses_nothing)
{
    sim_each(200, stop_anywhere);
}
END_TEST

START_TEST(jobs_of_handlers_end_before_their_messages)
{
    sim_each(50, offload_jobs);
}
END_TEST

START_TEST(a_handler_that_does_not_start_is_started_again)
{
    sim_each(50, start_slowly);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("consume");
    TCase *tcase = tcase_create("consume");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, every_message_is_acknowledged_once_after_its_handler);
    tcase_add_test(tcase, a_stop_at_any_moment_loses_nothing);
    tcase_add_test(tcase, jobs_of_handlers_end_before_their_messages);
    tcase_add_test(tcase, a_handler_that_does_not_start_is_started_again);
    suite_add_tcase(suite, tcase);
    return suite;
}

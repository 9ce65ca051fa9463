/* SPDX-License-Identifier: MIT */
/* A stop in each state: soon over where nothing is in flight, in order where something is. */
#include <config.h>

#include "chaos.h"
#include "main.h"

enum { SHUTDOWN_IDLE_MS = 2000, SHUTDOWN_HOOKS_MS = 5000, SHUTDOWN_SEEDS = 20 };

static struct daemon daemon;

/* A daemon with @messages that take @delay_ms each. */
static void begin(uint64_t seed, unsigned messages, unsigned delay_ms)
{
    struct daemon_options options = {.messages = messages,
                                     .concurrency = 10,
                                     .loops = 2,
                                     .heartbeat_s = 10,
                                     .shutdown_ms = 10000,
                                     .delay_max_ms = delay_ms,
                                     .body_max = 500};
    sim_begin(seed);
    daemon_begin(&daemon, &options);
}

static uint64_t elapsed_ms(void)
{
    return (daemon.ended_ns - daemon.signal_ns) / NS_PER_MS;
}

/* With nothing in flight it takes at most two seconds, and nothing was acknowledged. */
static void stop_idle(uint64_t after_ms)
{
    daemon_signal_after(&daemon, after_ms * NS_PER_MS + sim_between(0, 100 * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    if (elapsed_ms() > SHUTDOWN_IDLE_MS)
        sim_fail(__FILE__, __LINE__, "the stop took %llu ms", (unsigned long long)elapsed_ms());
    daemon_end(&daemon);
}

static void stop_unresolved(uint64_t seed)
{
    begin(seed, 5, 10);
    sim_set_connect(SIM_CONNECT_UNRESOLVED);
    stop_idle(sim_between(0, 20000));
}

static void stop_connecting(uint64_t seed)
{
    begin(seed, 5, 10);
    sim_set_connect(SIM_CONNECT_SILENT);
    stop_idle(sim_between(0, 20000));
}

static void stop_backing_off(uint64_t seed)
{
    begin(seed, 5, 10);
    sim_set_connect(SIM_CONNECT_REFUSED);
    stop_idle(sim_between(0, 20000));
}

/* The broker falls silent in a step of the login. */
static void stop_login(uint64_t seed)
{
    begin(seed, 5, 10);
    fakebroker_silence_from(daemon.broker.fake, (enum fakebroker_step)sim_between(
                                                    FAKEBROKER_GREETING, FAKEBROKER_OPENING));
    stop_idle(sim_between(0, 20000));
}

/* start() is still at it. */
static void stop_starting(uint64_t seed)
{
    begin(seed, 5, 10);
    daemon.options.start_ms = 60000;
    daemon.options.unstarted = 30;
    stop_idle(sim_between(0, 20000));
}

/* stop() takes long: longer than it may, now and then. */
static void stop_hooks(uint64_t seed)
{
    begin(seed, 20, 100);
    daemon.options.stop_ms = 8000;
    daemon_signal_after(&daemon, sim_between(0, 5000 * NS_PER_MS));
    int status = daemon_run(&daemon);
    sim_that(status == HOST_EXIT_OK || status == HOST_EXIT_FORCED);
    sim_that(elapsed_ms() < SHUTDOWN_HOOKS_MS + SHUTDOWN_IDLE_MS);
    daemon_end(&daemon);
}

static void stop_idle_running(uint64_t seed)
{
    begin(seed, 1, 0);
    stop_idle(sim_between(1000, 20000));
}

static void mute_all(struct timer *timer)
{
    (void)timer;
    fakebroker_silence_all(sim_broker_fake(&daemon.broker), true);
}

/* The broker freezes at any moment of a daemon's life, whose handlers have nothing to do. */
static void stop_frozen(uint64_t seed)
{
    struct timer mute;
    begin(seed, 1, 0);
    timer_init(&mute, mute_all);
    uint64_t mute_ms = sim_between(0, 400);
    sim_after_ns(&mute, mute_ms * NS_PER_MS);
    stop_idle(mute_ms + sim_between(0, 20000));
}

/* Work in flight: it may finish; what looks at cancellation does not hold it up beyond `soft`. */
static void stop_busy(uint64_t seed)
{
    begin(seed, 200, 30000);
    daemon_signal_after(&daemon, sim_between(0, 5000 * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_that(elapsed_ms() < daemon.options.shutdown_ms / 2 + SHUTDOWN_IDLE_MS);
    daemon_end(&daemon);
}

/* A second signal cancels at once. */
static void stop_twice(uint64_t seed)
{
    begin(seed, 200, 30000);
    daemon.signals_more = 1;
    daemon.signals_apart_ns = 100 * NS_PER_MS;
    daemon_signal_after(&daemon, sim_between(0, 5000 * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_that(elapsed_ms() < SHUTDOWN_IDLE_MS);
    daemon_end(&daemon);
}

/* While a dead letter waits for its confirm: it is waited for, and counts. */
static void stop_publishing(uint64_t seed)
{
    begin(seed, 20, 10);
    for (unsigned i = 1; i <= 20; i++)
        daemon.messages[i].plan = BOOKS_DEAD;
    daemon.broker.confirm_max_ms = 3000;
    daemon_signal_after(&daemon, sim_between(0, 1000 * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_that(elapsed_ms() < SHUTDOWN_IDLE_MS + daemon.options.shutdown_ms);
    daemon_end(&daemon);
}

/* Handlers that do not look at cancellation: given back at the limit, and the status says so. */
static void stop_stubborn(uint64_t seed)
{
    begin(seed, 50, 30000);
    daemon_loosen(&daemon);
    for (unsigned i = 1; i <= 50; i++)
        daemon.messages[i].stubborn = sim_chance(30);
    if (sim_chance(50)) {
        daemon.signals_more = 2;
        daemon.signals_apart_ns = 5000 * NS_PER_MS;
    }
    daemon_signal_after(&daemon, sim_between(0, 5000 * NS_PER_MS));
    int status = daemon_run(&daemon);
    sim_that(status == HOST_EXIT_OK || status == HOST_EXIT_FORCED);
    sim_that(elapsed_ms() < daemon.options.shutdown_ms + SHUTDOWN_IDLE_MS);
    daemon_end(&daemon);
}

/* The third signal comes when a verdict is on its way: the handler has ended, the host thinks not. */
static void force_at_verdict(struct daemon *stopping)
{
    static unsigned handled;
    if (stopping->signals == 0)
        handled = stopping->handled;
    if (stopping->handled == handled)
        return;
    handled = stopping->handled;
    if (stopping->signals <= stopping->signals_more)
        daemon_signal_now(stopping);
}

static void stop_at_verdict(uint64_t seed)
{
    begin(seed, 50, 200);
    daemon_loosen(&daemon);
    daemon.signals_more = 2;
    daemon.signals_apart_ns = 1000 * NS_PER_S;
    daemon.step = force_at_verdict;
    for (unsigned i = 1; i <= 50; i++)
        daemon.messages[i].stubborn = sim_chance(60);
    daemon_signal_after(&daemon, sim_between(0, 1000 * NS_PER_MS));
    int status = daemon_run(&daemon);
    sim_that(status == HOST_EXIT_OK || status == HOST_EXIT_FORCED);
    daemon_end(&daemon);
}

/* All was done, but a failure was not looked at: the status says so, where it is asked for. */
static void stop_careless(uint64_t seed)
{
    struct daemon_options options = {.messages = 20,
                                     .concurrency = 10,
                                     .loops = 2,
                                     .heartbeat_s = 10,
                                     .shutdown_ms = 10000,
                                     .body_max = 500,
                                     .careless = true};
    sim_begin(seed);
    daemon_begin(&daemon, &options);
    daemon.stop_when_done = true;
    sim_equal(daemon_run(&daemon), HOST_EXIT_UNOBSERVED);
    sim_equal(daemon_finished(&daemon), 20);
    daemon_end(&daemon);
}

#define SHUTDOWN_TEST(name, run)         \
    START_TEST(name)                     \
    {                                    \
        sim_each(SHUTDOWN_SEEDS, (run)); \
    }                                    \
    END_TEST

SHUTDOWN_TEST(promise_s8_a_stop_while_resolving_is_soon_over, stop_unresolved)
SHUTDOWN_TEST(promise_s8_a_stop_while_connecting_is_soon_over, stop_connecting)
SHUTDOWN_TEST(promise_s8_a_stop_while_backing_off_is_soon_over, stop_backing_off)
SHUTDOWN_TEST(promise_s8_a_stop_while_logging_in_is_soon_over, stop_login)
SHUTDOWN_TEST(promise_s8_a_stop_while_handlers_start_is_soon_over, stop_starting)
SHUTDOWN_TEST(a_stop_does_not_wait_for_ever_for_a_handlers_end, stop_hooks)
SHUTDOWN_TEST(promise_s8_a_stop_of_an_idle_daemon_is_soon_over, stop_idle_running)
SHUTDOWN_TEST(promise_s8_a_stop_with_a_frozen_broker_is_soon_over, stop_frozen)
SHUTDOWN_TEST(a_stop_lets_work_finish_and_then_cancels_it, stop_busy)
SHUTDOWN_TEST(a_second_signal_cancels_at_once, stop_twice)
SHUTDOWN_TEST(a_stop_waits_for_confirms, stop_publishing)
SHUTDOWN_TEST(promise_s5_a_stop_gives_back_what_does_not_end, stop_stubborn)
SHUTDOWN_TEST(a_verdict_may_cross_with_the_end_by_force, stop_at_verdict)
SHUTDOWN_TEST(rule_u6_failures_nobody_looked_at_show_in_the_status, stop_careless)

Suite *test_suite(void)
{
    Suite *suite = suite_create("shutdown");
    TCase *tcase = tcase_create("shutdown");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, promise_s8_a_stop_while_resolving_is_soon_over);
    tcase_add_test(tcase, promise_s8_a_stop_while_connecting_is_soon_over);
    tcase_add_test(tcase, promise_s8_a_stop_while_backing_off_is_soon_over);
    tcase_add_test(tcase, promise_s8_a_stop_while_logging_in_is_soon_over);
    tcase_add_test(tcase, promise_s8_a_stop_while_handlers_start_is_soon_over);
    tcase_add_test(tcase, a_stop_does_not_wait_for_ever_for_a_handlers_end);
    tcase_add_test(tcase, promise_s8_a_stop_of_an_idle_daemon_is_soon_over);
    tcase_add_test(tcase, promise_s8_a_stop_with_a_frozen_broker_is_soon_over);
    tcase_add_test(tcase, a_stop_lets_work_finish_and_then_cancels_it);
    tcase_add_test(tcase, a_second_signal_cancels_at_once);
    tcase_add_test(tcase, a_stop_waits_for_confirms);
    tcase_add_test(tcase, promise_s5_a_stop_gives_back_what_does_not_end);
    tcase_add_test(tcase, a_verdict_may_cross_with_the_end_by_force);
    tcase_add_test(tcase, rule_u6_failures_nobody_looked_at_show_in_the_status);
    suite_add_tcase(suite, tcase);
    return suite;
}

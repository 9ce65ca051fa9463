/* SPDX-License-Identifier: MIT */
/* What becomes of a run() that returns, fails, and is asked to stop, in virtual time. */
#include <config.h>

#include "host/background.h"

#include <ackd/ackd.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "main.h"
#include "sim.h"
#include "task/owner.h"

enum { CALLS_MAX = 32, FAILURES = 12 };

static struct {
    struct executor *executor;
    struct background background;
    struct ackd_owner owner;
    unsigned calls;
    uint64_t called_ms[CALLS_MAX];
    uint64_t failed_ms[CALLS_MAX];
    unsigned failures; /* calls that fail before one succeeds */
    uint64_t lasts_ms; /* of a call */
    int failure;       /* its code */
    enum ackd_cancel_reason seen;
    unsigned ended;
    int code;
    char text[256];
    struct timer stop;
    uint64_t stopped_ms;
    uint64_t ended_ms;
} world;

static void background_ended(int code, const struct ackd_error *error, void *arg)
{
    ck_assert_ptr_eq(arg, &world);
    world.ended++;
    world.code = code;
    world.ended_ms = sim_now_ms();
    ck_assert((error == NULL) == (code == ACKD_OK));
    if (error != NULL)
        snprintf(world.text, sizeof world.text, "%s", ackd_error_text(error));
    loop_stop(executor_loop(world.executor));
}

static int run(void *state)
{
    ck_assert_ptr_eq(state, &world.calls);
    ck_assert_ptr_eq(ackd_owner_current(), &world.owner);
    test_that(world.calls < CALLS_MAX);
    unsigned call = world.calls++;
    world.called_ms[call] = sim_now_ms();
    int code = ackd_delay(world.lasts_ms);
    world.seen = ackd_cancel_reason();
    world.failed_ms[call] = sim_now_ms();
    if (code != ACKD_OK && world.failure == ACKD_OK)
        return code;
    return world.calls <= world.failures ? world.failure : ACKD_OK;
}

static void begin(enum ackd_service_failure on_failure)
{
    sim_begin(7);
    memset(&world, 0, sizeof world);
    struct executor_options options = {.name = "loop 0"};
    ck_assert_int_eq(executor_new(&options, &world.executor), ACKD_OK);
    owner_init(&world.owner, executor_scheduler(world.executor), "service");
    world.background = (struct background){.executor = world.executor,
                                           .run = run,
                                           .state = &world.calls,
                                           .name = "service.run",
                                           .on_failure = on_failure,
                                           .owner = &world.owner,
                                           .ended = background_ended,
                                           .arg = &world};
}

static void stop_due(struct timer *timer)
{
    (void)timer;
    world.stopped_ms = sim_now_ms();
    background_stop(&world.background, ACKD_CANCEL_SHUTDOWN);
}

/* Run it to its end, asked to stop after @stop_ms (0: never). */
static void run_it(uint64_t stop_ms)
{
    struct loop *loop = executor_loop(world.executor);
    timer_init(&world.stop, stop_due);
    if (stop_ms > 0)
        timer_start(loop_timers(loop), &world.stop, timer_after_ms(loop_now_ns(loop), stop_ms));
    background_start(&world.background);
    loop_run(loop);
    timer_stop(&world.stop);
    ck_assert_uint_eq(world.ended, 1);
    ck_assert(!world.background.alive);
    executor_free(&world.executor);
    sim_end();
}

START_TEST(rule_h5_returning_early_is_no_failure)
{
    begin(ACKD_SERVICE_STOP_HOST);
    run_it(0);
    ck_assert_uint_eq(world.calls, 1);
    ck_assert_int_eq(world.code, ACKD_OK);
    ck_assert_uint_eq(sim_logged("service-failed"), 0);
}
END_TEST

START_TEST(rule_h4_a_failure_that_stops_the_host_is_told_and_not_repeated)
{
    begin(ACKD_SERVICE_STOP_HOST);
    world.failures = 1;
    world.failure = ACKD_E_USER;
    run_it(0);
    ck_assert_uint_eq(world.calls, 1);
    ck_assert_int_eq(world.code, ACKD_E_USER);
    ck_assert_uint_eq(sim_logged("service-failed"), 1);
}
END_TEST

START_TEST(rule_h4_a_failure_to_be_ignored_is_logged)
{
    begin(ACKD_SERVICE_IGNORE);
    world.failures = 1;
    world.failure = ACKD_E_USER;
    run_it(0);
    ck_assert_uint_eq(world.calls, 1);
    ck_assert_int_eq(world.code, ACKD_OK);
    ck_assert_uint_eq(sim_logged("service-failed"), 1);
}
END_TEST

START_TEST(rule_h4_restarts_pause_longer_each_time_up_to_thirty_seconds)
{
    begin(ACKD_SERVICE_RESTART);
    world.failures = FAILURES;
    world.failure = ACKD_E_USER;
    run_it(0);
    ck_assert_uint_eq(world.calls, FAILURES + 1);
    ck_assert_int_eq(world.code, ACKD_OK);
    ck_assert_uint_eq(sim_logged("service-restart"), FAILURES);
    uint64_t bound_ms = 500, longest_ms = 0;
    for (unsigned i = 0; i < FAILURES; i++) {
        uint64_t pause_ms = world.called_ms[i + 1] - world.failed_ms[i];
        ck_assert_uint_ge(pause_ms, bound_ms / 10);
        ck_assert_uint_le(pause_ms, bound_ms + 1);
        bound_ms = bound_ms * 2 > 30000 ? 30000 : bound_ms * 2;
        longest_ms = pause_ms > longest_ms ? pause_ms : longest_ms;
    }
    ck_assert_uint_gt(longest_ms, 3000);
}
END_TEST

START_TEST(after_a_sound_run_the_pauses_are_short_again)
{
    begin(ACKD_SERVICE_RESTART);
    world.failures = FAILURES;
    world.failure = ACKD_E_USER;
    world.lasts_ms = 60000;
    run_it(0);
    for (unsigned i = 0; i < FAILURES; i++)
        ck_assert_uint_le(world.called_ms[i + 1] - world.failed_ms[i], 501);
}
END_TEST

START_TEST(rule_h4_a_positive_return_is_a_failure)
{
    begin(ACKD_SERVICE_STOP_HOST);
    world.failures = 1;
    world.failure = 42;
    run_it(0);
    ck_assert_int_eq(world.code, ACKD_E_BAD_RETURN);
    ck_assert_ptr_nonnull(strstr(world.text, "42"));
}
END_TEST

START_TEST(rule_h6_a_stop_cancels_what_it_awaits)
{
    begin(ACKD_SERVICE_RESTART);
    world.lasts_ms = 3600000;
    run_it(1000);
    ck_assert_uint_eq(world.calls, 1);
    ck_assert_int_eq(world.code, ACKD_OK);
    ck_assert_int_eq(world.seen, ACKD_CANCEL_SHUTDOWN);
    ck_assert_uint_le(world.ended_ms - world.stopped_ms, 10);
}
END_TEST

START_TEST(a_stop_within_a_pause_ends_it_at_once)
{
    begin(ACKD_SERVICE_RESTART);
    world.failures = CALLS_MAX;
    world.failure = ACKD_E_USER;
    run_it(20000);
    ck_assert_uint_gt(world.calls, 3);
    ck_assert_int_eq(world.code, ACKD_OK);
    ck_assert_uint_eq(world.ended_ms, world.stopped_ms);
}
END_TEST

START_TEST(a_failure_at_the_stop_is_told_and_not_repeated)
{
    begin(ACKD_SERVICE_RESTART);
    world.lasts_ms = 3600000;
    world.failures = 1;
    world.failure = ACKD_E_USER;
    run_it(1000);
    ck_assert_uint_eq(world.calls, 1);
    ck_assert_int_eq(world.code, ACKD_E_USER);
    ck_assert_uint_eq(sim_logged("service-failed"), 1);
    ck_assert_uint_eq(sim_logged("service-restart"), 0);
}
END_TEST

START_TEST(a_stop_when_it_has_ended_does_nothing)
{
    begin(ACKD_SERVICE_STOP_HOST);
    background_stop(&world.background, ACKD_CANCEL_SHUTDOWN);
    ck_assert_uint_eq(world.ended, 0);
    run_it(0);
    background_stop(&world.background, ACKD_CANCEL_SHUTDOWN);
    ck_assert_uint_eq(world.ended, 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/background");
    TCase *tc = tcase_create("background");
    tcase_add_test(tc, rule_h5_returning_early_is_no_failure);
    tcase_add_test(tc, rule_h4_a_failure_that_stops_the_host_is_told_and_not_repeated);
    tcase_add_test(tc, rule_h4_a_failure_to_be_ignored_is_logged);
    tcase_add_test(tc, rule_h4_restarts_pause_longer_each_time_up_to_thirty_seconds);
    tcase_add_test(tc, after_a_sound_run_the_pauses_are_short_again);
    tcase_add_test(tc, rule_h4_a_positive_return_is_a_failure);
    tcase_add_test(tc, rule_h6_a_stop_cancels_what_it_awaits);
    tcase_add_test(tc, a_stop_within_a_pause_ends_it_at_once);
    tcase_add_test(tc, a_failure_at_the_stop_is_told_and_not_repeated);
    tcase_add_test(tc, a_stop_when_it_has_ended_does_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}

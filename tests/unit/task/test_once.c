/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "world.h"

static unsigned runs, successes;
static int fails; /* how many runs fail first */

static void reset(void)
{
    runs = successes = 0;
    fails = 0;
    world_new();
}

static int load(void *arg)
{
    (void)arg;
    runs++;
    ACKD_TRY(ackd_delay(10));
    return fails-- > 0 ? ackd_fail(ACKD_E_RETRY, "not yet") : ACKD_OK;
}

static int want_it(void *arg)
{
    ACKD_TRY(ackd_once(arg, load, NULL));
    successes++;
    return ACKD_OK;
}

START_TEST(it_is_done_once_however_many_ask)
{
    static struct ackd_once once;
    for (int i = 0; i < 10; i++)
        world_spawn(want_it, &once);
    world_run_all();
    ck_assert_uint_eq(successes, 10);
    ck_assert_uint_eq(runs, 1);
    ck_assert_int_eq(world_run(want_it, &once), ACKD_OK);
    ck_assert_uint_eq(runs, 1);
}
END_TEST

START_TEST(a_failure_is_of_who_ran_it_and_the_next_runs_it_again)
{
    static struct ackd_once once;
    fails = 2;
    for (int i = 0; i < 5; i++)
        world_spawn(want_it, &once);
    world_run_all();
    ck_assert_uint_eq(runs, 3);
    ck_assert_uint_eq(successes, 3);
    ck_assert_uint_eq(world_counts().failed, 2);
}
END_TEST

START_TEST(a_cancellation_is_of_who_ran_it_and_the_next_runs_it_again)
{
    static struct ackd_once once;
    struct ackd_task *first = world_spawn(want_it, &once);
    world_spawn(want_it, &once);
    world_settle();
    ackd_task_cancel(first, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_uint_eq(runs, 2);
    ck_assert_uint_eq(successes, 1);
    ck_assert_uint_eq(world_counts().cancelled, 1);
}
END_TEST

static int want_itself(void *arg)
{
    ck_assert_int_eq(ackd_once(arg, want_itself, arg), ACKD_E_CYCLE);
    return ACKD_OK;
}

static int start_wanting(void *arg)
{
    return ackd_once(arg, want_itself, arg);
}

START_TEST(rule_a3_what_asks_for_itself_is_a_cycle)
{
    static struct ackd_once once;
    ck_assert_int_eq(world_run(start_wanting, &once), ACKD_OK);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/once");
    TCase *tc = tcase_create("once");
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, it_is_done_once_however_many_ask);
    tcase_add_test(tc, a_failure_is_of_who_ran_it_and_the_next_runs_it_again);
    tcase_add_test(tc, a_cancellation_is_of_who_ran_it_and_the_next_runs_it_again);
    tcase_add_test(tc, rule_a3_what_asks_for_itself_is_a_cycle);
    suite_add_tcase(suite, tc);
    return suite;
}

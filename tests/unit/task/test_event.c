/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>

#include "world.h"

static struct ackd_event event;
static unsigned passed;

static void reset(void)
{
    passed = 0;
    world_new();
}

static int pass(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_event_await(&event));
    passed++;
    return ACKD_OK;
}

START_TEST(a_set_event_lets_all_through_until_it_is_reset)
{
    ackd_event_init(&event, "open", false);
    for (int i = 0; i < 3; i++)
        world_spawn(pass, NULL);
    world_settle();
    ck_assert_uint_eq(passed, 0);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    ck_assert_uint_eq(passed, 0);
    world_run_all();
    ck_assert_uint_eq(passed, 3);
    ck_assert_int_eq(world_run(pass, NULL), ACKD_OK);
    ck_assert(ackd_event_is_set(&event));
    ck_assert_int_eq(ackd_event_reset(&event), ACKD_OK);
    struct ackd_task *task = world_spawn(pass, NULL);
    world_settle();
    ck_assert_uint_eq(passed, 4);
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ackd_event_fini(&event);
    ck_assert_uint_eq(world_logged("ended-in-use"), 0);
}
END_TEST

START_TEST(one_that_resets_lets_one_through_for_each_set)
{
    ackd_event_init(&event, "next", true);
    for (int i = 0; i < 3; i++)
        world_spawn(pass, NULL);
    world_settle();
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    ck_assert(!ackd_event_is_set(&event));
    world_settle();
    ck_assert_uint_eq(passed, 1);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    world_run_all();
    ck_assert_uint_eq(passed, 3);
    ck_assert(ackd_event_is_set(&event));
    ck_assert_int_eq(world_run(pass, NULL), ACKD_OK);
    ck_assert(!ackd_event_is_set(&event));
}
END_TEST

START_TEST(a_set_that_meets_only_a_cancelled_waiter_is_kept_by_it_or_by_the_event)
{
    ackd_event_init(&event, "next", true);
    struct ackd_task *task = world_spawn(pass, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    world_run_all();
    ck_assert_uint_eq(passed + ackd_event_is_set(&event), 1);
    ck_assert_int_eq(ackd_event_set(&event), ACKD_OK);
    ck_assert(ackd_event_is_set(&event));
}
END_TEST

static int await_what_ends(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_event_await(&event), ACKD_E_CLOSED);
    return ACKD_OK;
}

START_TEST(who_waits_for_an_event_that_ends_is_told)
{
    ackd_event_init(&event, "open", false);
    world_spawn(await_what_ends, NULL);
    world_settle();
    ackd_event_fini(&event);
    memset(&event, 0x5a, sizeof event);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_uint_eq(world_logged("event=ended-in-use"), 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/event");
    TCase *tc = tcase_create("event");
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, a_set_event_lets_all_through_until_it_is_reset);
    tcase_add_test(tc, one_that_resets_lets_one_through_for_each_set);
    tcase_add_test(tc, a_set_that_meets_only_a_cancelled_waiter_is_kept_by_it_or_by_the_event);
    tcase_add_test(tc, who_waits_for_an_event_that_ends_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* Waits for several tasks that would never end. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "world.h"

struct knot {
    struct ackd_task *tasks[3];
    int codes[3];
    char text[256];
    int (*first)(struct knot *knot);
    int (*second)(struct knot *knot);
};

static int knot_all(struct knot *knot)
{
    return ackd_when_all(knot->tasks, 3);
}

static int knot_any(struct knot *knot)
{
    return ackd_when_any(knot->tasks, 3, NULL);
}

static int knot_await(struct knot *knot)
{
    return ackd_await(knot->tasks[2]);
}

static int knot_first(void *arg)
{
    struct knot *knot = arg;
    knot->codes[2] = knot->first(knot);
    return ACKD_OK;
}

static int knot_second(void *arg)
{
    struct knot *knot = arg;
    ACKD_TRY(ackd_delay(1));
    knot->codes[0] = knot->second(knot);
    if (knot->codes[0] == ACKD_E_CYCLE)
        snprintf(knot->text, sizeof knot->text, "%s", ackd_error_text(ackd_error_current()));
    return ACKD_OK;
}

static int knot_third(void *arg)
{
    struct knot *knot = arg;
    ACKD_TRY(ackd_delay(2));
    knot->codes[1] = ackd_await(knot->tasks[2]);
    return ACKD_OK;
}

/* "waiter" waits for "second" and "third", which then wait for it. */
static int tie_knot(void *arg)
{
    struct knot *knot = arg;
    ACKD_SCOPE(scope);
    const struct ackd_task_options second = {.name = "second"}, third = {.name = "third"},
                                   waiter = {.name = "waiter"};
    ACKD_TRY(ackd_spawn_task(&scope, knot_second, knot, &second, &knot->tasks[0]));
    ACKD_TRY(ackd_spawn_task(&scope, knot_third, knot, &third, &knot->tasks[1]));
    struct ackd_task *task;
    ACKD_TRY(ackd_spawn_task(&scope, knot_first, knot, &waiter, &task));
    knot->tasks[2] = knot->tasks[1];
    ACKD_TRY(ackd_yield());
    knot->tasks[2] = task;
    int code = ackd_scope_join(&scope);
    ackd_task_unref(knot->tasks[0]);
    ackd_task_unref(knot->tasks[1]);
    ackd_task_unref(task);
    return code;
}

START_TEST(a_cycle_through_when_all_is_refused)
{
    struct knot knot = {.first = knot_all, .second = knot_await};
    ck_assert_int_eq(world_run(tie_knot, &knot), ACKD_OK);
    ck_assert_int_eq(knot.codes[0], ACKD_E_CYCLE);
    ck_assert_str_eq(knot.text, "'second' would wait for 'waiter', which waits for 'second'");
    ck_assert_int_eq(knot.codes[1], ACKD_E_CYCLE);
    ck_assert_int_eq(knot.codes[2], ACKD_OK);
}
END_TEST

START_TEST(a_cycle_through_when_any_is_refused_to_the_last_that_could_end_it)
{
    struct knot knot = {.first = knot_any, .second = knot_await};
    ck_assert_int_eq(world_run(tie_knot, &knot), ACKD_OK);
    ck_assert_int_eq(knot.codes[0], ACKD_OK); /* "third" may still end the wait */
    ck_assert_int_eq(knot.codes[1], ACKD_E_CYCLE);
    ck_assert_int_eq(knot.codes[2], ACKD_OK);
}
END_TEST

static int wait_for_self(void *arg)
{
    struct ackd_task *tasks[] = {arg, ackd_task_current()};
    ck_assert_int_eq(ackd_when_all(tasks, 2), ACKD_E_CYCLE);
    ck_assert_int_eq(ackd_when_any(&tasks[1], 1, NULL), ACKD_E_CYCLE);
    ck_assert_int_eq(ackd_race(tasks, 2, NULL), ACKD_E_CYCLE);
    ck_assert_int_eq(ackd_when_any(tasks, 2, NULL), ACKD_E_CYCLE); /* the parent and itself */
    ck_assert(!ackd_cancellation_requested());
    return ACKD_OK;
}

static int child_waits_for_parent(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_for_self, ackd_task_current()));
    return ackd_scope_join(&scope);
}

START_TEST(neither_oneself_nor_the_parent_can_be_waited_for)
{
    ck_assert_int_eq(world_run(child_waits_for_parent, NULL), ACKD_OK);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/cycle");
    TCase *tc = tcase_create("cycle");
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, a_cycle_through_when_all_is_refused);
    tcase_add_test(tc, a_cycle_through_when_any_is_refused_to_the_last_that_could_end_it);
    tcase_add_test(tc, neither_oneself_nor_the_parent_can_be_waited_for);
    suite_add_tcase(suite, tc);
    return suite;
}

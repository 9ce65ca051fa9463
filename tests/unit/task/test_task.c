/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>

#include "base/timer.h"
#include "world.h"

static char order[64];

#define LETTER(letter) ((void *)(uintptr_t)(letter))

static void note(char letter)
{
    size_t length = strlen(order);
    ck_assert_uint_lt(length + 1, sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static void reset(void)
{
    order[0] = '\0';
    world_new();
}

static int note_arg(void *arg)
{
    note((char)(uintptr_t)arg);
    return ACKD_OK;
}

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int spawn_three(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, note_arg, LETTER('A')));
    ACKD_TRY(ackd_spawn(&scope, note_arg, LETTER('B')));
    ACKD_TRY(ackd_spawn(&scope, note_arg, LETTER('C')));
    note('-');
    ACKD_TRY(ackd_scope_join(&scope));
    note('.');
    return ACKD_OK;
}

START_TEST(rule_t1_spawn_returns_before_the_body_runs)
{
    ck_assert_int_eq(world_run(spawn_three, NULL), ACKD_OK);
    ck_assert_int_eq(order[0], '-');
}
END_TEST

START_TEST(rule_t2_children_start_in_the_order_of_spawning)
{
    ck_assert_int_eq(world_run(spawn_three, NULL), ACKD_OK);
    ck_assert_str_eq(order, "-ABC.");
}
END_TEST

static int delay_and_note(void *arg)
{
    ACKD_TRY(ackd_delay((uintptr_t)arg - '0'));
    note((char)(uintptr_t)arg);
    return ACKD_OK;
}

START_TEST(a_root_without_children_ends_in_one_turn)
{
    world_spawn(succeed, NULL);
    scheduler_turn(world.scheduler);
    ck_assert(world.end.ended);
    ck_assert_uint_eq(world_counts().succeeded, 1);
    ck_assert_uint_eq(world_counts().switches, 0);
}
END_TEST

START_TEST(roots_delay_side_by_side)
{
    world_spawn(delay_and_note, LETTER('5'));
    world_spawn(delay_and_note, LETTER('3'));
    world_spawn(delay_and_note, LETTER('9'));
    world_run_all();
    ck_assert_str_eq(order, "359");
    ck_assert_uint_eq(world.now_ns, 1000 * NS_PER_S + 9 * NS_PER_MS);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/task");
    TCase *tc = tcase_create("task");
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_t1_spawn_returns_before_the_body_runs);
    tcase_add_test(tc, rule_t2_children_start_in_the_order_of_spawning);
    tcase_add_test(tc, a_root_without_children_ends_in_one_turn);
    tcase_add_test(tc, roots_delay_side_by_side);
    suite_add_tcase(suite, tc);
    return suite;
}

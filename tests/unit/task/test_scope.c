/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>

#include "base/timer.h"
#include "world.h"

static char order[64];

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

static int delay_and_note(void *arg)
{
    int code = ackd_delay((uint64_t)(intptr_t)arg);
    note(code == ACKD_OK ? 'o' : 'c');
    return code;
}

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int fail_after(void *arg)
{
    ACKD_TRY(ackd_delay((uint64_t)(intptr_t)arg));
    return ackd_fail(ACKD_E_REFUSED, "after %d ms", (int)(intptr_t)arg);
}

#define MS(ms) ((void *)(intptr_t)(ms))

__attribute__((noinline)) static int leave_block(bool fail)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, delay_and_note, MS(500)));
    ACKD_TRY(ackd_spawn(&scope, delay_and_note, MS(1)));
    ACKD_TRY(ackd_delay(2));
    if (fail)
        return ackd_fail(ACKD_E_TLS, "left early");
    return ACKD_OK;
}

static int leave_block_and_look(void *arg)
{
    int code = leave_block(arg != NULL);
    ck_assert_str_eq(order, "oc");
    ck_assert_uint_eq(world_counts().live, 1);
    ck_assert(!ackd_cancellation_requested());
    return code;
}

START_TEST(rule_s1_a_block_is_left_after_its_children)
{
    ck_assert_int_eq(world_run(leave_block_and_look, NULL), ACKD_OK);
    order[0] = '\0';
    ck_assert_int_eq(world_run(leave_block_and_look, order), ACKD_E_TLS);
    ck_assert_str_eq(ackd_error_text(world.end.error), "left early");
}
END_TEST

static int fail_twice(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, fail_after, MS(5)));
    ACKD_TRY(ackd_spawn(&scope, fail_after, MS(5)));
    ACKD_TRY(ackd_spawn(&scope, delay_and_note, MS(500)));
    int code = ackd_scope_join(&scope);
    ck_assert(!ackd_cancellation_requested());
    ck_assert_int_eq(ackd_delay(1), ACKD_OK);
    (void)arg;
    return code;
}

START_TEST(rule_s2_the_first_failure_stops_the_others_and_is_the_result)
{
    ck_assert_int_eq(world_run(fail_twice, NULL), ACKD_E_REFUSED);
    ck_assert_str_eq(order, "c");
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 1);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, 0)), ACKD_E_REFUSED);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

static int supervise(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn(&scope, fail_after, MS(5)));
    ACKD_TRY(ackd_spawn(&scope, delay_and_note, MS(50)));
    return ackd_scope_join(&scope);
}

static int fail_when_cancelled(void *arg)
{
    int code = ackd_delay(500);
    return code == ACKD_CANCELED ? ackd_fail(*(int *)arg, "while being cancelled") : code;
}

static int fail_with_suppressed(void *arg)
{
    (void)arg;
    static int codes[] = {ACKD_E_TLS, ACKD_E_EXIT};
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, fail_when_cancelled, &codes[0]));
    ACKD_TRY(ackd_spawn(&scope, delay_and_note, MS(500)));
    ACKD_TRY(ackd_spawn(&scope, fail_after, MS(5)));
    ACKD_TRY(ackd_spawn(&scope, fail_when_cancelled, &codes[1]));
    return ackd_scope_join(&scope);
}

START_TEST(rule_s2_later_failures_are_attached_and_cancellations_are_not)
{
    ck_assert_int_eq(world_run(fail_with_suppressed, NULL), ACKD_E_REFUSED);
    ck_assert_str_eq(ackd_error_text(world.end.error), "after 5 ms");
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 2);
    ck_assert_uint_eq(world_counts().cancelled, 1);
    bool tls = false, exited = false;
    for (size_t i = 0; i < 2; i++) {
        int code = ackd_error_code(ackd_error_child(world.end.error, i));
        tls = tls || code == ACKD_E_TLS;
        exited = exited || code == ACKD_E_EXIT;
    }
    ck_assert(tls && exited);
}
END_TEST

static int supervise_and_read(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {.name = "child"};
    struct ackd_task *tasks[2];
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, fail_after, MS(5), &options, &tasks[0]));
    ACKD_TRY(ackd_spawn_task(&scope, fail_after, MS(6), &options, &tasks[1]));
    ACKD_TRY(ackd_scope_join(&scope));
    ck_assert_int_eq(ackd_error_code(ackd_task_error(tasks[0])), ACKD_E_REFUSED);
    ck_assert_str_eq(ackd_error_task_name(ackd_task_error(tasks[0])), "child");
    ck_assert_uint_eq(ackd_error_task_id(ackd_task_error(tasks[0])), ackd_task_id(tasks[0]));
    ck_assert_str_eq(ackd_error_function(ackd_task_error(tasks[0])), "fail_after");
    ackd_task_unref(tasks[0]);
    ackd_task_unref(tasks[1]);
    return ACKD_OK;
}

START_TEST(rule_s3_a_failure_that_was_read_is_not_reported)
{
    ck_assert_int_eq(world_run(supervise_and_read, NULL), ACKD_OK);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
    ck_assert_uint_eq(world_logged("after 6 ms"), 1);
}
END_TEST

START_TEST(rule_s3_a_supervised_child_disturbs_nobody_and_is_reported)
{
    ck_assert_int_eq(world_run(supervise, NULL), ACKD_OK);
    ck_assert_str_eq(order, "o");
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
}
END_TEST

static int fail_both(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, fail_after, MS(0)));
    int code = ackd_delay(100);
    ck_assert_int_eq(code, ACKD_CANCELED);
    return ackd_fail(ACKD_E_TLS, "of the parent");
}

static int let_the_child_fail(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, fail_after, MS(3)));
    ACKD_TRY(ackd_delay(100));
    return ackd_scope_join(&scope);
}

START_TEST(rule_s4_the_parents_failure_comes_first)
{
    ck_assert_int_eq(world_run(fail_both, NULL), ACKD_E_TLS);
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 1);
    ck_assert_str_eq(ackd_error_text(ackd_error_child(world.end.error, 0)), "after 0 ms");
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

START_TEST(a_body_stopped_by_its_childs_failure_ends_with_that_failure)
{
    ck_assert_int_eq(world_run(let_the_child_fail, NULL), ACKD_E_REFUSED);
    ck_assert_str_eq(ackd_error_text(world.end.error), "after 3 ms");
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

static int ignore_the_failure(void *arg)
{
    {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, fail_after, arg));
        if (ackd_delay(100) != ACKD_CANCELED)
            return ACKD_E_INTERNAL;
    }
    return ACKD_OK;
}

START_TEST(a_failure_that_a_scope_kept_and_nobody_read_is_reported)
{
    ck_assert_int_eq(world_run(ignore_the_failure, MS(3)), ACKD_OK);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
    ck_assert_uint_eq(world_logged("after 3 ms"), 1);
}
END_TEST

static int spawn_where_none_is_taken(void *arg)
{
    (void)arg;
    ACKD_SCOPE(joined);
    ACKD_TRY(ackd_scope_join(&joined));
    ck_assert_int_eq(ackd_spawn(&joined, succeed, NULL), ACKD_E_CLOSED);
    ck_assert_int_eq(ackd_scope_join(&joined), ACKD_E_CLOSED);
    ACKD_SCOPE(cancelled);
    ackd_scope_cancel(&cancelled, ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(ackd_spawn(&cancelled, delay_and_note, MS(1)), ACKD_CANCELED);
    ck_assert_int_eq(ackd_delay(1), ACKD_CANCELED);
    ck_assert_int_eq(ackd_scope_join(&cancelled), ACKD_OK);
    ck_assert_int_eq(ackd_delay(1), ACKD_OK);
    return ACKD_OK;
}

START_TEST(rule_s5_a_joined_or_cancelled_scope_takes_no_child)
{
    ck_assert_int_eq(world_run(spawn_where_none_is_taken, NULL), ACKD_OK);
    ck_assert_str_eq(order, "");
    ck_assert_uint_eq(world_counts().created, 1);
}
END_TEST

static int spawn_sibling(void *arg)
{
    note('s');
    return ackd_spawn(arg, delay_and_note, MS(20));
}

static int join_with_siblings(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, spawn_sibling, &scope));
    ACKD_TRY(ackd_scope_join(&scope));
    note('j');
    return ACKD_OK;
}

START_TEST(rule_s6_join_waits_for_children_spawned_by_children)
{
    ck_assert_int_eq(world_run(join_with_siblings, NULL), ACKD_OK);
    ck_assert_str_eq(order, "soj");
}
END_TEST

static void note_call(void *arg)
{
    note(*(const char *)arg);
}

static int calls_in_child(void *arg)
{
    static char letter[] = "3";
    struct ackd_cancel_call call;
    (void)arg;
    ackd_cancel_call_add(&call, note_call, letter);
    int code = ackd_delay(1000);
    ackd_cancel_call_remove(&call);
    return code;
}

static int calls_on_each_level(void *arg)
{
    static char letters[] = "12";
    struct ackd_cancel_call outer, inner;
    (void)arg;
    ackd_cancel_call_add(&outer, note_call, &letters[0]);
    int code;
    {
        ACKD_SCOPE(scope);
        ackd_cancel_call_add(&inner, note_call, &letters[1]);
        ACKD_TRY(ackd_spawn(&scope, calls_in_child, NULL));
        code = ackd_scope_join(&scope);
        ackd_cancel_call_remove(&inner);
    }
    ackd_cancel_call_remove(&outer);
    return code;
}

START_TEST(rule_s7_an_outer_request_reaches_the_innermost_calls_first)
{
    struct ackd_task *task = world_spawn(calls_on_each_level, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert_str_eq(order, "321");
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

static int note_time_left(void *arg)
{
    *(uint64_t *)arg = ackd_time_left_ms();
    return ACKD_OK;
}

static int open_before_limit(void *arg)
{
    struct ackd_deadline deadline;
    ACKD_SCOPE(scope);
    ackd_deadline_push(&deadline, 30);
    ACKD_TRY(ackd_spawn(&scope, note_time_left, arg));
    return ackd_deadline_pop(&deadline, ackd_scope_join(&scope));
}

START_TEST(rule_s8_children_take_the_context_in_which_their_scope_was_opened)
{
    uint64_t left_ms = 0;
    ck_assert_int_eq(world_run(open_before_limit, &left_ms), ACKD_OK);
    ck_assert_uint_eq(left_ms, UINT64_MAX);
}
END_TEST

static int spawn_from_within_a_limit(void *arg)
{
    struct ackd_deadline deadline;
    struct ackd_scope **scope = arg;
    ackd_deadline_push(&deadline, 30);
    int code = ackd_spawn(*scope, delay_and_note, MS(50));
    return ackd_deadline_pop(&deadline, code);
}

static int spawn_in_foreign_context(void *arg)
{
    (void)arg;
    ACKD_SCOPE(outer);
    struct ackd_scope *scope = &outer;
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 100));
    ACKD_TRY(ackd_spawn(&outer, delay_and_note, MS(40))); /* the shield is not its own */
    ackd_shield_pop(&shield);
    ACKD_TRY(ackd_spawn(&outer, spawn_from_within_a_limit, &scope));
    ACKD_TRY(ackd_delay(10));
    ackd_scope_cancel(&outer, ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(ackd_scope_join(&outer), ACKD_CANCELED);
    ck_assert_int_eq(ackd_awaited_reason(), ACKD_CANCEL_REQUESTED);
    return ACKD_OK;
}

START_TEST(rule_s8_neither_shields_nor_limits_of_who_spawns_are_taken_over)
{
    ck_assert_int_eq(world_run(spawn_in_foreign_context, NULL), ACKD_OK);
    ck_assert_str_eq(order, "cc");
    ck_assert_uint_eq(world.now_ns, (1000 + 0) * NS_PER_S + 10 * NS_PER_MS);
}
END_TEST

static int use_copy(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    struct ackd_scope copy = scope;
    ck_assert_int_eq(ackd_spawn(&copy, succeed, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_scope_join(&copy), ACKD_E_INVAL);
    ackd_scope_close(&copy);
    return ackd_scope_join(&scope);
}

START_TEST(rule_s9_a_copy_of_a_scope_is_refused)
{
    ck_assert_int_eq(world_run(use_copy, NULL), ACKD_OK);
}
END_TEST

static int nest(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0)
        return ackd_delay(3600 * 1000);
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, nest, MS(depth - 1)));
    return ackd_scope_join(&scope);
}

START_TEST(rule_s10_a_hundred_levels_unwind_at_once)
{
    struct ackd_task *task = world_spawn(nest, MS(100));
    world_settle();
    ck_assert_uint_eq(world_counts().live, 101);
    uint64_t before = world_counts().dispatched;
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    scheduler_turn(world.scheduler);
    ck_assert(world.end.ended);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_uint_eq(world_counts().cancelled, 101);
    ck_assert_uint_le(world_counts().dispatched - before, 256);
}
END_TEST

static int quiet(void *arg)
{
    return ackd_delay((uint64_t)(intptr_t)arg);
}

static int spawn_a_thousand(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    for (int i = 0; i < 1000; i++)
        ACKD_TRY(ackd_spawn(&scope, quiet, MS(i % 3 == 0 ? 999 : 1)));
    return ackd_delay(10);
}

START_TEST(rule_s11_nothing_lives_after_the_root_ended)
{
    ck_assert_int_eq(world_run(spawn_a_thousand, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().live, 0);
    ck_assert_uint_eq(world_counts().cancelled, 334);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

static int cancelled_join(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, delay_and_note, MS(500)));
    *(int *)arg = ackd_scope_join(&scope);
    return *(int *)arg;
}

START_TEST(a_cancelled_join_cancels_the_children_and_waits_for_them)
{
    int code = 99;
    struct ackd_task *task = world_spawn(cancelled_join, &code);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_PAUSE);
    world_settle();
    ck_assert_int_eq(code, ACKD_CANCELED);
    ck_assert_str_eq(order, "c");
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_PAUSE);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/scope");
    TCase *tc = tcase_create("scope");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_s1_a_block_is_left_after_its_children);
    tcase_add_test(tc, rule_s2_the_first_failure_stops_the_others_and_is_the_result);
    tcase_add_test(tc, rule_s2_later_failures_are_attached_and_cancellations_are_not);
    tcase_add_test(tc, rule_s3_a_supervised_child_disturbs_nobody_and_is_reported);
    tcase_add_test(tc, rule_s3_a_failure_that_was_read_is_not_reported);
    tcase_add_test(tc, rule_s4_the_parents_failure_comes_first);
    tcase_add_test(tc, a_body_stopped_by_its_childs_failure_ends_with_that_failure);
    tcase_add_test(tc, a_failure_that_a_scope_kept_and_nobody_read_is_reported);
    tcase_add_test(tc, rule_s5_a_joined_or_cancelled_scope_takes_no_child);
    tcase_add_test(tc, rule_s6_join_waits_for_children_spawned_by_children);
    tcase_add_test(tc, rule_s7_an_outer_request_reaches_the_innermost_calls_first);
    tcase_add_test(tc, rule_s8_children_take_the_context_in_which_their_scope_was_opened);
    tcase_add_test(tc, rule_s8_neither_shields_nor_limits_of_who_spawns_are_taken_over);
    tcase_add_test(tc, rule_s9_a_copy_of_a_scope_is_refused);
    tcase_add_test(tc, rule_s10_a_hundred_levels_unwind_at_once);
    tcase_add_test(tc, rule_s11_nothing_lives_after_the_root_ended);
    tcase_add_test(tc, a_cancelled_join_cancels_the_children_and_waits_for_them);
    suite_add_tcase(suite, tc);
    return suite;
}

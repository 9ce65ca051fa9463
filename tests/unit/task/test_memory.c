/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <stdint.h>
#include <string.h>

#include "base/timer.h"
#include "world.h"

static int allocate_all_kinds(void *arg)
{
    (void)arg;
    char *copy = ackd_strdup("order");
    char *text = ackd_printf("%s %d", copy, 7);
    ck_assert_str_eq(text, "order 7");
    for (size_t size = 1; size < 100000; size *= 3) {
        char *bytes = ackd_alloc(size);
        ck_assert_ptr_nonnull(bytes);
        ck_assert_uint_eq((uintptr_t)bytes % _Alignof(max_align_t), 0);
        memset(bytes, 0x5a, size);
    }
    ACKD_TRY(ackd_yield());
    ck_assert_str_eq(text, "order 7");
    ck_assert_str_eq(copy, "order");
    return ACKD_OK;
}

START_TEST(memory_of_a_task_lives_until_it_ends)
{
    for (int i = 0; i < 3; i++) {
        world_spawn(allocate_all_kinds, NULL);
        world_spawn(allocate_all_kinds, NULL);
    }
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, 6);
}
END_TEST

static char order[32];

static void note(void *arg)
{
    strcat(order, arg);
    ck_assert_ptr_nonnull(ackd_task_current());
}

static char letters[3][2] = {"1", "2", "3"};

static int defer_three(void *arg)
{
    for (int i = 0; i < 3; i++)
        ACKD_TRY(ackd_defer(note, letters[i]));
    if (arg != NULL)
        return ackd_fail(ACKD_E_TLS, "on the way");
    return ACKD_OK;
}

START_TEST(deferred_calls_run_last_first_whatever_way_it_ends)
{
    ck_assert_int_eq(world_run(defer_three, NULL), ACKD_OK);
    ck_assert_int_eq(world_run(defer_three, order), ACKD_E_TLS);
    ck_assert_str_eq(order, "321321");
    ck_assert_str_eq(ackd_error_text(world.end.error), "on the way");
}
END_TEST

static void clean_up_slowly(void *arg)
{
    *(int *)arg = ackd_delay(1000);
}

static int defer_and_wait(void *arg)
{
    ACKD_TRY(ackd_defer(clean_up_slowly, arg));
    return ackd_delay(3600 * 1000);
}

START_TEST(a_deferred_call_may_await_though_the_task_is_cancelled)
{
    int code = 99;
    struct ackd_task *task = world_spawn(defer_and_wait, &code);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert_int_eq(ackd_task_state(task), ACKD_TASK_JOINING);
    world_pass_ms(1000);
    ck_assert_int_eq(code, ACKD_OK);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

static void clean_up_for_ever(void *arg)
{
    while (ackd_delay(1000) == ACKD_OK)
        ++*(int *)arg;
}

static int defer_for_ever(void *arg)
{
    return ackd_defer(clean_up_for_ever, arg);
}

START_TEST(deferred_calls_have_a_bound)
{
    int seconds = 0;
    uint64_t from_ns = world.now_ns;
    ck_assert_int_eq(world_run(defer_for_ever, &seconds), ACKD_OK);
    ck_assert_uint_eq(world.now_ns, from_ns + ACKD_DEFER_MS * NS_PER_MS);
    ck_assert_int_le(seconds, 5);
}
END_TEST

static void defer_another(void *arg)
{
    note(letters[0]);
    if (arg != NULL)
        ck_assert_int_eq(ackd_defer(defer_another, NULL), ACKD_OK);
}

static int defer_in_deferred(void *arg)
{
    return ackd_defer(defer_another, arg);
}

START_TEST(a_deferred_call_may_defer)
{
    order[0] = '\0';
    ck_assert_int_eq(world_run(defer_in_deferred, order), ACKD_OK);
    ck_assert_str_eq(order, "11");
}
END_TEST

static void free_block(void *arg)
{
    strcat(order, "d");
    ck_assert_str_eq(arg, "kept");
}

static int child_uses_memory(void *arg)
{
    ACKD_TRY(ackd_delay(5));
    strcat(order, "c");
    ck_assert_str_eq(arg, "kept");
    return ACKD_OK;
}

static int memory_outlives_children(void *arg)
{
    (void)arg;
    char *text = ackd_strdup("kept");
    struct ackd_scope *scope = ackd_alloc(sizeof *scope);
    ACKD_TRY(ackd_defer(free_block, text));
    ackd_scope_open_at(scope, ACKD_SCOPE_FAIL_FAST, ACKD_HERE);
    ACKD_TRY(ackd_spawn(scope, child_uses_memory, text));
    return ackd_delay(5);
}

START_TEST(memory_goes_after_children_and_deferred_calls)
{
    order[0] = '\0';
    ck_assert_int_eq(world_run(memory_outlives_children, NULL), ACKD_OK);
    ck_assert_str_eq(order, "cd");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/memory");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, memory_of_a_task_lives_until_it_ends);
    tcase_add_test(tc, deferred_calls_run_last_first_whatever_way_it_ends);
    tcase_add_test(tc, a_deferred_call_may_await_though_the_task_is_cancelled);
    tcase_add_test(tc, deferred_calls_have_a_bound);
    tcase_add_test(tc, a_deferred_call_may_defer);
    tcase_add_test(tc, memory_goes_after_children_and_deferred_calls);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>

#include "world.h"

static struct ackd_mutex mutex, other;
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
    ackd_mutex_init(&mutex, "ledger");
    ackd_mutex_init(&other, "other");
}

static int lock_and_work(void *arg)
{
    ACKD_TRY(ackd_mutex_lock(&mutex));
    note(*(const char *)arg);
    ACKD_TRY(ackd_delay(10));
    note(*(const char *)arg);
    return ackd_mutex_unlock(&mutex);
}

START_TEST(one_holds_it_at_a_time_in_the_order_of_asking)
{
    static char letters[] = "abc";
    for (int i = 0; i < 3; i++)
        world_spawn(lock_and_work, &letters[i]);
    world_run_all();
    ck_assert_str_eq(order, "aabbcc");
}
END_TEST

static int lock_twice(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_mutex_lock(&mutex));
    ck_assert_int_eq(ackd_mutex_lock(&mutex), ACKD_E_CYCLE);
    ck_assert(strstr(ackd_error_text(ackd_error_current()), "'ledger'") != NULL);
    ck_assert(!ackd_mutex_try_lock(&mutex));
    ACKD_TRY(ackd_mutex_unlock(&mutex));
    ck_assert_int_eq(ackd_mutex_unlock(&mutex), ACKD_E_INVAL);
    const struct ackd_error *refused = ackd_error_current();
    ck_assert_ptr_nonnull(strstr(ackd_error_text(refused), "which nobody holds"));
    ck_assert_ptr_nonnull(strstr(ackd_error_file(refused), "test_mutex.c"));
    ck_assert(ackd_mutex_try_lock(&mutex));
    return ackd_mutex_unlock(&mutex);
}

START_TEST(rule_a3_it_is_not_recursive)
{
    ck_assert_int_eq(world_run(lock_twice, NULL), ACKD_OK);
    ck_assert(!ackd_mutex_try_lock(&mutex));
    ck_assert_int_eq(ackd_mutex_unlock(&mutex), ACKD_E_INVAL);
}
END_TEST

static int lock_one_then_other(void *arg)
{
    struct ackd_mutex *first = arg, *second = first == &mutex ? &other : &mutex;
    ACKD_TRY(ackd_mutex_lock(first));
    ACKD_TRY(ackd_delay(10));
    int code = ackd_mutex_lock(second);
    if (code == ACKD_OK)
        ACKD_TRY(ackd_mutex_unlock(second));
    else
        ck_assert(strstr(ackd_error_text(ackd_error_current()), "which waits for") != NULL);
    ACKD_TRY(ackd_mutex_unlock(first));
    return code;
}

START_TEST(rule_a3_two_in_the_wrong_order_are_a_cycle)
{
    world_spawn(lock_one_then_other, &mutex);
    world_spawn(lock_one_then_other, &other);
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, 1);
    ck_assert_uint_eq(world_counts().failed, 1);
}
END_TEST

static int lock_code;

static int lock_and_keep_code(void *arg)
{
    (void)arg;
    lock_code = ackd_mutex_lock(&mutex);
    return lock_code == ACKD_OK ? ackd_mutex_unlock(&mutex) : ACKD_OK;
}

static int hold_and_join_who_wants_it(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_mutex_lock(&mutex));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, lock_and_keep_code, NULL));
    ACKD_TRY(ackd_scope_join(&scope));
    return ackd_mutex_unlock(&mutex);
}

START_TEST(rule_a3_a_child_that_wants_what_its_joining_parent_holds_is_a_cycle)
{
    ck_assert_int_eq(world_run(hold_and_join_who_wants_it, NULL), ACKD_OK);
    ck_assert_int_eq(lock_code, ACKD_E_CYCLE);
}
END_TEST

static int hold_a_while_then_join(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_mutex_lock(&mutex));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, lock_and_keep_code, NULL));
    ACKD_TRY(ackd_delay(10));
    ACKD_TRY(ackd_mutex_unlock(&mutex));
    return ackd_scope_join(&scope);
}

START_TEST(a_child_may_wait_for_a_parent_that_goes_on)
{
    ck_assert_int_eq(world_run(hold_a_while_then_join, NULL), ACKD_OK);
    ck_assert_int_eq(lock_code, ACKD_OK);
}
END_TEST

static int hold_and_await_who_wants_it(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {.name = "wanter"};
    struct ackd_task *task;
    ACKD_TRY(ackd_mutex_lock(&mutex));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, lock_and_keep_code, NULL, &options, &task));
    ACKD_TRY(ackd_yield());
    ck_assert_int_eq(ackd_await(task), ACKD_E_CYCLE);
    ACKD_TRY(ackd_mutex_unlock(&mutex));
    int code = ackd_await(task);
    ackd_task_unref(task);
    return code;
}

START_TEST(rule_a3_awaiting_who_waits_for_our_mutex_is_a_cycle)
{
    ck_assert_int_eq(world_run(hold_and_await_who_wants_it, NULL), ACKD_OK);
    ck_assert_int_eq(lock_code, ACKD_OK);
}
END_TEST

static int lock_for_ever(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_mutex_lock(&mutex));
    return ackd_delay(5);
}

START_TEST(a_task_that_ends_without_unlocking_is_reported_and_unlocked)
{
    static char letter[] = "a";
    world_spawn(lock_for_ever, NULL);
    world_spawn(lock_and_work, letter);
    world_run_all();
    ck_assert_str_eq(order, "aa");
    ck_assert_uint_eq(world_logged("event=left-locked"), 1);
    ck_assert(strstr(world.log, "test_mutex.c") != NULL);
}
END_TEST

static __attribute__((noinline)) int lock_on_a_stack_that_goes(void)
{
    struct ackd_mutex local;
    ackd_mutex_init(&local, "local");
    return ackd_mutex_lock(&local);
}

static int leave_a_locked_mutex(void *arg)
{
    (void)arg;
    ACKD_TRY(lock_on_a_stack_that_goes());
    char over[256];
    memset(over, 0x5a, sizeof over);
    ACKD_TRY(ackd_delay(over[7] == 0x5a ? 1 : 2));
    return lock_on_a_stack_that_goes();
}

START_TEST(a_locked_mutex_whose_block_is_gone_is_left_alone)
{
    ck_assert_int_eq(world_run(leave_a_locked_mutex, NULL), ACKD_OK);
    ck_assert_uint_eq(world_logged("event=left-locked"), 0);
}
END_TEST

static void *use_its_memory(void *arg)
{
    return memset(arg, 0x5a, sizeof(struct ackd_mutex));
}

static int forget_a_locked_mutex(void *arg)
{
    struct ackd_mutex *forgotten = arg;
    const struct ackd_task_options options = {.name = "child"};
    struct ackd_task *task;
    static char letter[] = "c";
    ackd_mutex_init(forgotten, "forgotten");
    ACKD_TRY(ackd_mutex_lock(forgotten));
    use_its_memory(forgotten);
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, lock_and_work, letter, &options, &task));
    int code = ackd_await(task); /* which follows what this task has locked */
    ackd_task_unref(task);
    return code;
}

START_TEST(a_locked_mutex_whose_memory_is_used_for_something_else_is_left_alone)
{
    static struct ackd_mutex forgotten;
    ck_assert_int_eq(world_run(forget_a_locked_mutex, &forgotten), ACKD_OK);
    ck_assert_uint_eq(world_logged("event=left-locked"), 0);
}
END_TEST

START_TEST(a_cancelled_waiter_does_not_get_it_and_a_granted_one_does)
{
    static char letters[] = "abc";
    struct ackd_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = world_spawn(lock_and_work, &letters[i]);
    world_settle();
    ackd_task_cancel(tasks[1], ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_str_eq(order, "aacc");
}
END_TEST

static int cancel_who_was_granted(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {.name = "granted"};
    static char letter[] = "g";
    struct ackd_task *task;
    ACKD_TRY(ackd_mutex_lock(&mutex));
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, lock_and_work, letter, &options, &task));
    ACKD_TRY(ackd_yield());
    ACKD_TRY(ackd_mutex_unlock(&mutex));
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(ackd_await(task), ACKD_CANCELED);
    ackd_task_unref(task);
    ck_assert(ackd_mutex_try_lock(&mutex));
    return ackd_mutex_unlock(&mutex);
}

START_TEST(rule_a7_a_grant_counts_and_the_next_await_is_cancelled)
{
    ck_assert_int_eq(world_run(cancel_who_was_granted, NULL), ACKD_OK);
    ck_assert_str_eq(order, "g");
    ck_assert_uint_eq(world_logged("event=left-locked"), 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/mutex");
    TCase *tc = tcase_create("mutex");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, one_holds_it_at_a_time_in_the_order_of_asking);
    tcase_add_test(tc, rule_a3_it_is_not_recursive);
    tcase_add_test(tc, rule_a3_two_in_the_wrong_order_are_a_cycle);
    tcase_add_test(tc, rule_a3_a_child_that_wants_what_its_joining_parent_holds_is_a_cycle);
    tcase_add_test(tc, a_child_may_wait_for_a_parent_that_goes_on);
    tcase_add_test(tc, rule_a3_awaiting_who_waits_for_our_mutex_is_a_cycle);
    tcase_add_test(tc, a_task_that_ends_without_unlocking_is_reported_and_unlocked);
    tcase_add_test(tc, a_locked_mutex_whose_block_is_gone_is_left_alone);
    tcase_add_test(tc, a_locked_mutex_whose_memory_is_used_for_something_else_is_left_alone);
    tcase_add_test(tc, a_cancelled_waiter_does_not_get_it_and_a_granted_one_does);
    tcase_add_test(tc, rule_a7_a_grant_counts_and_the_next_await_is_cancelled);
    suite_add_tcase(suite, tc);
    return suite;
}

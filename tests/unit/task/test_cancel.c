/* SPDX-License-Identifier: MIT */
#define ACKD_ALLOW_BLOCKING /* threads of its own pause */
#include <config.h>

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/timer.h"
#include "task/wait.h"
#include "world.h"

static char order[32];

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

static int delay_an_hour(void *arg)
{
    (void)arg;
    return ackd_delay(3600 * 1000);
}

/* Start @fn, cancel it once it waits, and see it through. */
static void cancel_root(ackd_task_fn *fn, void *arg, enum ackd_cancel_reason reason)
{
    struct ackd_task *task = world_spawn(fn, arg);
    world_settle();
    ackd_task_cancel(task, reason);
    world_settle();
}

static void view_reason(const struct scheduler_view *view, void *arg)
{
    *(enum ackd_cancel_reason *)arg = view->cancel_reason;
}

static void look_by_visit(void *arg)
{
    scheduler_visit(world.scheduler, view_reason, arg);
}

static int call_and_wait(void *arg)
{
    struct ackd_cancel_call call;
    ackd_cancel_call_add(&call, look_by_visit, arg);
    int code = ackd_delay(1000);
    ackd_cancel_call_remove(&call);
    return code;
}

START_TEST(rule_c1_the_request_is_seen_before_the_first_call_runs)
{
    enum ackd_cancel_reason seen = ACKD_CANCEL_NONE;
    cancel_root(call_and_wait, &seen, ACKD_CANCEL_PAUSE);
    ck_assert_int_eq(seen, ACKD_CANCEL_PAUSE);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

START_TEST(rule_c2_a_second_request_changes_nothing)
{
    struct ackd_task *task = world_spawn(delay_an_hour, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_PAUSE);
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_PAUSE);
    ck_assert_uint_eq(world_counts().cancelled, 1);
}
END_TEST

static void note_call(void *arg)
{
    note(*(const char *)arg);
}

static struct ackd_cancel_call late_call;

static void remove_first(void *arg)
{
    note(*(const char *)arg);
    ackd_cancel_call_remove(&late_call);
    ackd_cancel_call_remove(&late_call);
}

static int three_calls(void *arg)
{
    static char letters[] = "123";
    struct ackd_cancel_call second, third;
    ackd_cancel_call_add(&late_call, note_call, &letters[0]);
    ackd_cancel_call_add(&second, note_call, &letters[1]);
    ackd_cancel_call_add(&third, arg == NULL ? note_call : remove_first, &letters[2]);
    int code = ackd_delay(1000);
    ackd_cancel_call_remove(&third);
    ackd_cancel_call_remove(&second);
    ackd_cancel_call_remove(&late_call);
    return code;
}

START_TEST(rule_c3_calls_run_last_registered_first_and_once)
{
    cancel_root(three_calls, NULL, ACKD_CANCEL_REQUESTED);
    ck_assert_str_eq(order, "321");
}
END_TEST

START_TEST(rule_c4_a_call_can_prevent_one_that_is_still_to_run)
{
    cancel_root(three_calls, order, ACKD_CANCEL_REQUESTED);
    ck_assert_str_eq(order, "32");
}
END_TEST

static int call_when_cancelled(void *arg)
{
    static char letter[] = "!";
    struct ackd_cancel_call call;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    ackd_cancel_call_add(&call, note_call, letter);
    note('.');
    ackd_cancel_call_remove(&call);
    return arg == NULL ? ACKD_CANCELED : ACKD_OK;
}

START_TEST(rule_c5_a_call_added_to_what_is_cancelled_runs_at_once)
{
    cancel_root(call_when_cancelled, NULL, ACKD_CANCEL_REQUESTED);
    ck_assert_str_eq(order, "!.");
}
END_TEST

static int calls_a_million(void *arg)
{
    for (unsigned long i = 0; i < test_scale(1000000); i++) {
        struct ackd_cancel_call call;
        ackd_cancel_call_add(&call, note_call, arg);
        ackd_cancel_call_remove(&call);
    }
    return ackd_delay(1);
}

START_TEST(rule_c6_a_call_that_was_removed_never_runs)
{
    cancel_root(calls_a_million, NULL, ACKD_CANCEL_REQUESTED);
    ck_assert_uint_eq(world_counts().cancelled, 1);
    ck_assert_str_eq(order, "");
}
END_TEST

static void *cancel_from_outside(void *arg)
{
    struct timespec moment = {.tv_nsec = 2000000};
    nanosleep(&moment, NULL);
    ackd_task_cancel(arg, ACKD_CANCEL_SHUTDOWN);
    return NULL;
}

START_TEST(rule_c15_another_thread_can_cancel_what_waits)
{
    world.real_clock = true;
    struct ackd_task *task = ackd_task_ref(world_spawn(delay_an_hour, NULL));
    world_settle();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_outside, task), 0);
    struct timespec pause = {.tv_nsec = 200000};
    for (int i = 0; i < 50000 && atomic_load(&world.wakes) == 0; i++)
        nanosleep(&pause, NULL);
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    ck_assert(!world.end.ended);
    scheduler_turn(world.scheduler);
    ck_assert(world.end.ended);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_SHUTDOWN);
    pthread_join(thread, NULL);
    ackd_task_unref(task);
}
END_TEST

static int compute_until_cancelled(void *arg)
{
    (void)arg;
    while (!ackd_cancellation_requested())
        ;
    return ackd_checkpoint();
}

START_TEST(a_computation_sees_what_another_thread_asked)
{
    struct ackd_task *task = ackd_task_ref(world_spawn(compute_until_cancelled, NULL));
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_outside, task), 0);
    world_run_all();
    pthread_join(thread, NULL);
    ackd_task_unref(task);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

static void *cancel_many(void *arg)
{
    struct ackd_task **tasks = arg;
    for (int i = 0; i < 100; i++)
        ackd_task_cancel(tasks[i], ACKD_CANCEL_REQUESTED);
    return NULL;
}

START_TEST(two_threads_cancelling_the_same_tasks_lose_none)
{
    struct ackd_task *tasks[100];
    pthread_t threads[2];
    for (int i = 0; i < 100; i++)
        tasks[i] = ackd_task_ref(world_spawn(delay_an_hour, NULL));
    world_settle();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, cancel_many, tasks), 0);
    while (world_counts().cancelled < 100)
        scheduler_turn(world.scheduler);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 100; i++)
        ackd_task_unref(tasks[i]);
    ck_assert_uint_ge(atomic_load(&world.wakes), 100);
}
END_TEST

static int await_on_and_on(void *arg)
{
    unsigned *started = arg;
    struct ackd_task *child;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
        ck_assert_int_eq(ackd_delay(0), ACKD_CANCELED);
        ck_assert_int_eq(ackd_yield(), ACKD_CANCELED);
        ck_assert_int_eq(ackd_checkpoint(), ACKD_CANCELED);
        ck_assert_int_eq(wait_check(ACKD_HERE), ACKD_CANCELED);
        ACKD_SCOPE(scope);
        ck_assert_int_eq(ackd_spawn(&scope, delay_an_hour, NULL), ACKD_CANCELED);
        const struct ackd_task_options options = {.name = "child"};
        ck_assert_int_eq(ackd_spawn_task(&scope, delay_an_hour, NULL, &options, &child),
                         ACKD_CANCELED);
        ck_assert_int_eq(ackd_scope_join(&scope), ACKD_OK);
    }
    *started = (unsigned)world_counts().timers;
    return ACKD_CANCELED;
}

START_TEST(rule_c16_and_c19_once_cancelled_every_await_says_so_and_starts_nothing)
{
    unsigned started = 99;
    cancel_root(await_on_and_on, &started, ACKD_CANCEL_REQUESTED);
    ck_assert_uint_eq(started, 0);
    ck_assert_uint_eq(world_counts().created, 1);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

static int shielded(void *arg)
{
    struct ackd_shield shield;
    int *codes = arg;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    ck_assert_int_eq(ackd_shield_push(&shield, 0), ACKD_E_INVAL);
    ACKD_TRY(ackd_shield_push(&shield, 50));
    ck_assert(!ackd_cancellation_requested());
    codes[0] = ackd_delay(20);
    codes[1] = ackd_delay(40);
    codes[2] = ackd_delay(1);
    ck_assert_int_eq(ackd_cancel_reason(), ACKD_CANCEL_SHUTDOWN);
    ackd_shield_pop(&shield);
    codes[3] = ackd_delay(1);
    return ACKD_CANCELED;
}

START_TEST(rule_c20_a_shield_holds_cancellation_off_for_its_time)
{
    int codes[4] = {99, 99, 99, 99};
    cancel_root(shielded, codes, ACKD_CANCEL_SHUTDOWN);
    ck_assert(!world.end.ended);
    world_pass_ms(49);
    ck_assert_int_eq(codes[0], ACKD_OK);
    ck_assert_int_eq(codes[1], 99);
    world_pass_ms(2);
    ck_assert_int_eq(codes[1], ACKD_CANCELED);
    ck_assert_int_eq(codes[2], ACKD_CANCELED);
    ck_assert_int_eq(codes[3], ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_SHUTDOWN);
}
END_TEST

static int shield_and_go_on(void *arg)
{
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 5000));
    int code = ackd_delay(100);
    ackd_shield_pop(&shield);
    ck_assert_int_eq(code, ACKD_OK);
    *(int *)arg = ackd_delay(1);
    return *(int *)arg;
}

START_TEST(rule_c20_after_the_shield_the_request_that_came_meanwhile_is_seen)
{
    int code = 99;
    cancel_root(shield_and_go_on, &code, ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(code, 99);
    world_pass_ms(100);
    ck_assert_int_eq(code, ACKD_CANCELED);
}
END_TEST

START_TEST(rule_c23_cancelled_counts_apart_and_is_not_reported)
{
    cancel_root(delay_an_hour, NULL, ACKD_CANCEL_REQUESTED);
    ck_assert_uint_eq(world_counts().cancelled, 1);
    ck_assert_uint_eq(world_counts().failed, 0);
    ck_assert_uint_eq(world.log_length, 0);
}
END_TEST

static int note_reason(void *arg)
{
    ck_assert_int_eq(ackd_delay(3600 * 1000), ACKD_CANCELED);
    *(enum ackd_cancel_reason *)arg = ackd_cancel_reason();
    return ACKD_CANCELED;
}

static int fail_soon(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(1));
    return ackd_fail(ACKD_E_REFUSED, "no");
}

static int sibling_fails(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, note_reason, arg));
    ACKD_TRY(ackd_spawn(&scope, fail_soon, NULL));
    return ackd_scope_join(&scope) == ACKD_E_REFUSED ? ACKD_OK : ACKD_E_INTERNAL;
}

static int block_is_left(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, note_reason, arg));
    return ackd_yield();
}

static int limit_passes(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 5);
    int code = note_reason(arg);
    return ackd_deadline_pop(&deadline, code) == ACKD_E_TIMEOUT ? ACKD_OK : ACKD_E_INTERNAL;
}

static int scope_is_cancelled(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, note_reason, arg));
    ACKD_TRY(ackd_yield());
    ackd_scope_cancel(&scope, ACKD_CANCEL_LOST_RACE);
    return ackd_scope_join(&scope) == ACKD_CANCELED ? ACKD_OK : ACKD_E_INTERNAL;
}

START_TEST(rule_c24_the_reason_is_the_true_one)
{
    enum ackd_cancel_reason reason = ACKD_CANCEL_NONE;
    static const struct {
        ackd_task_fn *fn;
        enum ackd_cancel_reason reason;
    } inside[] = {{sibling_fails, ACKD_CANCEL_SIBLING_FAILED},
                  {block_is_left, ACKD_CANCEL_PARENT},
                  {limit_passes, ACKD_CANCEL_DEADLINE},
                  {scope_is_cancelled, ACKD_CANCEL_LOST_RACE}};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        ck_assert_int_eq(world_run(inside[i].fn, &reason), ACKD_OK);
        ck_assert_int_eq(reason, inside[i].reason);
        ck_assert_int_eq(world.end.reason, ACKD_CANCEL_NONE);
    }
    static const enum ackd_cancel_reason outside[] = {
        ACKD_CANCEL_REQUESTED, ACKD_CANCEL_CHANNEL_CLOSED, ACKD_CANCEL_SHUTDOWN, ACKD_CANCEL_PAUSE};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        cancel_root(note_reason, &reason, outside[i]);
        ck_assert_int_eq(reason, outside[i]);
        ck_assert_int_eq(world.end.reason, outside[i]);
    }
}
END_TEST

START_TEST(every_reason_has_a_name)
{
    ck_assert_str_eq(ackd_cancel_reason_name(ACKD_CANCEL_NONE), "none");
    ck_assert_str_eq(ackd_cancel_reason_name(ACKD_CANCEL_SIBLING_FAILED), "sibling-failed");
    ck_assert_str_eq(ackd_cancel_reason_name(ACKD_CANCEL_PAUSE), "pause");
    ck_assert_str_eq(ackd_cancel_reason_name((enum ackd_cancel_reason)99), "?");
    ck_assert(!ackd_cancellation_requested());
    ck_assert_int_eq(ackd_cancel_reason(), ACKD_CANCEL_NONE);
}
END_TEST

START_TEST(a_task_cancelled_before_it_ran_runs_and_sees_it_at_its_first_await)
{
    struct ackd_task *task = world_spawn(delay_an_hour, NULL);
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_SHUTDOWN);
    ck_assert_uint_eq(world_counts().switches, 0);
}
END_TEST

static int park_to_end(void *arg)
{
    struct wait *wait = arg;
    wait_init(wait, WAIT_PIPE, NULL, ACKD_HERE);
    int code = wait_park_to_end(wait);
    ck_assert(ackd_cancellation_requested());
    return code;
}

START_TEST(what_cannot_be_interrupted_is_waited_for_to_its_end)
{
    struct wait wait;
    cancel_root(park_to_end, &wait, ACKD_CANCEL_SHUTDOWN);
    ck_assert(!world.end.ended);
    wait_finish(&wait, ACKD_OK);
    world_settle();
    ck_assert(world.end.ended);
    ck_assert_int_eq(world.end.code, ACKD_OK);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/cancel");
    TCase *tc = tcase_create("cancel");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_c1_the_request_is_seen_before_the_first_call_runs);
    tcase_add_test(tc, rule_c2_a_second_request_changes_nothing);
    tcase_add_test(tc, rule_c3_calls_run_last_registered_first_and_once);
    tcase_add_test(tc, rule_c4_a_call_can_prevent_one_that_is_still_to_run);
    tcase_add_test(tc, rule_c5_a_call_added_to_what_is_cancelled_runs_at_once);
    tcase_add_test(tc, rule_c6_a_call_that_was_removed_never_runs);
    tcase_add_test(tc, rule_c15_another_thread_can_cancel_what_waits);
    tcase_add_test(tc, a_computation_sees_what_another_thread_asked);
    tcase_add_test(tc, two_threads_cancelling_the_same_tasks_lose_none);
    tcase_add_test(tc, rule_c16_and_c19_once_cancelled_every_await_says_so_and_starts_nothing);
    tcase_add_test(tc, rule_c20_a_shield_holds_cancellation_off_for_its_time);
    tcase_add_test(tc, rule_c20_after_the_shield_the_request_that_came_meanwhile_is_seen);
    tcase_add_test(tc, rule_c23_cancelled_counts_apart_and_is_not_reported);
    tcase_add_test(tc, rule_c24_the_reason_is_the_true_one);
    tcase_add_test(tc, every_reason_has_a_name);
    tcase_add_test(tc, a_task_cancelled_before_it_ran_runs_and_sees_it_at_its_first_await);
    tcase_add_test(tc, what_cannot_be_interrupted_is_waited_for_to_its_end);
    suite_add_tcase(suite, tc);
    return suite;
}

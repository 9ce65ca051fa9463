/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>
#include <time.h>
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "base/random.h"
#include "base/timer.h"
#include "task/wait.h"
#include "world.h"

enum { REAL_DELAYS = 2000 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void burn_ms(uint64_t ms)
{
    uint64_t until_ns = now_ns() + ms * NS_PER_MS;
    while (now_ns() < until_ns)
        ;
}

struct timed {
    uint64_t ms;
    unsigned *early;
};

static int delay_by_the_clock(void *arg)
{
    const struct timed *timed = arg;
    uint64_t from_ns = now_ns();
    ACKD_TRY(ackd_delay(timed->ms));
    if (now_ns() - from_ns < timed->ms * NS_PER_MS)
        ++*timed->early;
    return ACKD_OK;
}

static int burn_now_and_then(void *arg)
{
    (void)arg;
    for (int i = 0; i < 40; i++) {
        burn_ms(2);
        ACKD_TRY(ackd_delay(3));
    }
    return ACKD_OK;
}

START_TEST(rule_d1_a_delay_is_never_too_short)
{
    static struct timed timed[REAL_DELAYS];
    struct random random;
    unsigned early = 0;
    world.real_clock = true;
    random_init(&random, 4711);
    world_spawn(burn_now_and_then, NULL);
    for (size_t i = 0; i < test_scale(REAL_DELAYS); i++) {
        timed[i] = (struct timed){random_below(&random, 200), &early};
        world_spawn(delay_by_the_clock, &timed[i]);
    }
    world_run_all();
    ck_assert_uint_eq(early, 0);
}
END_TEST

static int burn_then_delay(void *arg)
{
    burn_ms(15);
    uint64_t from_ns = now_ns();
    ACKD_TRY(ackd_delay(20));
    *(uint64_t *)arg = now_ns() - from_ns;
    return ACKD_OK;
}

START_TEST(rule_d2_time_burnt_before_a_delay_does_not_shorten_it)
{
    uint64_t took_ns = 0;
    world.real_clock = true;
    ck_assert_int_eq(world_run(burn_then_delay, &took_ns), ACKD_OK);
    ck_assert_uint_ge(took_ns, 20 * NS_PER_MS);
}
END_TEST

START_TEST(rule_d3_on_an_idle_loop_a_delay_ends_when_it_is_due)
{
    struct timed timed = {20, &(unsigned){0}};
    world_spawn(delay_by_the_clock, &timed);
    ck_assert_uint_eq(scheduler_turn(world.scheduler), world.now_ns + 20 * NS_PER_MS);
    world.now_ns += 20 * NS_PER_MS;
    scheduler_turn(world.scheduler);
    ck_assert(world.end.ended);
}
END_TEST

static int limit_within_limit(void *arg)
{
    struct ackd_deadline outer, inner;
    ck_assert_uint_eq(ackd_time_left_ms(), UINT64_MAX);
    ackd_deadline_push(&outer, 50);
    ackd_deadline_push(&inner, 1000);
    ck_assert_uint_eq(ackd_time_left_ms(), 50);
    int code = ackd_delay(200);
    ck_assert_int_eq(code, ACKD_CANCELED);
    ck_assert_int_eq(ackd_cancel_reason(), ACKD_CANCEL_DEADLINE);
    code = ackd_deadline_pop(&inner, code);
    ck_assert_int_eq(code, ACKD_CANCELED);
    code = ackd_deadline_pop(&outer, code);
    ck_assert_uint_eq(ackd_time_left_ms(), UINT64_MAX);
    ck_assert_int_eq(ackd_cancel_reason(), ACKD_CANCEL_NONE);
    *(uint64_t *)arg = world.now_ns;
    return code;
}

START_TEST(rule_d4_and_d5_limits_only_shorten_and_only_the_own_one_is_a_timeout)
{
    uint64_t from_ns = world.now_ns, until_ns = 0;
    ck_assert_int_eq(world_run(limit_within_limit, &until_ns), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(until_ns, from_ns + 50 * NS_PER_MS);
    ck_assert_ptr_nonnull(strstr(world.end.text, "50 ms"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "awaiting timer"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "test_deadline.c:"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "'root'"));
}
END_TEST

static int park_for_process(void *arg)
{
    struct ackd_deadline deadline;
    struct wait wait;
    ackd_deadline_push(&deadline, 30);
    wait_init(&wait, WAIT_PROCESS, "resize", ACKD_HERE);
    int code = wait_park(&wait);
    (void)arg;
    return ackd_deadline_pop(&deadline, code);
}

START_TEST(rule_d5_a_timeout_names_what_was_awaited)
{
    ck_assert_int_eq(world_run(park_for_process, NULL), ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(
        strstr(world.end.text, "a limit of 30 ms passed after 30 ms, awaiting process resize at "));
}
END_TEST

static int late_with(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 10);
    ck_assert_int_eq(ackd_delay(100), ACKD_CANCELED);
    int code = (int)(intptr_t)arg;
    if (code != ACKD_OK)
        code = ackd_fail(code, "of the body");
    return ackd_deadline_pop(&deadline, code);
}

START_TEST(rule_d6_what_the_body_returned_after_its_limit_stands)
{
    ck_assert_int_eq(world_run(late_with, (void *)(intptr_t)ACKD_E_TLS), ACKD_E_TLS);
    ck_assert_uint_eq(world_counts().late, 0);
    ck_assert_int_eq(world_run(late_with, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().late, 1);
}
END_TEST

static int push_a_million(void *arg)
{
    uint64_t timers = world_counts().timers;
    (void)arg;
    for (unsigned long i = 0; i < test_scale(1000000); i++) {
        struct ackd_deadline deadline;
        ackd_deadline_push(&deadline, 1000);
        ACKD_TRY(ackd_deadline_pop(&deadline, ACKD_OK));
    }
    ck_assert_uint_eq(world_counts().timers, timers);
    return ACKD_OK;
}

START_TEST(rule_d7_a_pop_leaves_no_timer)
{
    ck_assert_int_eq(world_run(push_a_million, NULL), ACKD_OK);
}
END_TEST

static int limit_in_the_past(void *arg)
{
    struct ackd_deadline deadline;
    (void)arg;
    ackd_deadline_push(&deadline, 0);
    uint64_t timers = world_counts().timers;
    int code = ackd_delay(10);
    ck_assert_uint_eq(world_counts().timers, timers);
    return ackd_deadline_pop(&deadline, code);
}

START_TEST(rule_d8_a_limit_of_nothing_stops_before_anything_starts)
{
    ck_assert_int_eq(world_run(limit_in_the_past, NULL), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(world_counts().switches, 0);
}
END_TEST

static int note_time_left(void *arg)
{
    ACKD_TRY(ackd_delay(10));
    *(uint64_t *)arg = ackd_time_left_ms();
    return ackd_delay(1000);
}

static int child_under_limit(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 100);
    int code;
    {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, note_time_left, arg));
        code = ackd_scope_join(&scope);
    }
    return ackd_deadline_pop(&deadline, code);
}

START_TEST(rule_d9_children_inherit_the_limit)
{
    uint64_t left_ms = 0, from_ns = world.now_ns;
    ck_assert_int_eq(world_run(child_under_limit, &left_ms), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(left_ms, 90);
    ck_assert_uint_eq(world.now_ns, from_ns + 100 * NS_PER_MS);
    ck_assert_uint_eq(world_counts().cancelled, 1);
}
END_TEST

static int join_under_limit(void *arg)
{
    struct ackd_deadline deadline;
    ACKD_SCOPE(scope);
    ackd_deadline_push(&deadline, 30);
    ACKD_TRY(ackd_spawn(&scope, note_time_left, arg));
    int code = ackd_deadline_pop(&deadline, ackd_scope_join(&scope));
    ck_assert(!ackd_cancellation_requested());
    return code;
}

START_TEST(a_limit_inside_a_scope_bounds_its_join)
{
    uint64_t left_ms = 0, from_ns = world.now_ns;
    ck_assert_int_eq(world_run(join_under_limit, &left_ms), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(left_ms, UINT64_MAX); /* S8: the scope was opened outside of it */
    ck_assert_uint_eq(world.now_ns, from_ns + 30 * NS_PER_MS);
}
END_TEST

/* D10 is by construction: the only clock is the one that is passed in, and it is the monotonic one.
 */
START_TEST(rule_d10_only_the_clock_that_was_passed_in_counts)
{
    struct timed timed = {50, &(unsigned){0}};
    world_spawn(delay_by_the_clock, &timed);
    world_settle();
    burn_ms(60);
    world_settle();
    ck_assert(!world.end.ended);
    world_pass_ms(50);
    ck_assert(world.end.ended);
}
END_TEST

static int hold_many_limits(void *arg)
{
    unsigned long many = test_scale(100000);
    struct ackd_deadline *deadlines = ackd_alloc(many * sizeof *deadlines);
    for (unsigned long i = 0; i < many; i++)
        ackd_deadline_push(&deadlines[i], 1000000 + i * 7919 % many);
    struct ackd_deadline one_more;
    uint64_t from_ns = now_ns();
    for (int i = 0; i < 100; i++) {
        ackd_deadline_push(&one_more, 5000000);
        ACKD_TRY(ackd_deadline_pop(&one_more, ACKD_OK));
    }
    *(uint64_t *)arg = (now_ns() - from_ns) / 100;
    for (unsigned long i = many; i-- > 0;)
        ACKD_TRY(ackd_deadline_pop(&deadlines[i], ACKD_OK));
    return ACKD_OK;
}

START_TEST(rule_d11_a_limit_more_costs_little_where_there_are_many)
{
    uint64_t each_ns = 0;
    ck_assert_int_eq(world_run(hold_many_limits, &each_ns), ACKD_OK);
    if (!RUNNING_ON_VALGRIND)
        ck_assert_uint_le(each_ns, 20000); /* the rule says 1 us; this machine may be busy */
}
END_TEST

__attribute__((noinline)) static int return_past_the_pop(void)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 20);
    return ackd_delay(1);
}

static int forget_a_pop(void *arg)
{
    (void)arg;
    ACKD_TRY(return_past_the_pop());
    ACKD_TRY(ackd_delay(100));
    return ACKD_OK;
}

START_TEST(a_limit_whose_block_was_left_without_a_pop_is_dropped)
{
#if !defined __SANITIZE_ADDRESS__
    ck_assert_int_eq(world_run(forget_a_pop, NULL), ACKD_OK);
#else
    world_run(forget_a_pop, NULL); /* locals may be elsewhere than on the stack */
#endif
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

static int limits_in_disorder(void *arg)
{
    struct ackd_deadline outer, inner;
    (void)arg;
    ackd_deadline_push(&outer, 20);
    ackd_deadline_push(&inner, 50);
    ck_assert_int_eq(ackd_delay(30), ACKD_CANCELED);
    ck_assert_int_eq(ackd_deadline_pop(&outer, ACKD_CANCELED), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(ackd_time_left_ms(), 30);
    ck_assert_int_eq(ackd_delay(10), ACKD_OK);
    ck_assert_int_eq(ackd_delay(30), ACKD_CANCELED);
    return ackd_deadline_pop(&inner, ACKD_CANCELED);
}

START_TEST(limits_popped_in_disorder_count_each_for_itself)
{
    ck_assert_int_eq(world_run(limits_in_disorder, NULL), ACKD_E_TIMEOUT);
}
END_TEST

START_TEST(outside_of_tasks_a_limit_does_nothing)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 0);
    ck_assert_int_eq(ackd_deadline_pop(&deadline, ACKD_E_TLS), ACKD_E_TLS);
    ck_assert_uint_eq(ackd_time_left_ms(), UINT64_MAX);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/deadline");
    TCase *tc = tcase_create("deadline");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, rule_d1_a_delay_is_never_too_short);
    tcase_add_test(tc, rule_d2_time_burnt_before_a_delay_does_not_shorten_it);
    tcase_add_test(tc, rule_d3_on_an_idle_loop_a_delay_ends_when_it_is_due);
    tcase_add_test(tc, rule_d4_and_d5_limits_only_shorten_and_only_the_own_one_is_a_timeout);
    tcase_add_test(tc, rule_d5_a_timeout_names_what_was_awaited);
    tcase_add_test(tc, rule_d6_what_the_body_returned_after_its_limit_stands);
    tcase_add_test(tc, rule_d7_a_pop_leaves_no_timer);
    tcase_add_test(tc, rule_d8_a_limit_of_nothing_stops_before_anything_starts);
    tcase_add_test(tc, rule_d9_children_inherit_the_limit);
    tcase_add_test(tc, a_limit_inside_a_scope_bounds_its_join);
    tcase_add_test(tc, rule_d10_only_the_clock_that_was_passed_in_counts);
    tcase_add_test(tc, rule_d11_a_limit_more_costs_little_where_there_are_many);
    tcase_add_test(tc, a_limit_whose_block_was_left_without_a_pop_is_dropped);
    tcase_add_test(tc, limits_popped_in_disorder_count_each_for_itself);
    tcase_add_test(tc, outside_of_tasks_a_limit_does_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}

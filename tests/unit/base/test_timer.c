/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/timer.h"

#include <string.h>

#include "base/random.h"
#include "main.h"

enum { TIMERS = 64 };

static struct timers timers;
static struct timer all[TIMERS];
static size_t fired[TIMERS * 2]; /* indices, in order */
static size_t fired_count;

static void note(struct timer *timer)
{
    ck_assert(!timer_armed(timer));
    fired[fired_count++] = (size_t)(timer - all);
}

static void setup(void)
{
    timers_init(&timers);
    fired_count = 0;
    for (size_t i = 0; i < TIMERS; i++)
        timer_init(&all[i], note);
}

START_TEST(test_none_is_never)
{
    ck_assert_uint_eq(timers_next_ns(&timers), TIMER_NEVER);
    ck_assert_uint_eq(timers_run(&timers, TIMER_NEVER), 0);
    timer_stop(&all[0]);
}
END_TEST

START_TEST(test_fires_what_is_due_earliest_first)
{
    timer_start(&timers, &all[0], 30);
    timer_start(&timers, &all[1], 10);
    timer_start(&timers, &all[2], 20);
    timer_start(&timers, &all[3], 31);
    ck_assert_uint_eq(timers_next_ns(&timers), 10);
    ck_assert_uint_eq(timers_run(&timers, 9), 0);
    ck_assert_uint_eq(timers_run(&timers, 30), 3);
    ck_assert(fired[0] == 1 && fired[1] == 2 && fired[2] == 0);
    ck_assert_uint_eq(timers_next_ns(&timers), 31);
    ck_assert_uint_eq(timers.count, 1);
}
END_TEST

START_TEST(test_a_stopped_one_does_not_fire_and_a_moved_one_fires_once)
{
    timer_start(&timers, &all[0], 10);
    timer_start(&timers, &all[1], 20);
    timer_start(&timers, &all[2], 30);
    timer_stop(&all[1]);
    timer_stop(&all[1]);
    ck_assert(!timer_armed(&all[1]));
    timer_start(&timers, &all[0], 40);
    ck_assert_uint_eq(timers_next_ns(&timers), 30);
    ck_assert_uint_eq(timers_run(&timers, 100), 2);
    ck_assert(fired[0] == 2 && fired[1] == 0);
}
END_TEST

static void again(struct timer *timer)
{
    note(timer);
    timer_start(&timers, timer, timer->due_ns);
}

START_TEST(test_one_that_arms_itself_for_now_waits_for_the_next_run)
{
    timer_init(&all[0], again);
    timer_start(&timers, &all[0], 10);
    timer_start(&timers, &all[1], 10);
    ck_assert_uint_eq(timers_run(&timers, 10), 2);
    ck_assert_uint_eq(timers_run(&timers, 10), 1);
    ck_assert_uint_eq(timers.count, 1);
}
END_TEST

static void stop_next(struct timer *timer)
{
    note(timer);
    timer_stop(timer + 1);
}

START_TEST(test_one_stopped_by_an_earlier_one_of_the_same_run_does_not_fire)
{
    timer_init(&all[0], stop_next);
    timer_start(&timers, &all[0], 10);
    timer_start(&timers, &all[1], 11);
    ck_assert_uint_eq(timers_run(&timers, 20), 1);
    ck_assert(!timer_armed(&all[1]));
    ck_assert_uint_eq(timers.count, 0);
}
END_TEST

START_TEST(test_a_time_beyond_the_end_is_the_last_there_is)
{
    ck_assert_uint_eq(timer_after_ms(5, 3), 5 + 3 * NS_PER_MS);
    ck_assert_uint_eq(timer_after_ms(5, UINT64_MAX), TIMER_NEVER - 1);
    ck_assert_uint_eq(timer_after_ms(TIMER_NEVER - 1, 1), TIMER_NEVER - 1);
    ck_assert_uint_eq(timer_after_ms(0, UINT64_MAX / NS_PER_MS),
                      UINT64_MAX / NS_PER_MS * NS_PER_MS);
}
END_TEST

/* The model: what each is due at, or never. */
static uint64_t due[TIMERS];

static uint64_t model_next(void)
{
    uint64_t next = TIMER_NEVER;
    for (size_t i = 0; i < TIMERS; i++)
        next = due[i] < next ? due[i] : next;
    return next;
}

static void model_run(uint64_t now)
{
    uint64_t last = 0;
    size_t expected = 0;
    for (size_t i = 0; i < TIMERS; i++)
        expected += due[i] <= now;
    fired_count = 0;
    test_that(timers_run(&timers, now) == expected);
    test_that(fired_count == expected);
    for (size_t i = 0; i < fired_count; i++) {
        test_that(due[fired[i]] >= last);
        last = due[fired[i]];
        test_that(last <= now);
        due[fired[i]] = TIMER_NEVER;
    }
}

START_TEST(test_behaves_like_a_sorted_list)
{
    struct random random = {.state = 23};
    uint64_t now = 0;
    memset(due, 0xff, sizeof due);
    unsigned long steps = test_scale(300000);
    for (unsigned long i = 0; i < steps; i++) {
        size_t which = random_below(&random, TIMERS);
        uint64_t choice = random_below(&random, 100);
        if (choice < 70) {
            due[which] = now + random_below(&random, 1000);
            timer_start(&timers, &all[which], due[which]);
        } else if (choice < 90) {
            due[which] = TIMER_NEVER;
            timer_stop(&all[which]);
        } else {
            now += random_below(&random, 500);
            model_run(now);
        }
        test_that(timers_next_ns(&timers) == model_next());
        test_that(timer_armed(&all[which]) == (due[which] != TIMER_NEVER));
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/timer");
    TCase *tc = tcase_create("timer");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_none_is_never);
    tcase_add_test(tc, test_fires_what_is_due_earliest_first);
    tcase_add_test(tc, test_a_stopped_one_does_not_fire_and_a_moved_one_fires_once);
    tcase_add_test(tc, test_one_that_arms_itself_for_now_waits_for_the_next_run);
    tcase_add_test(tc, test_one_stopped_by_an_earlier_one_of_the_same_run_does_not_fire);
    tcase_add_test(tc, test_a_time_beyond_the_end_is_the_last_there_is);
    tcase_add_test(tc, test_behaves_like_a_sorted_list);
    suite_add_tcase(suite, tc);
    return suite;
}

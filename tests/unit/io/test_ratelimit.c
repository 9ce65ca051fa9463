/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "io/ratelimit.h"

#include <stdio.h>

#include "base/timer.h"
#include "main.h"

static struct ratelimit limit;

static unsigned admitted(const char *event, unsigned lines, uint64_t now_ns)
{
    unsigned count = 0;
    for (unsigned i = 0; i < lines; i++)
        count += ratelimit_admit(&limit, event, now_ns + i);
    return count;
}

static void forget(void)
{
    limit = (struct ratelimit){0};
}

START_TEST(test_admits_20_lines_of_an_event_in_a_second)
{
    ck_assert_uint_eq(admitted("slow", 100, 5 * NS_PER_S), 20); /* L1 */
    ck_assert_uint_eq(admitted("other", 3, 5 * NS_PER_S), 3);
    ck_assert_uint_eq(admitted("slow", 100, 6 * NS_PER_S - 200), 0);
    ck_assert_uint_eq(admitted("slow", 100, 6 * NS_PER_S), 20);
}
END_TEST

START_TEST(test_reports_once_what_was_left_out_when_the_second_is_over)
{
    char event[RATELIMIT_NAME_SIZE];
    uint64_t count = 0;
    admitted("slow", 117, NS_PER_S);
    ck_assert(!ratelimit_report(&limit, NS_PER_S + 500, event, sizeof event, &count));
    ck_assert(ratelimit_report(&limit, 2 * NS_PER_S, event, sizeof event, &count)); /* L2 */
    ck_assert_str_eq(event, "slow");
    ck_assert_uint_eq(count, 97);
    ck_assert(!ratelimit_report(&limit, 9 * NS_PER_S, event, sizeof event, &count));
}
END_TEST

START_TEST(test_counts_every_line_however_many_events_there_are)
{
    char event[RATELIMIT_NAME_SIZE];
    uint64_t count = 0, lines = 0, let_through = 0;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(event, sizeof event, "event_%u", i);
        let_through += admitted(event, 30, NS_PER_S);
        lines += 30;
    }
    uint64_t told = 0;
    while (ratelimit_report(&limit, 3 * NS_PER_S, event, sizeof event, &count))
        told += count;
    ck_assert_uint_eq(told + let_through, lines); /* L2, L3 */
    ck_assert_uint_eq(limit.left_out, 0);
    ck_assert_uint_eq(admitted("event_new", 30, 5 * NS_PER_S), 20);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/ratelimit");
    TCase *tc = tcase_create("ratelimit");
    tcase_add_checked_fixture(tc, forget, NULL);
    tcase_add_test(tc, test_admits_20_lines_of_an_event_in_a_second);
    tcase_add_test(tc, test_reports_once_what_was_left_out_when_the_second_is_over);
    tcase_add_test(tc, test_counts_every_line_however_many_events_there_are);
    suite_add_tcase(suite, tc);
    return suite;
}

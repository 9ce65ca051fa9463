/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/ladder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "main.h"

static struct ladder ladder;

static void is(const char *expected)
{
    char text[LADDER_STEPS_MAX * 32] = "";
    size_t at = 0;
    for (size_t i = 0; i < ladder.count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " %" PRIu64, ladder.ms[i]);
    ck_assert_str_eq(text, expected);
}

START_TEST(it_has_the_first_and_the_last_and_the_series_between)
{
    ladder_init(&ladder, 1000, 300000);
    is(" 1000 2000 3000 5000 10000 20000 30000 60000 120000 180000 300000");
    ladder_init(&ladder, 70, 700);
    is(" 70 100 200 500 700");
    ladder_init(&ladder, 100, 101);
    is(" 100 101");
}
END_TEST

START_TEST(one_delay_alone_is_one_step)
{
    ladder_init(&ladder, 1500, 1500);
    is(" 1500");
    ck_assert_uint_eq(ladder_step(&ladder, 1), 0);
    ck_assert_uint_eq(ladder_step(&ladder, UINT64_MAX), 0);
}
END_TEST

START_TEST(a_long_series_is_thinned_evenly)
{
    ladder_init(&ladder, 10, 86400000);
    is(" 10 50 200 2000 5000 20000 120000 300000 1800000 7200000 21600000 86400000");
}
END_TEST

START_TEST(steps_grow_and_are_few_whatever_is_asked_for)
{
    for (uint64_t first = 1; first < UINT64_C(200000000); first = first * 3 / 2 + 1) {
        for (uint64_t last = first; last < UINT64_C(1000000000); last = last * 5 / 4 + 1) {
            ladder_init(&ladder, first, last);
            ck_assert_uint_ge(ladder.count, 1);
            ck_assert_uint_le(ladder.count, LADDER_STEPS_MAX);
            ck_assert_uint_eq(ladder.ms[0], first);
            ck_assert_uint_eq(ladder.ms[ladder.count - 1], last);
            for (size_t i = 1; i < ladder.count; i++)
                ck_assert_uint_gt(ladder.ms[i], ladder.ms[i - 1]);
        }
    }
}
END_TEST

START_TEST(a_delay_is_rounded_up_to_a_step)
{
    static const struct {
        uint64_t ms;
        size_t step;
    } cases[] = {{0, 0}, {999, 0}, {1000, 0}, {1001, 1}, {2000, 1}, {60000, 7}, {300000, 10}};
    ladder_init(&ladder, 1000, 300000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_uint_eq(ladder_step(&ladder, cases[i].ms), cases[i].step);
    ck_assert_uint_eq(ladder_step(&ladder, 300001), 10);
}
END_TEST

START_TEST(a_name_tells_the_delay_in_the_largest_unit_that_is_whole)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } cases[] = {{50, "q.retry.50ms"},
                 {1500, "q.retry.1500ms"},
                 {90000, "q.retry.90s"},
                 {300000, "q.retry.5m"},
                 {86400000, "q.retry.24h"}};
    char name[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size = ladder_name("q", cases[i].ms, name, sizeof name);
        ck_assert_str_eq(name, cases[i].name);
        ck_assert_uint_eq(size, strlen(name));
    }
    ck_assert_uint_eq(ladder_name("q", 86399999, name, 5), strlen("q.retry.86399999ms"));
    ck_assert_str_eq(name, "q.re");
    ck_assert_uint_lt(strlen(".retry.18446744073709551615ms"), LADDER_NAME_MORE);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/ladder");
    TCase *tc = tcase_create("ladder");
    tcase_add_test(tc, it_has_the_first_and_the_last_and_the_series_between);
    tcase_add_test(tc, one_delay_alone_is_one_step);
    tcase_add_test(tc, a_long_series_is_thinned_evenly);
    tcase_add_test(tc, steps_grow_and_are_few_whatever_is_asked_for);
    tcase_add_test(tc, a_delay_is_rounded_up_to_a_step);
    tcase_add_test(tc, a_name_tells_the_delay_in_the_largest_unit_that_is_whole);
    suite_add_tcase(suite, tc);
    return suite;
}

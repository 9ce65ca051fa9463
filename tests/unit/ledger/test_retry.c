/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/retry.h"

#include "main.h"

static const struct retry_policy policy = {
    .attempts = 5, .first_ms = 1000, .factor = 2, .max_ms = 300000};
static struct ladder ladder;

static void set_up(void)
{
    ladder_init(&ladder, policy.first_ms, policy.max_ms);
}

START_TEST(the_wait_grows_by_the_factor_up_to_its_maximum)
{
    static const uint64_t expected[] = {1000,  2000,   4000,   8000,   16000, 32000,
                                        64000, 128000, 256000, 300000, 300000};
    for (uint32_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        ck_assert_uint_eq(retry_delay_ms(&policy, i + 1), expected[i]);
    ck_assert_uint_eq(retry_delay_ms(&policy, UINT32_MAX), 300000);
}
END_TEST

START_TEST(a_factor_of_1_keeps_it_and_a_large_one_does_not_overflow)
{
    struct retry_policy even = {.attempts = 9, .first_ms = 700, .factor = 1, .max_ms = 300000};
    ck_assert_uint_eq(retry_delay_ms(&even, UINT32_MAX), 700);
    struct retry_policy steep = {
        .attempts = 9, .first_ms = 1, .factor = 1000000000, .max_ms = UINT64_MAX / 3};
    ck_assert_uint_eq(retry_delay_ms(&steep, 3), UINT64_C(1000000000000000000));
    ck_assert_uint_eq(retry_delay_ms(&steep, 4), UINT64_MAX / 3);
}
END_TEST

START_TEST(the_last_attempt_is_not_followed_by_another_whatever_was_wished)
{
    ck_assert(retry_next(&policy, &ladder, 4, 0, 0).again);
    ck_assert(!retry_next(&policy, &ladder, 5, 0, 0).again);
    ck_assert(!retry_next(&policy, &ladder, 5, 10, 0).again);
    ck_assert(!retry_next(&policy, &ladder, UINT32_MAX, 0, 1).again);
}
END_TEST

START_TEST(a_wait_is_never_shorter_than_wanted)
{
    for (uint64_t chance = 0; chance < 8; chance++) {
        for (uint32_t failures = 1; failures < policy.attempts; failures++) {
            struct retry_plan plan = retry_next(&policy, &ladder, failures, 0, chance);
            ck_assert_uint_ge(ladder.ms[plan.step], retry_delay_ms(&policy, failures));
            ck_assert_uint_eq(plan.left_ms, 0);
        }
    }
}
END_TEST

START_TEST(what_failed_together_does_not_come_back_together)
{
    unsigned steps[LADDER_STEPS_MAX] = {0};
    for (uint64_t chance = 0; chance < 100; chance++)
        steps[retry_next(&policy, &ladder, 1, 0, chance).step]++;
    ck_assert_uint_eq(steps[0], 50);
    ck_assert_uint_eq(steps[1], 50);
}
END_TEST

START_TEST(there_is_no_step_beyond_the_last)
{
    struct retry_policy patient = policy;
    patient.attempts = 100;
    for (uint64_t chance = 0; chance < 2; chance++)
        ck_assert_uint_eq(retry_next(&patient, &ladder, 50, 0, chance).step, ladder.count - 1);
}
END_TEST

START_TEST(a_wish_is_taken_as_it_is)
{
    for (uint64_t chance = 0; chance < 4; chance++) {
        struct retry_plan plan = retry_next(&policy, &ladder, 1, 9000, chance);
        ck_assert_uint_eq(ladder.ms[plan.step], 10000);
        ck_assert_uint_eq(plan.left_ms, 0);
    }
}
END_TEST

START_TEST(a_long_wish_passes_the_last_step_until_nothing_is_left)
{
    uint64_t waited = 0, wish = 2 * 3600 * 1000 + 7;
    struct retry_plan plan = retry_next(&policy, &ladder, 1, wish, 1);
    unsigned passes = 0;
    for (;; passes++) {
        waited += ladder.ms[plan.step];
        if (plan.left_ms == 0)
            break;
        plan = retry_wait(&ladder, plan.left_ms);
    }
    ck_assert_uint_eq(passes, 24);
    ck_assert_uint_eq(waited, 2 * 3600 * 1000 + 1000);
}
END_TEST

START_TEST(the_pause_after_failed_copies_doubles_from_100_ms_to_5_s)
{
    static const uint64_t pauses[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (uint32_t count = 0; count < sizeof pauses / sizeof *pauses; count++)
        ck_assert_uint_eq(retry_pause_ms(count), pauses[count]);
    ck_assert_uint_eq(retry_pause_ms(UINT32_MAX), 5000);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/retry");
    TCase *tc = tcase_create("retry");
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, the_wait_grows_by_the_factor_up_to_its_maximum);
    tcase_add_test(tc, a_factor_of_1_keeps_it_and_a_large_one_does_not_overflow);
    tcase_add_test(tc, the_last_attempt_is_not_followed_by_another_whatever_was_wished);
    tcase_add_test(tc, a_wait_is_never_shorter_than_wanted);
    tcase_add_test(tc, what_failed_together_does_not_come_back_together);
    tcase_add_test(tc, there_is_no_step_beyond_the_last);
    tcase_add_test(tc, a_wish_is_taken_as_it_is);
    tcase_add_test(tc, a_long_wish_passes_the_last_step_until_nothing_is_left);
    tcase_add_test(tc, the_pause_after_failed_copies_doubles_from_100_ms_to_5_s);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "broker/backoff.h"

#include "main.h"

START_TEST(test_waits_within_a_bound_that_doubles_up_to_the_maximum)
{
    static const uint64_t bounds[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random;
        struct backoff backoff;
        random_init(&random, seed);
        backoff_init(&backoff, 500, 30000);
        for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
            uint64_t wait = backoff_next_ms(&backoff, &random);
            ck_assert_uint_ge(wait, bounds[i] / 10);
            ck_assert_uint_le(wait, bounds[i]);
        }
    }
}
END_TEST

START_TEST(test_hosts_that_fail_together_do_not_come_back_together)
{
    uint64_t seen[10] = {0};
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct random random;
        struct backoff backoff;
        random_init(&random, seed);
        backoff_init(&backoff, 1000, 1000);
        seen[(backoff_next_ms(&backoff, &random) - 1) / 100]++;
    }
    for (size_t i = 1; i < 10; i++)
        ck_assert_uint_gt(seen[i], 50); /* each tenth of the time gets its share of 111 */
}
END_TEST

START_TEST(test_starts_again_after_success)
{
    struct random random;
    struct backoff backoff;
    random_init(&random, 7);
    backoff_init(&backoff, 500, 30000);
    for (int i = 0; i < 10; i++)
        (void)backoff_next_ms(&backoff, &random);
    backoff_reset(&backoff);
    ck_assert_uint_le(backoff_next_ms(&backoff, &random), 500);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("broker/backoff");
    TCase *tc = tcase_create("backoff");
    tcase_add_test(tc, test_waits_within_a_bound_that_doubles_up_to_the_maximum);
    tcase_add_test(tc, test_hosts_that_fail_together_do_not_come_back_together);
    tcase_add_test(tc, test_starts_again_after_success);
    suite_add_tcase(suite, tc);
    return suite;
}

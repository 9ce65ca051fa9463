/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/random.h"

#include "main.h"

START_TEST(test_a_seed_gives_the_same_numbers_again)
{
    struct random one, other;
    random_init(&one, 4711);
    random_init(&other, 4711);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(random_next(&one), random_next(&other));
}
END_TEST

START_TEST(test_is_the_generator_it_says_it_is)
{
    /* The first numbers of SplitMix64 from 1234567, as its author published them. */
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
    struct random random;
    random_init(&random, 1234567);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(random_next(&random), expected[i]);
}
END_TEST

START_TEST(test_numbers_below_a_bound_are_below_it_and_spread)
{
    struct random random;
    unsigned counts[10] = {0};
    random_init(&random, 1);
    for (int i = 0; i < 100000; i++) {
        uint64_t number = random_below(&random, 10);
        test_that(number < 10);
        counts[number]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_gt(counts[i], 9000);
        ck_assert_uint_lt(counts[i], 11000);
    }
    ck_assert_uint_eq(random_below(&random, 1), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/random");
    TCase *tc = tcase_create("random");
    tcase_add_test(tc, test_a_seed_gives_the_same_numbers_again);
    tcase_add_test(tc, test_is_the_generator_it_says_it_is);
    tcase_add_test(tc, test_numbers_below_a_bound_are_below_it_and_spread);
    suite_add_tcase(suite, tc);
    return suite;
}

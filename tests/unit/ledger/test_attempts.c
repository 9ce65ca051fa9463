/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/attempts.h"

#include "main.h"

static struct attempts attempts;

START_TEST(test_counts_the_failures_of_each_message)
{
    attempts_init(&attempts);
    for (uint32_t i = 1; i <= 5; i++)
        ck_assert_uint_eq(attempts_failed(&attempts, 7), i);
    ck_assert_uint_eq(attempts_failed(&attempts, 8), 1);
    ck_assert_uint_eq(attempts_failed(&attempts, 7), 6);
}
END_TEST

START_TEST(test_the_fingerprint_0_is_one_like_any_other)
{
    attempts_init(&attempts);
    ck_assert_uint_eq(attempts_failed(&attempts, 0), 1);
    ck_assert_uint_eq(attempts_failed(&attempts, 0), 2);
}
END_TEST

START_TEST(test_forgets_what_is_done)
{
    attempts_init(&attempts);
    attempts_failed(&attempts, 7);
    attempts_failed(&attempts, 7);
    attempts_done(&attempts, 8);
    ck_assert_uint_eq(attempts_failed(&attempts, 7), 3);
    attempts_done(&attempts, 7);
    ck_assert_uint_eq(attempts_failed(&attempts, 7), 1);
}
END_TEST

START_TEST(test_of_two_in_one_place_the_later_is_remembered)
{
    attempts_init(&attempts);
    for (uint64_t fingerprint = 0; fingerprint <= ATTEMPTS_PLACES; fingerprint++) {
        attempts_failed(&attempts, fingerprint);
        ck_assert_uint_eq(attempts_failed(&attempts, fingerprint), 2);
    }
    uint32_t forgotten = 0;
    for (uint64_t fingerprint = 0; fingerprint <= ATTEMPTS_PLACES; fingerprint++)
        forgotten += attempts_failed(&attempts, fingerprint) == 1;
    ck_assert_uint_ge(forgotten, 1); /* more messages than places */
}
END_TEST

START_TEST(test_poor_fingerprints_are_spread_over_the_table)
{
    for (unsigned shift = 0; shift < 52; shift += 4) {
        attempts_init(&attempts);
        for (uint64_t i = 0; i < ATTEMPTS_PLACES; i++)
            attempts_failed(&attempts, i << shift);
        uint32_t used = 0;
        for (size_t i = 0; i < ATTEMPTS_PLACES; i++)
            used += attempts.places[i].count > 0;
        ck_assert_uint_gt(used, ATTEMPTS_PLACES / 3);
    }
}
END_TEST

START_TEST(test_a_count_stops_at_its_end)
{
    attempts_init(&attempts);
    attempts_failed(&attempts, 7);
    for (size_t i = 0; i < ATTEMPTS_PLACES; i++) {
        if (attempts.places[i].count > 0)
            attempts.places[i].count = UINT32_MAX;
    }
    ck_assert_uint_eq(attempts_failed(&attempts, 7), UINT32_MAX);
}
END_TEST

START_TEST(test_the_pause_doubles_from_100_ms_to_5_s)
{
    static const uint64_t pauses[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (uint32_t count = 0; count < sizeof pauses / sizeof *pauses; count++)
        ck_assert_uint_eq(attempts_pause_ms(count), pauses[count]);
    ck_assert_uint_eq(attempts_pause_ms(UINT32_MAX), 5000);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/attempts");
    TCase *tc = tcase_create("attempts");
    tcase_add_test(tc, test_counts_the_failures_of_each_message);
    tcase_add_test(tc, test_the_fingerprint_0_is_one_like_any_other);
    tcase_add_test(tc, test_forgets_what_is_done);
    tcase_add_test(tc, test_of_two_in_one_place_the_later_is_remembered);
    tcase_add_test(tc, test_poor_fingerprints_are_spread_over_the_table);
    tcase_add_test(tc, test_a_count_stops_at_its_end);
    tcase_add_test(tc, test_the_pause_doubles_from_100_ms_to_5_s);
    suite_add_tcase(suite, tc);
    return suite;
}

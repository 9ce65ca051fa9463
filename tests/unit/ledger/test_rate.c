/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/rate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "main.h"

enum { EVENTS = 1500, ROUNDS = 40 };
#define MS UINT64_C(1000000)
#define START (UINT64_C(1000) * 1000 * MS)

START_TEST(test_without_a_rate_all_is_allowed)
{
    struct rate rate;
    rate_init(&rate, 0, 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert(rate_allows(&rate, START));
        rate_spend(&rate, START);
    }
    ck_assert_uint_eq(rate_due_ns(&rate), 0);
}
END_TEST

START_TEST(test_a_slow_rate_has_no_burst)
{
    struct rate rate;
    rate_init(&rate, 2, 1000);
    ck_assert(rate_allows(&rate, START));
    rate_spend(&rate, START);
    ck_assert(!rate_allows(&rate, START));
    ck_assert_uint_eq(rate_due_ns(&rate), START + 500 * MS);
    ck_assert(!rate_allows(&rate, START + 500 * MS - 1));
    ck_assert(rate_allows(&rate, START + 500 * MS));
}
END_TEST

START_TEST(test_a_fast_one_comes_in_bursts_of_ten_milliseconds)
{
    struct rate rate;
    rate_init(&rate, 10000, 1000);
    int count = 0;
    for (; rate_allows(&rate, START); count++)
        rate_spend(&rate, START);
    ck_assert_int_eq(count, 100);
}
END_TEST

START_TEST(test_nothing_is_saved_up)
{
    struct rate rate;
    rate_init(&rate, 1000, 1000);
    rate_spend(&rate, START);
    uint64_t late_ns = START + 3600 * 1000 * MS;
    int count = 0;
    for (; rate_allows(&rate, late_ns); count++)
        rate_spend(&rate, late_ns);
    ck_assert_int_eq(count, 10);
}
END_TEST

START_TEST(test_a_rate_that_does_not_divide_its_time_is_kept_exactly)
{
    struct rate rate;
    rate_init(&rate, 7, 1000);
    uint64_t now_ns = START;
    for (int i = 0; i < 7 * 1000; i++) {
        uint64_t due_ns = rate_due_ns(&rate);
        now_ns = due_ns > now_ns ? due_ns : now_ns;
        rate_spend(&rate, now_ns);
    }
    /* The next is due a thousand seconds after the first, to the nanosecond. */
    ck_assert_uint_eq(rate_due_ns(&rate), START + 1000 * 1000 * MS);
}
END_TEST

START_TEST(test_a_faster_rate_holds_at_once)
{
    struct rate rate;
    rate_init(&rate, 1, 3600 * 1000);
    rate_spend(&rate, START);
    rate_change(&rate, 100, 1000, START + MS);
    ck_assert_uint_eq(rate_due_ns(&rate), START + 11 * MS);
    rate_change(&rate, 0, 0, START + 2 * MS);
    ck_assert(rate_allows(&rate, START + 2 * MS));
    rate_change(&rate, 1, 1000, START + 3 * MS);
    ck_assert(rate_allows(&rate, START + 3 * MS));
}
END_TEST

/* R1 for every span between two events, to the nanosecond. */
static void check_spans(const uint64_t *events, size_t count, const struct rate *rate)
{
    uint64_t burst = (uint64_t)RATE_BURST_MS * MS * rate->count / rate->per_ns;
    double most = (double)(burst > 1 ? burst : 1);
    double in_a_ns = (double)rate->count / (double)rate->per_ns;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i; j < count; j++) {
            double span =
                (double)(events[j] - events[i]) * (double)rate->count / (double)rate->per_ns;
            test_that((double)(j - i + 1) <= most + span + in_a_ns + 1e-6);
        }
    }
}

START_TEST(test_in_no_span_are_there_more_than_the_rate_and_a_burst)
{
    static uint64_t events[EVENTS];
    const char *given = getenv("ACKD_SEED");
    uint64_t seed = given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 0);
    fprintf(stderr, "# ACKD_SEED=%" PRIu64 "\n", seed);
    struct random random;
    random_init(&random, seed);
    for (unsigned long round = 0; round < test_scale(ROUNDS); round++) {
        struct rate rate;
        rate_init(&rate, 1 + random_below(&random, UINT64_C(1) << random_below(&random, 20)),
                  1 + random_below(&random, 5000));
        uint64_t now_ns = START;
        size_t count = 0;
        for (int step = 0; count < EVENTS && step < 100 * EVENTS; step++) {
            if (rate_allows(&rate, now_ns)) {
                rate_spend(&rate, now_ns);
                events[count++] = now_ns;
            } else if (random_below(&random, 4) == 0) {
                now_ns = rate_due_ns(&rate);
                test_that(rate_allows(&rate, now_ns));
                test_that(!rate_allows(&rate, now_ns - 1));
            } else {
                now_ns += random_below(&random, 1 + 2 * rate.per_ns / rate.count);
            }
        }
        check_spans(events, count, &rate);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/rate");
    TCase *tc = tcase_create("rate");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_without_a_rate_all_is_allowed);
    tcase_add_test(tc, test_a_slow_rate_has_no_burst);
    tcase_add_test(tc, test_a_fast_one_comes_in_bursts_of_ten_milliseconds);
    tcase_add_test(tc, test_nothing_is_saved_up);
    tcase_add_test(tc, test_a_rate_that_does_not_divide_its_time_is_kept_exactly);
    tcase_add_test(tc, test_a_faster_rate_holds_at_once);
    tcase_add_test(tc, test_in_no_span_are_there_more_than_the_rate_and_a_burst);
    suite_add_tcase(suite, tc);
    return suite;
}

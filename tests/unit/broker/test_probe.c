/* SPDX-License-Identifier: MIT */
/* What a queue's answers say of a subscription that is sent nothing. */
#include <config.h>

#include "broker/probe.h"

#include "main.h"

static struct probe probe;

/* So many answers until it is condemned. */
static unsigned answers(uint32_t messages, uint32_t consumers, enum probe_finding expected)
{
    unsigned count = 1;
    enum probe_finding finding;
    while ((finding = probe_answer(&probe, messages, consumers, true)) == PROBE_DOUBT)
        count++;
    ck_assert_int_eq(finding, expected);
    return count;
}

START_TEST(two_answers_in_a_row_condemn)
{
    probe_init(&probe);
    ck_assert_uint_eq(answers(0, 0, PROBE_FORGOTTEN), 2);
    probe_init(&probe);
    ck_assert_uint_eq(answers(7, 3, PROBE_STARVED), 2);
}
END_TEST

START_TEST(an_answer_that_fits_clears_the_doubt)
{
    probe_init(&probe);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(probe_answer(&probe, 7, 1, true), PROBE_DOUBT);
        ck_assert_int_eq(probe_answer(&probe, 7, 1, false), PROBE_FINE); /* it is full */
        ck_assert_int_eq(probe_answer(&probe, 7, 1, true), PROBE_DOUBT);
        ck_assert_int_eq(probe_answer(&probe, 0, 1, true), PROBE_FINE);
        ck_assert_int_eq(probe_answer(&probe, 0, 0, true), PROBE_DOUBT);
        probe_renew(&probe);
    }
}
END_TEST

/* E2 */
START_TEST(who_is_sent_nothing_again_has_twice_the_time)
{
    probe_init(&probe);
    for (unsigned needed = PROBE_DOUBTS; needed < PROBE_DOUBTS_MAX; needed *= 2)
        ck_assert_uint_eq(answers(7, 2, PROBE_STARVED), needed);
    ck_assert_uint_eq(answers(7, 2, PROBE_STARVED), PROBE_DOUBTS_MAX);
    ck_assert_uint_eq(answers(7, 2, PROBE_STARVED), PROBE_DOUBTS_MAX);
    probe_fed(&probe);
    ck_assert_uint_eq(answers(7, 2, PROBE_STARVED), PROBE_DOUBTS);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("probe");
    TCase *tc = tcase_create("probe");
    tcase_add_test(tc, two_answers_in_a_row_condemn);
    tcase_add_test(tc, an_answer_that_fits_clears_the_doubt);
    tcase_add_test(tc, who_is_sent_nothing_again_has_twice_the_time);
    suite_add_tcase(suite, tc);
    return suite;
}

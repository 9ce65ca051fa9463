/* SPDX-License-Identifier: MIT */
/* main - what a unit test gives to the shared main(): one suite. */
#ifndef ACKD_TESTS_LIB_MAIN_H
#define ACKD_TESTS_LIB_MAIN_H

#include <check.h>

Suite *test_suite(void);

/* How much of a long test to do: ACKD_TEST_SCALE in percent, 100 unless set; never less than 1 of
 * @count. */
unsigned long test_scale(unsigned long count);

/*
 * As ck_assert, for checks by the million: Check writes to a pipe for each of its own, this one
 * only where it fails.
 */
#define test_that(condition)                                   \
    do {                                                       \
        if (__builtin_expect(!(condition), 0))                 \
            ck_abort_msg("Assertion '%s' failed", #condition); \
    } while (0)

#endif

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/nearest.h"

#include <string.h>

#include "main.h"

static const char *const names[] = {"concurrency", "loops", "queue", "timeout", "prefetch", "url"};

static const char *meant(const char *wanted)
{
    struct nearest nearest;
    nearest_init(&nearest, wanted);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        nearest_offer(&nearest, names[i]);
    return nearest_name(&nearest);
}

START_TEST(test_tells_the_name_that_was_meant)
{
    ck_assert_pstr_eq(meant("concurency"), "concurrency");
    ck_assert_pstr_eq(meant("concurrrency"), "concurrency");
    ck_assert_pstr_eq(meant("qeueu"), "queue");
    ck_assert_pstr_eq(meant("time-out"), "timeout");
    ck_assert_pstr_eq(meant("loop"), "loops");
    ck_assert_pstr_eq(meant("uri"), "url");
    ck_assert_pstr_eq(meant("queue"), "queue");
}
END_TEST

START_TEST(test_tells_nothing_that_is_far_away)
{
    ck_assert_ptr_null(meant("colour"));
    ck_assert_ptr_null(meant(""));
    ck_assert_ptr_null(meant("xy"));
}
END_TEST

START_TEST(test_a_name_of_any_length_is_harmless)
{
    char longest[300];
    memset(longest, 'q', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_ptr_null(meant(longest));
    longest[63] = '\0';
    ck_assert_ptr_null(meant(longest));
    struct nearest nearest;
    nearest_init(&nearest, longest);
    nearest_offer(&nearest, longest);
    ck_assert_ptr_eq(nearest_name(&nearest), longest);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/nearest");
    TCase *tc = tcase_create("nearest");
    tcase_add_test(tc, test_tells_the_name_that_was_meant);
    tcase_add_test(tc, test_tells_nothing_that_is_far_away);
    tcase_add_test(tc, test_a_name_of_any_length_is_harmless);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/redelivery.h"

#include "main.h"

START_TEST(versions_are_read_from_what_the_broker_says)
{
    static const struct {
        const char *text;
        unsigned major, minor;
    } cases[] = {{"RabbitMQ 3.10.8", 3, 10},
                 {"4.3.0-rc.1", 4, 3},
                 {"RabbitMQ 10.0", 10, 0},
                 {"RabbitMQ 4", 0, 0},
                 {"RabbitMQ", 0, 0},
                 {"", 0, 0},
                 {NULL, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct redelivery_version version = redelivery_version(cases[i].text);
        ck_assert_uint_eq(version.major, cases[i].major);
        ck_assert_uint_eq(version.minor, cases[i].minor);
    }
}
END_TEST

START_TEST(the_limit_follows_version_and_option)
{
    static const struct {
        unsigned major, minor;
        int64_t configured, limit;
    } cases[] = {{3, 10, -1, -1}, {3, 10, 3, 3},  {4, 0, -1, 20}, {4, 2, -1, 20},
                 {4, 2, 7, 7},    {4, 3, -1, -1}, {4, 3, 7, -1},  {5, 0, 7, -1},
                 {0, 0, -1, -1},  {0, 0, 7, 7},   {3, 13, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct redelivery_version version = {cases[i].major, cases[i].minor};
        ck_assert_int_eq(redelivery_limit(version, cases[i].configured), cases[i].limit);
    }
}
END_TEST

START_TEST(what_could_be_the_last_release_is_not_made)
{
    ck_assert(!redelivery_would_end(3, 0));
    ck_assert(!redelivery_would_end(3, 1));
    ck_assert(redelivery_would_end(3, 2));
    ck_assert(redelivery_would_end(3, 3));
    ck_assert(redelivery_would_end(1, 0));
    ck_assert(redelivery_would_end(0, 0));
    ck_assert(!redelivery_would_end(-1, UINT64_MAX - 1));
}
END_TEST

START_TEST(promise_d10_a_count_is_believed_only_where_it_cannot_be_forged)
{
    ck_assert_uint_eq(redelivery_believed(true, true, 4), 4);
    ck_assert_uint_eq(redelivery_believed(false, true, 4), 0);
    ck_assert_uint_eq(redelivery_believed(true, false, 4), 0);
    ck_assert_uint_eq(redelivery_believed(true, true, -4), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/redelivery");
    TCase *tc = tcase_create("redelivery");
    tcase_add_test(tc, versions_are_read_from_what_the_broker_says);
    tcase_add_test(tc, the_limit_follows_version_and_option);
    tcase_add_test(tc, what_could_be_the_last_release_is_not_made);
    tcase_add_test(tc, promise_d10_a_count_is_believed_only_where_it_cannot_be_forged);
    suite_add_tcase(suite, tc);
    return suite;
}

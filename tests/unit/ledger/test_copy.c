/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/copy.h"

#include <string.h>

#include "main.h"

static enum copy_fate fate(const char *name)
{
    return copy_header_fate(name, strlen(name));
}

START_TEST(what_the_broker_would_act_on_is_not_on_a_copy)
{
    static const char *const names[] = {"CC",
                                        "BCC",
                                        "x-death",
                                        "x-first-death-queue",
                                        "x-first-death-reason",
                                        "x-first-death-exchange",
                                        "x-last-death-queue",
                                        "x-delivery-count"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(fate(names[i]) == COPY_CARRY, "%s", names[i]);
    ck_assert_int_eq(fate("x-acquired-count"), COPY_DROP);
}
END_TEST

START_TEST(what_another_ackd_told_is_not_on_a_copy)
{
    ck_assert_int_eq(fate("x-ackd-attempts"), COPY_DROP);
    ck_assert_int_eq(fate("x-ackd-"), COPY_DROP);
}
END_TEST

START_TEST(what_is_the_publishers_own_is_kept)
{
    static const char *const names[] = {
        "", "shop", "cc", "CCC", "C", "x-deat", "x-deaths", "x-ackd", "x-delay", "x-stream-offset"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(fate(names[i]) == COPY_KEEP, "%s", names[i]);
    ck_assert_int_eq(copy_header_fate("CC\0x", 4), COPY_KEEP);
}
END_TEST

START_TEST(each_row_has_one_name_and_what_is_not_kept_has_a_reason)
{
    size_t count = 0;
    const struct copy_row *rows = copy_rows(&count);
    size_t properties = 0;
    for (size_t i = 0; i < count; i++) {
        properties += rows[i].part == COPY_OF_PROPERTY;
        ck_assert((rows[i].fate == COPY_KEEP) == (rows[i].why[0] == '\0'));
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(rows[i].name, rows[j].name);
    }
    ck_assert_uint_eq(properties, 12); /* of class basic: 14, with headers and cluster-id */
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/copy");
    TCase *tc = tcase_create("copy");
    tcase_add_test(tc, what_the_broker_would_act_on_is_not_on_a_copy);
    tcase_add_test(tc, what_another_ackd_told_is_not_on_a_copy);
    tcase_add_test(tc, what_is_the_publishers_own_is_kept);
    tcase_add_test(tc, each_row_has_one_name_and_what_is_not_kept_has_a_reason);
    suite_add_tcase(suite, tc);
    return suite;
}

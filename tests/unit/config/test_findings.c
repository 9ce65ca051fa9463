/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/findings.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "main.h"

static struct findings findings;
static struct config_errors errors;

static void setup(void)
{
    findings_init(&findings);
    errors = (struct config_errors){.lines = NULL};
}

static void teardown(void)
{
    config_errors_free(&errors);
    findings_fini(&findings);
}

static void add(const char *file, uint32_t order, int line, int column, const char *text)
{
    const struct place place = {.file = file, .order = order, .line = line, .column = column};
    findings_add(&findings, &place, "%s", text);
}

START_TEST(test_lines_come_in_the_order_of_their_places)
{
    add("b", 1, 1, 1, "fourth");
    add("a", 0, 2, 5, "third");
    add("a", 0, 2, 1, "first");
    add("a", 0, 2, 1, "second");
    add("a", 0, 0, 0, "whole");
    ck_assert(findings_any(&findings));
    ck_assert_int_eq(findings_take(&findings, &errors), ACKD_OK);
    const char *const expected[] = {"a: whole", "a:2:1: first", "a:2:1: second", "a:2:5: third",
                                    "b:1:1: fourth"};
    ck_assert_uint_eq(errors.count, 5);
    for (size_t i = 0; i < errors.count; i++)
        ck_assert_str_eq(errors.lines[i], expected[i]);
}
END_TEST

START_TEST(test_a_line_is_one_line_of_bounded_length)
{
    char text[2048];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    add("a", 0, 1, 1, "one\ntwo\033[1m\x7f");
    add("a", 0, 2, 1, text);
    add(text, 0, 3, 1, "text");
    memset(text, 0xe4, sizeof text - 1);
    add("a", 0, 4, 1, text);
    ck_assert_int_eq(findings_take(&findings, &errors), ACKD_OK);
    ck_assert_str_eq(errors.lines[0], "a:1:1: one?two?[1m?");
    ck_assert_uint_eq(strlen(errors.lines[1]), FINDINGS_TEXT_SIZE - 1);
    ck_assert_uint_lt(strlen(errors.lines[2]), FINDINGS_TEXT_SIZE);
}
END_TEST

START_TEST(test_what_is_beyond_the_bound_is_counted)
{
    for (int i = 0; i < FINDINGS_MAX + 7; i++)
        add("a", 0, i + 1, 1, "wrong");
    ck_assert_int_eq(findings_take(&findings, &errors), ACKD_OK);
    ck_assert_uint_eq(errors.count, FINDINGS_MAX + 1);
    ck_assert_str_eq(errors.lines[FINDINGS_MAX], "and 7 more");
}
END_TEST

START_TEST(test_quotes_are_cut_between_characters)
{
    char quote[FINDINGS_QUOTE_SIZE];
    ck_assert_str_eq(findings_quote("short", quote), "short");
    char text[200];
    memset(text, 'x', 95);
    text[95] = '\0';
    ck_assert_str_eq(findings_quote(text, quote), text);
    memset(text, 'x', 91);
    strcpy(text + 91, "\xe2\x82\xac\xe2\x82\xac");
    findings_quote(text, quote);
    ck_assert_uint_eq(strlen(quote), 94);
    ck_assert_str_eq(quote + 90, "x...");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/findings");
    TCase *tc = tcase_create("findings");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_lines_come_in_the_order_of_their_places);
    tcase_add_test(tc, test_a_line_is_one_line_of_bounded_length);
    tcase_add_test(tc, test_what_is_beyond_the_bound_is_counted);
    tcase_add_test(tc, test_quotes_are_cut_between_characters);
    suite_add_tcase(suite, tc);
    return suite;
}

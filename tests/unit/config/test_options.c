/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/options.h"

#include <stdio.h>
#include <string.h>

#include "main.h"

START_TEST(test_rows_are_complete)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    ck_assert_uint_gt(count, 30);
    for (size_t i = 0; i < count; i++) {
        const struct options_row *row = &rows[i];
        ck_assert_msg(row->help[strlen(row->help) - 1] == '.', "%s: help is a sentence", row->key);
        ck_assert_msg(*row->since != '\0', "%s: since", row->key);
        ck_assert_msg(row->fallback != NULL || *row->otherwise != '\0', "%s: default", row->key);
        ck_assert_msg(row->fallback == NULL || *row->otherwise == '\0', "%s: two defaults",
                      row->key);
        ck_assert_msg(row->fallback != NULL || *row->example != '\0', "%s: example", row->key);
        ck_assert_msg(row->min <= row->max, "%s: bounds", row->key);
        ck_assert_msg(row->type != OPTIONS_CHOICE || strchr(row->unit, '|') != NULL, "%s: words",
                      row->key);
        ck_assert_uint_eq(options_index(row), i);
    }
}
END_TEST

START_TEST(test_keys_are_unique_within_a_section)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_ptr_eq(options_find(rows[i].section, rows[i].key), &rows[i]);
        ck_assert_ptr_null(options_inner(rows[i].section, rows[i].key));
    }
}
END_TEST

START_TEST(test_sections_are_found_by_their_place)
{
    ck_assert_int_eq(options_inner(OPTIONS_ROOT, "log")->section, OPTIONS_LOG);
    ck_assert_int_eq(options_inner(OPTIONS_BROKER, "tls")->section, OPTIONS_TLS);
    ck_assert_ptr_null(options_inner(OPTIONS_ROOT, "tls"));
    ck_assert_ptr_null(options_inner(OPTIONS_ROOT, "consumers"));
    ck_assert_ptr_null(options_find(OPTIONS_BROKER, "ca"));
    size_t count = 0;
    const struct options_section_row *sections = options_sections(&count);
    for (size_t i = 0; i < count; i++)
        ck_assert_ptr_eq(options_section(sections[i].section), &sections[i]);
}
END_TEST

START_TEST(test_words_of_a_choice)
{
    struct options_choices choices;
    options_choices(options_find(OPTIONS_BROKER, "auth"), &choices);
    ck_assert_str_eq(choices.words[0], "plain");
    ck_assert_str_eq(choices.words[1], "external");
    ck_assert_ptr_null(choices.words[2]);
}
END_TEST

START_TEST(test_the_nearest_key)
{
    ck_assert_str_eq(options_nearest(OPTIONS_CONSUMER, "concurency"), "concurrency");
    ck_assert_str_eq(options_nearest(OPTIONS_CONSUMER, "message_size"), "message-size");
    ck_assert_str_eq(options_nearest(OPTIONS_ROOT, "brokr"), "broker");
    ck_assert_str_eq(options_nearest(OPTIONS_ROOT, "consumer"), "consumers");
    ck_assert_str_eq(options_nearest(OPTIONS_BROKER, "tsl"), "tls");
    ck_assert_ptr_null(options_nearest(OPTIONS_ROOT, "elephant"));
}
END_TEST

START_TEST(test_a_key_of_another_section)
{
    ck_assert_int_eq(options_elsewhere("heartbeat")->section, OPTIONS_BROKER);
    ck_assert_int_eq(options_elsewhere("tls")->section, OPTIONS_BROKER);
    ck_assert_int_eq(options_elsewhere("verify")->section, OPTIONS_TLS);
    ck_assert_ptr_null(options_elsewhere("elephant"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, test_rows_are_complete);
    tcase_add_test(tc, test_keys_are_unique_within_a_section);
    tcase_add_test(tc, test_sections_are_found_by_their_place);
    tcase_add_test(tc, test_words_of_a_choice);
    tcase_add_test(tc, test_the_nearest_key);
    tcase_add_test(tc, test_a_key_of_another_section);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/document.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "main.h"

#define CONSUMER "consumers:\n  a:\n    queue: q\n    handler: h\n"

START_TEST(test_an_empty_file_is_a_configuration)
{
    const char *const empty[] = {"", "\n", "# nothing\n", "---\n", "---\n...\n", "{}", "~\n"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct config *config = fixture_good(empty[i]);
        config_unref(&config);
    }
}
END_TEST

START_TEST(test_empty_sections_are_sections)
{
    struct config *config = fixture_good("broker:\nruntime: {}\nconsumers: ~\nlog: null\n");
    size_t count = 7;
    config_consumers(config, &count);
    ck_assert_uint_eq(count, 0);
    config_unref(&config);
}
END_TEST

START_TEST(test_a_byte_order_mark_is_passed_over)
{
    struct config *config = fixture_good("\xef\xbb\xbfruntime: {loops: 2}\n");
    ck_assert_uint_eq(config_loops(config), 2);
    config_unref(&config);
}
END_TEST

START_TEST(test_the_root_is_a_map)
{
    fixture_bad("- a\n",
                "ackd.yaml:1:1: the file is a list, not a map of options: write 'key: value'\n");
    fixture_bad("\n  word\n",
                "ackd.yaml:2:3: the file is a value, not a map of options: write 'key: value'\n");
}
END_TEST

START_TEST(test_a_key_twice_names_both_places)
{
    fixture_bad(CONSUMER "    queue: r\n",
                "ackd.yaml:5:5: 'queue' is set twice: it is already at ackd.yaml:3\n");
    fixture_bad(CONSUMER "log: {level: info}\nconsumers:\n  b: {queue: q, nonsense: 1}\n",
                "ackd.yaml:6:1: 'consumers' is set twice: it is already at ackd.yaml:1\n");
}
END_TEST

START_TEST(test_columns_count_characters)
{
    fixture_bad("log: {\"\xc3\xa4\xe2\x82\xac\": 1, x: 2}\n",
                "ackd.yaml:1:7: unknown option '\xc3\xa4\xe2\x82\xac' in 'log'\n"
                "ackd.yaml:1:16: unknown option 'x' in 'log'\n");
}
END_TEST

START_TEST(test_bytes_that_are_no_text_have_a_place)
{
    fixture_write_bytes("ackd.yaml", "log:\n  level: a\0b\n", 18);
    fixture_errors("ackd.yaml:2:11: a NUL byte: the file must be text in UTF-8\n");
    fixture_bad("log:\n  \xc3\xa4: \xff\n",
                "ackd.yaml:2:6: not UTF-8: the file must be text in UTF-8\n");
    fixture_bad("\xff\xfel\n", "ackd.yaml:1:1: not UTF-8: the file must be text in UTF-8\n");
    fixture_bad("log: {level: \"a\\0b\"}\n",
                "ackd.yaml:1:14: a NUL byte in a value\n"
                "ackd.yaml:1:14: 'level' in 'log': 'a' is not one of error, warning, notice, info, "
                "debug\n");
}
END_TEST

START_TEST(test_a_second_document_is_refused)
{
    fixture_bad("log: {level: info}\n---\nlog: {level: debug}\n",
                "ackd.yaml:2:1: a second document: a file holds one, without '---' in it\n");
}
END_TEST

START_TEST(test_anchors_aliases_and_tags_are_refused)
{
    fixture_bad("log: &x {level: info}\n",
                "ackd.yaml:1:6: anchors (&name) are not supported: write the value out where it is "
                "used\n");
    fixture_bad("log: &x {level: &y info}\nruntime: *x\n",
                "ackd.yaml:1:6: anchors (&name) are not supported: write the value out where it is "
                "used\n"
                "ackd.yaml:1:17: anchors (&name) are not supported: write the value out where it "
                "is used\n"
                "ackd.yaml:2:10: aliases (*name) are not supported: write the value out\n");
    fixture_bad("runtime: {loops: !!int 3}\n",
                "ackd.yaml:1:18: tags (!name) are not supported: a value's type comes from its "
                "option\n");
}
END_TEST

START_TEST(test_a_bomb_of_aliases_costs_nothing)
{
    fixture_bad("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
                "ackd.yaml:1:1: unknown option 'a'\n"
                "ackd.yaml:1:4: anchors (&name) are not supported: write the value out where it is "
                "used\n"
                "ackd.yaml:2:1: unknown option 'b'\n"
                "ackd.yaml:2:4: anchors (&name) are not supported: write the value out where it is "
                "used\n"
                "ackd.yaml:2:8: aliases (*name) are not supported: write the value out\n"
                "ackd.yaml:2:12: aliases (*name) are not supported: write the value out\n"
                "ackd.yaml:3:1: unknown option 'c'\n"
                "ackd.yaml:3:5: aliases (*name) are not supported: write the value out\n"
                "ackd.yaml:3:9: aliases (*name) are not supported: write the value out\n");
}
END_TEST

START_TEST(test_keys_are_plain_words)
{
    fixture_bad("? [a, b]\n: c\n", "ackd.yaml:1:3: a key must be a plain word\n");
    fixture_bad("{a: b}: c\n", "ackd.yaml:1:1: a key must be a plain word\n");
}
END_TEST

START_TEST(test_depth_is_bounded)
{
    char text[64] = "x: ";
    memset(text + 3, '[', 15);
    memset(text + 18, ']', 15);
    fixture_bad(text, "ackd.yaml:1:1: unknown option 'x'\n");
    memset(text + 3, '[', 16);
    fixture_bad(text, "ackd.yaml:1:1: unknown option 'x'\n"
                      "ackd.yaml:1:19: nested more than 16 levels deep\n");
}
END_TEST

/* A list of @count items. */
static char *list_of(size_t count)
{
    char *text = malloc(count * 4 + 16);
    char *at = stpcpy(text, "x:\n");
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, "- y\n");
    return text;
}

START_TEST(test_the_number_of_entries_is_bounded)
{
    char *text = list_of(DOCUMENT_ENTRIES_MAX);
    fixture_bad(text, "ackd.yaml:1:1: unknown option 'x'\n");
    free(text);
    text = list_of(DOCUMENT_ENTRIES_MAX + 1);
    fixture_bad(text, "ackd.yaml:1:1: unknown option 'x'\nackd.yaml:1026:3: more than 1024 "
                      "entries\n");
    free(text);
}
END_TEST

START_TEST(test_the_number_of_values_is_bounded)
{
    size_t size = 0;
    char *text = NULL;
    FILE *memory = open_memstream(&text, &size);
    for (int i = 0; i < 80; i++) {
        fprintf(memory, "x%d: [", i);
        for (int j = 0; j < 1000; j++)
            fputs("y,", memory);
        fputs("]\n", memory);
    }
    fclose(memory);
    fixture_write("ackd.yaml", text);
    struct config *config = NULL;
    struct config_errors errors;
    ck_assert_int_ne(config_load("ackd.yaml", NULL, &config, &errors), 0);
    ck_assert_str_eq(errors.lines[errors.count - 1], "ackd.yaml:66:947: more than 65536 values");
    config_errors_free(&errors);
    free(text);
}
END_TEST

START_TEST(test_a_file_is_at_most_a_mebibyte)
{
    size_t size = (1 << 20) + 1;
    char *text = malloc(size);
    memset(text, '\n', size);
    fixture_write_bytes("ackd.yaml", text, size);
    fixture_errors("ackd.yaml: is larger than 1048576 bytes\n");
    fixture_write_bytes("ackd.yaml", text, size - 1);
    free(text);
    struct config *config = fixture_load();
    config_unref(&config);
}
END_TEST

START_TEST(test_broken_yaml_has_a_place)
{
    fixture_bad("log: {\n  level: info]\n",
                "ackd.yaml:2:14: not YAML: did not find expected ',' or '}', while parsing a flow "
                "mapping that starts in line 1\n");
    fixture_bad("log:\n\tlevel: info\n",
                "ackd.yaml:2:1: not YAML: found character that cannot start any token, while "
                "scanning for the next token\n");
    fixture_bad("log: 'a\n", "ackd.yaml:2:1: not YAML: found unexpected end of stream, while "
                             "scanning a quoted scalar that starts in line 1\n");
}
END_TEST

START_TEST(test_an_unquoted_interpolation_in_braces_says_to_quote)
{
    fixture_bad(CONSUMER "    settings: {url: ${URL}}\n",
                "ackd.yaml:5:22: not YAML: did not find expected ',' or '}', while parsing a flow "
                "mapping (inside { } and [ ] a value with ${...} needs quotes: \"${NAME}\")\n");
    fixture_bad(CONSUMER "    settings: {a: [${A}, b]}\n",
                "ackd.yaml:5:21: not YAML: did not find expected ',' or ']', while parsing a flow "
                "sequence (inside { } and [ ] a value with ${...} needs quotes: \"${NAME}\")\n");
}
END_TEST

START_TEST(test_nothing_is_called_missing_in_a_broken_file)
{
    fixture_bad("consumers:\n  a:\n    qeue: q\n    handler: h\n    timeout: \"1\n",
                "ackd.yaml:3:5: unknown option 'qeue' in consumer 'a' (did you mean 'queue'?)\n"
                "ackd.yaml:6:1: not YAML: found unexpected end of stream, while scanning a quoted "
                "scalar that starts in line 5\n");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/document");
    TCase *tc = tcase_create("document");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_an_empty_file_is_a_configuration);
    tcase_add_test(tc, test_empty_sections_are_sections);
    tcase_add_test(tc, test_a_byte_order_mark_is_passed_over);
    tcase_add_test(tc, test_the_root_is_a_map);
    tcase_add_test(tc, test_a_key_twice_names_both_places);
    tcase_add_test(tc, test_columns_count_characters);
    tcase_add_test(tc, test_bytes_that_are_no_text_have_a_place);
    tcase_add_test(tc, test_a_second_document_is_refused);
    tcase_add_test(tc, test_anchors_aliases_and_tags_are_refused);
    tcase_add_test(tc, test_a_bomb_of_aliases_costs_nothing);
    tcase_add_test(tc, test_keys_are_plain_words);
    tcase_add_test(tc, test_depth_is_bounded);
    tcase_add_test(tc, test_the_number_of_entries_is_bounded);
    tcase_add_test(tc, test_the_number_of_values_is_bounded);
    tcase_add_test(tc, test_a_file_is_at_most_a_mebibyte);
    tcase_add_test(tc, test_broken_yaml_has_a_place);
    tcase_add_test(tc, test_an_unquoted_interpolation_in_braces_says_to_quote);
    tcase_add_test(tc, test_nothing_is_called_missing_in_a_broken_file);
    suite_add_tcase(suite, tc);
    return suite;
}

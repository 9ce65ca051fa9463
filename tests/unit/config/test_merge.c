/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/merge.h"

#include <string.h>

#include "fixture.h"
#include "main.h"

START_TEST(test_files_of_conf_d_add_to_the_first)
{
    fixture_write("ackd.yaml", "log: {level: debug}\nconsumers:\n  a: {queue: q, handler: h}\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/20-b.yaml", "consumers:\n  b: {queue: r, handler: i}\n");
    fixture_write("conf.d/10-a.yaml", "consumers:\n  a: {concurrency: 3}\nlog: {format: json}\n");
    struct config *config = fixture_load();
    size_t count = 0;
    const struct config_consumer *consumers = config_consumers(config, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(consumers[0].name, "a");
    ck_assert_uint_eq(consumers[0].concurrency, 3);
    ck_assert_str_eq(consumers[0].queue, "q");
    ck_assert_str_eq(consumers[0].file, "ackd.yaml");
    ck_assert_str_eq(consumers[1].name, "b");
    ck_assert_str_eq(consumers[1].file, "conf.d/20-b.yaml");
    ck_assert_int_eq(consumers[1].line, 2);
    ck_assert_int_eq(consumers[1].column, 3);
    ck_assert_int_eq(config_log_level(config), 7);
    ck_assert_int_eq(config_log_format(config), 3);
    config_unref(&config);
}
END_TEST

START_TEST(test_a_scalar_set_in_two_files_names_both)
{
    fixture_write("ackd.yaml", "log:\n  level: debug\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/a.yaml", "log: {level: debug}\n");
    fixture_write("conf.d/b.yaml", "\nlog: {level: info}\n");
    fixture_errors("conf.d/a.yaml:1:7: 'level' is set twice: it is already at ackd.yaml:2\n"
                   "conf.d/b.yaml:2:7: 'level' is set twice: it is already at ackd.yaml:2\n");
}
END_TEST

START_TEST(test_lists_are_not_joined)
{
    fixture_write("ackd.yaml", "plugins: {path: [/a]}\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/a.yaml", "plugins: {path: [/b]}\n");
    fixture_errors("conf.d/a.yaml:1:11: 'path' is set twice: it is already at ackd.yaml:1\n");
}
END_TEST

START_TEST(test_an_empty_section_takes_what_another_file_says)
{
    fixture_write("ackd.yaml", "log:\nruntime: {loops: 2}\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/a.yaml", "log: {level: error}\nruntime:\n");
    struct config *config = fixture_load();
    ck_assert_int_eq(config_log_level(config), 3);
    ck_assert_uint_eq(config_loops(config), 2);
    config_unref(&config);
}
END_TEST

START_TEST(test_only_visible_yaml_files_are_read)
{
    fixture_write("ackd.yaml", "");
    fixture_folder("conf.d");
    fixture_write("conf.d/.hidden.yaml", "nonsense: 1\n");
    fixture_write("conf.d/a.yaml~", "nonsense: 1\n");
    fixture_write("conf.d/a.yml", "nonsense: 1\n");
    fixture_write("conf.d/.yaml", "nonsense: 1\n");
    struct config *config = fixture_load();
    config_unref(&config);
}
END_TEST

START_TEST(test_errors_of_all_files_come_in_their_order)
{
    fixture_write("ackd.yaml", "x: 1\nlog: {levle: info}\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/b.yaml", "y: 1\n");
    fixture_write("conf.d/a.yaml", "log: [\n");
    fixture_folder("conf.d/c.yaml");
    fixture_errors("ackd.yaml:1:1: unknown option 'x'\n"
                   "ackd.yaml:2:7: unknown option 'levle' in 'log' (did you mean 'level'?)\n"
                   "conf.d/a.yaml:1:1: 'log' is set twice: it is already at ackd.yaml:2\n"
                   "conf.d/a.yaml:2:1: not YAML: did not find expected node content, while parsing "
                   "a flow node\n"
                   "conf.d/b.yaml:1:1: unknown option 'y'\n"
                   "conf.d/c.yaml: is a directory\n");
}
END_TEST

START_TEST(test_places_in_folders_keep_the_folder)
{
    fixture_folder("etc");
    fixture_write("etc/ackd.yaml", "");
    fixture_folder("etc/conf.d");
    fixture_write("etc/conf.d/a.yaml", "x: 1\n");
    struct config *config = NULL;
    struct config_errors errors;
    ck_assert_int_ne(config_load("etc/ackd.yaml", NULL, &config, &errors), 0);
    ck_assert_uint_eq(errors.count, 1);
    ck_assert_str_eq(errors.lines[0], "etc/conf.d/a.yaml:1:1: unknown option 'x'");
    config_errors_free(&errors);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/merge");
    TCase *tc = tcase_create("merge");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_files_of_conf_d_add_to_the_first);
    tcase_add_test(tc, test_a_scalar_set_in_two_files_names_both);
    tcase_add_test(tc, test_lists_are_not_joined);
    tcase_add_test(tc, test_an_empty_section_takes_what_another_file_says);
    tcase_add_test(tc, test_only_visible_yaml_files_are_read);
    tcase_add_test(tc, test_errors_of_all_files_come_in_their_order);
    tcase_add_test(tc, test_places_in_folders_keep_the_folder);
    suite_add_tcase(suite, tc);
    return suite;
}

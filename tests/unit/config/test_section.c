/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/section.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "main.h"

#define CONSUMER "consumers:\n  orders:\n    queue: orders\n    handler: http\n"

START_TEST(test_unknown_options_name_what_was_meant)
{
    fixture_bad(CONSUMER "    concurency: 200\n",
                "ackd.yaml:5:5: unknown option 'concurency' in consumer 'orders' (did you mean "
                "'concurrency'?)\n");
    fixture_bad("broker: {hartbeat: 1s, tls: {verfy: true}}\n",
                "ackd.yaml:1:10: unknown option 'hartbeat' in 'broker' (did you mean "
                "'heartbeat'?)\n"
                "ackd.yaml:1:30: unknown option 'verfy' in 'tls' of 'broker' (did you mean "
                "'verify'?)\n");
    fixture_bad("brokers: {main: {reconnect: {fist: 1s}}}\n",
                "ackd.yaml:1:30: unknown option 'fist' in 'reconnect' of broker 'main' (did you "
                "mean 'first'?)\n");
    fixture_bad("runtme: {loops: 1}\nelephant: 1\n",
                "ackd.yaml:1:1: unknown option 'runtme' (did you mean 'runtime'?)\n"
                "ackd.yaml:2:1: unknown option 'elephant'\n");
    fixture_bad("runtime: {elephant: 1}\n",
                "ackd.yaml:1:11: unknown option 'elephant' in 'runtime'\n");
}
END_TEST

START_TEST(test_options_in_the_wrong_place_name_the_right_one)
{
    fixture_bad("heartbeat: 1s\nbroker: {queue: q, loops: 2}\n",
                "ackd.yaml:1:1: unknown option 'heartbeat' (it belongs below 'broker')\n"
                "ackd.yaml:2:10: unknown option 'queue' in 'broker' (it belongs below "
                "'consumers')\n"
                "ackd.yaml:2:20: unknown option 'loops' in 'broker' (it belongs below "
                "'runtime')\n");
}
END_TEST

START_TEST(test_sections_are_maps)
{
    fixture_bad("broker: amqp://h\nlog: [a]\nconsumers: [orders]\n",
                "ackd.yaml:1:9: 'broker' is a value, but takes a map of options\n"
                "ackd.yaml:2:6: 'log' is a list, but takes a map of options\n"
                "ackd.yaml:3:12: 'consumers' is a list, but takes a map of names\n");
    fixture_bad("consumers: {orders: http}\n",
                "ackd.yaml:1:13: consumer 'orders' has no 'queue'\n"
                "ackd.yaml:1:13: consumer 'orders' has no 'handler'\n"
                "ackd.yaml:1:21: consumer 'orders' is a value, but takes a map of options\n");
}
END_TEST

START_TEST(test_values_of_the_wrong_kind)
{
    fixture_bad(CONSUMER "    timeout: [1s]\n    stack: {}\n    buffer:\n    settings: x\n",
                "ackd.yaml:5:14: 'timeout' in consumer 'orders': it is a list, but takes one "
                "value\n"
                "ackd.yaml:6:12: 'stack' in consumer 'orders': it is a map, but takes one value\n"
                "ackd.yaml:7:12: 'buffer' in consumer 'orders': it has no value\n"
                "ackd.yaml:8:15: 'settings' in consumer 'orders': it is a value, but takes a map "
                "of settings\n");
    fixture_bad("plugins: {path: {a: b}}\n",
                "ackd.yaml:1:17: 'path' in 'plugins': it is a map, but takes one value\n");
    fixture_bad("plugins: {path: [], cache: \"\"}\n",
                "ackd.yaml:1:17: 'path' in 'plugins': it holds 0 paths: write from 1 to 64\n"
                "ackd.yaml:1:28: 'cache' in 'plugins': it is empty\n");
}
END_TEST

START_TEST(test_every_bound)
{
    size_t count = 0;
    const struct {
        const char *text;
        const char *error;
    } wrong[] = {
        {"broker: {heartbeat: 999ms}", "'heartbeat' in 'broker': '999ms' is too small: the least "
                                       "is 1s"},
        {"broker: {heartbeat: 601s}", "'heartbeat' in 'broker': '601s' is too large: the most is "
                                      "10m"},
        {"runtime: {loops: 0}", "'loops' in 'runtime': '0' is too small: the least is 1"},
        {"runtime: {loops: -1}", "'loops' in 'runtime': '-1' is too small: the least is 1"},
        {"runtime: {loops: 65}", "'loops' in 'runtime': '65' is too large: the most is 64"},
        {"runtime: {loops: 4294967297}", "'loops' in 'runtime': '4294967297' is too large: the "
                                         "most is 64"},
        {"runtime: {loops: 99999999999999999999}", "'loops' in 'runtime': '99999999999999999999' "
                                                   "is too large a number"},
        {"runtime: {stack: 63KiB}", "'stack' in 'runtime': '63KiB' is too small: the least is "
                                    "64KiB"},
        {"runtime: {stack: 9MiB}", "'stack' in 'runtime': '9MiB' is too large: the most is 8MiB"},
        {"shutdown: {soft: 101%}", "'soft' in 'shutdown': '101%' is not a share: write a number "
                                   "from 0 to 100 and '%', as in 60%"},
        {"shutdown: {timeout: 85}", "'timeout' in 'shutdown': '85' is a duration without a unit: "
                                    "write ms, s, m, h or d behind the number, as in 30s"},
        {"log: {level: loud}", "'level' in 'log': 'loud' is not one of error, warning, notice, "
                               "info, debug"},
        {"broker: {allow-plaintext: 1}", "'allow-plaintext' in 'broker': '1' is neither true nor "
                                         "false: write one of the two"},
        {"broker: {user: '', password: p}", "'user' in 'broker': it is empty"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[256];
        const char *value = strstr(wrong[i].text, ": {");
        value = strstr(value + 3, ": ");
        snprintf(line, sizeof line, "ackd.yaml:1:%d: %s\n", (int)(value - wrong[i].text) + 3,
                 wrong[i].error);
        fixture_bad(wrong[i].text, line);
        count++;
    }
    ck_assert_uint_eq(count, 14);
}
END_TEST

START_TEST(test_values_at_the_bounds_are_right)
{
    struct config *config = fixture_good(
        "broker: {heartbeat: 10m}\nruntime: {loops: 64, stack: 8MiB, tasks-max: 1000000}\n" CONSUMER
        "    concurrency: 65535\n    loops: 64\n    message-size: 512MiB\n    buffer: 1TiB\n"
        "    timeout: 1ms\n    stack: 64KiB\n");
    size_t count = 0;
    const struct config_consumer *consumer = config_consumers(config, &count);
    ck_assert_uint_eq(consumer->concurrency, 65535);
    ck_assert_uint_eq(consumer->prefetch, 65535);
    ck_assert_uint_eq(consumer->loops, 64);
    ck_assert_uint_eq(consumer->message_size_max, 536870912);
    ck_assert(consumer->buffer == UINT64_C(1) << 40);
    ck_assert_uint_eq(consumer->timeout_ms, 1);
    ck_assert_uint_eq(consumer->stack_size, 65536);
    ck_assert_uint_eq(config_stack_size(config), 8388608);
    ck_assert_uint_eq(config_tasks_max(config), 1000000);
    config_unref(&config);
}
END_TEST

START_TEST(test_what_tasks_run_on_is_chosen_by_words)
{
    struct config *config = fixture_good("runtime: {stack-guard: mprotect, unobserved: fail}\n"
                                         "consumers: {a: {queue: q, handler: h}}\n");
    ck_assert_int_eq(config_stack_guard(config), 1);
    ck_assert(config_unobserved_fails(config));
    config_unref(&config);
    config = fixture_good("runtime: {stack-guard: region, unobserved: log}\n"
                          "consumers: {a: {queue: q, handler: h}}\n");
    ck_assert_int_eq(config_stack_guard(config), 2);
    ck_assert(!config_unobserved_fails(config));
    config_unref(&config);
}
END_TEST

START_TEST(test_names_have_a_length)
{
    char text[512] = "consumers: {a: {handler: h, queue: q, dead-letter: ";
    size_t length = strlen(text);
    memset(text + length, 'q', 255);
    strcpy(text + length + 255, "}}");
    struct config *config = fixture_good(text);
    config_unref(&config);
    strcpy(text + length + 255, "q}}");
    fixture_bad(text,
                "ackd.yaml:1:52: 'dead-letter' in consumer 'a': it is longer than 255 bytes\n");
    memcpy(text, "consumers: {a: {handler: h, dead-letter: d, queue: ", length);
    strcpy(text + length + 250, "}}");
    fixture_bad(text,
                "ackd.yaml:1:52: 'queue' in consumer 'a': with '.retry.DELAY' behind it, it is "
                "longer than 255 bytes\n");
}
END_TEST

START_TEST(test_paths_start_from_their_file)
{
    fixture_write("ackd.yaml", "plugins: {path: [lib, /abs]}\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/a.yaml", "plugins: {cache: ../cache}\n");
    struct config *config = fixture_load();
    const char *const *path = config_plugin_path(config);
    ck_assert_str_eq(path[0], "lib");
    ck_assert_str_eq(path[1], "/abs");
    ck_assert_ptr_null(path[2]);
    ck_assert_str_eq(config_cache_directory(config), "conf.d/../cache");
    config_unref(&config);
    fixture_write("conf.d/a.yaml", "");
    config = fixture_good("plugins: {path: one}\n");
    ck_assert_str_eq(config_plugin_path(config)[0], "one");
    ck_assert_ptr_null(config_plugin_path(config)[1]);
    config_unref(&config);
}
END_TEST

START_TEST(test_settings_keep_their_place_and_order)
{
    struct config *config = fixture_good(
        CONSUMER "    settings:\n      url: http://h/\n      tags: [a, \"\", 3]\n      none: []\n");
    size_t count = 0;
    const struct config_consumer *consumer = config_consumers(config, &count);
    ck_assert_uint_eq(consumer->setting_count, 3);
    const struct config_setting *setting = consumer->settings;
    ck_assert_str_eq(setting[0].key, "url");
    ck_assert(!setting[0].list);
    ck_assert_str_eq(setting[0].values[0], "http://h/");
    ck_assert_ptr_null(setting[0].values[1]);
    ck_assert_str_eq(setting[0].file, "ackd.yaml");
    ck_assert_int_eq(setting[0].line, 6);
    ck_assert_int_eq(setting[0].column, 12);
    ck_assert(setting[1].list);
    ck_assert_str_eq(setting[1].values[1], "");
    ck_assert_str_eq(setting[1].values[2], "3");
    ck_assert_ptr_null(setting[1].values[3]);
    ck_assert(setting[2].list);
    ck_assert_ptr_null(setting[2].values[0]);
    config_unref(&config);
}
END_TEST

START_TEST(test_settings_hold_values_and_lists_only)
{
    fixture_bad(CONSUMER "    settings: {a: {b: c}, d: [[e]], f: }\n",
                "ackd.yaml:5:19: setting 'a' of consumer 'orders' is a map: a setting is a value "
                "or a list of values\n"
                "ackd.yaml:5:31: setting 'd' of consumer 'orders' is a list: a setting is a value "
                "or a list of values\n"
                "ackd.yaml:5:40: setting 'f' of consumer 'orders' is nothing: a setting is a value "
                "or a list of values\n");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/section");
    TCase *tc = tcase_create("section");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_unknown_options_name_what_was_meant);
    tcase_add_test(tc, test_options_in_the_wrong_place_name_the_right_one);
    tcase_add_test(tc, test_sections_are_maps);
    tcase_add_test(tc, test_values_of_the_wrong_kind);
    tcase_add_test(tc, test_every_bound);
    tcase_add_test(tc, test_values_at_the_bounds_are_right);
    tcase_add_test(tc, test_what_tasks_run_on_is_chosen_by_words);
    tcase_add_test(tc, test_names_have_a_length);
    tcase_add_test(tc, test_paths_start_from_their_file);
    tcase_add_test(tc, test_settings_keep_their_place_and_order);
    tcase_add_test(tc, test_settings_hold_values_and_lists_only);
    suite_add_tcase(suite, tc);
    return suite;
}

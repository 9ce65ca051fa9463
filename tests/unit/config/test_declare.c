/* SPDX-License-Identifier: MIT */
/* Maps of maps and lists of maps: what 'declare:' says, and what a stream is read from. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fixture.h"
#include "main.h"

static const struct config_consumer *only(const struct config *config)
{
    size_t count = 0;
    const struct config_consumer *consumers = config_consumers(config, &count);
    ck_assert_uint_eq(count, 1);
    return &consumers[0];
}

static const char everything[] =
    "consumers:\n"
    "  a:\n"
    "    queue: orders\n"
    "    handler: log\n"
    "    single-active: true\n"
    "    declare:\n"
    "      type: classic\n"
    "      durable: false\n"
    "      arguments: {x-max-length: 1000, x-overflow: reject-publish, x-lazy: true,\n"
    "                  quoted: \"12\", at: 2026-01-31T12:00:00Z}\n"
    "      bind: [{exchange: shop, key: order.*}, {exchange: all}]\n"
    "      exchanges:\n"
    "        - {name: shop, type: topic}\n"
    "        - name: all\n"
    "          type: headers\n"
    "          internal: yes\n"
    "          bind: {exchange: shop, key: '#', arguments: {n: -3}}\n"
    "      dead-letter: {exchange: '', key: rest}\n";

START_TEST(test_everything_is_read)
{
    struct config *config = fixture_good(everything);
    const struct config_consumer *consumer = only(config);
    const struct config_declare *declare = &consumer->declare;
    ck_assert(declare->given);
    ck_assert(consumer->single_active);
    ck_assert_int_eq(consumer->queue_type, CONFIG_QUEUE_CLASSIC);
    ck_assert(!declare->durable);
    ck_assert_uint_eq(declare->arguments.count, 5);
    static const enum config_argument_kind kinds[] = {CONFIG_INTEGER, CONFIG_TEXT, CONFIG_BOOLEAN,
                                                      CONFIG_TEXT, CONFIG_TIMESTAMP};
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(declare->arguments.arguments[i].kind, kinds[i]);
    ck_assert_int_eq(declare->arguments.arguments[0].number, 1000);
    ck_assert_str_eq(declare->arguments.arguments[1].text, "reject-publish");
    ck_assert_str_eq(declare->arguments.arguments[3].text, "12");
    ck_assert_int_eq(declare->arguments.arguments[4].number, 1769860800);
    ck_assert_uint_eq(declare->bind_count, 2);
    ck_assert_str_eq(declare->bind[0].key, "order.*");
    ck_assert_str_eq(declare->bind[1].exchange, "all");
    ck_assert_str_eq(declare->bind[1].key, "");
    ck_assert_uint_eq(declare->exchange_count, 2);
    ck_assert(declare->exchanges[0].durable);
    ck_assert(!declare->exchanges[0].internal);
    ck_assert_uint_eq(declare->exchanges[0].bind_count, 0);
    ck_assert(declare->exchanges[1].internal);
    ck_assert_str_eq(declare->exchanges[1].type, "headers");
    ck_assert_uint_eq(declare->exchanges[1].bind_count, 1);
    ck_assert_int_eq(declare->exchanges[1].bind[0].arguments.arguments[0].number, -3);
    ck_assert_str_eq(declare->dead_exchange, "");
    ck_assert_str_eq(declare->dead_key, "rest");
    config_unref(&config);
}
END_TEST

/* W2 */
START_TEST(test_what_is_dumped_means_the_same)
{
    struct config *config = fixture_good(everything);
    char *first = fixture_dump(config);
    config_unref(&config);
    config = fixture_good(first);
    ck_assert(only(config)->declare.exchanges[1].internal);
    ck_assert_int_eq(only(config)->declare.arguments.arguments[3].kind, CONFIG_TEXT);
    ck_assert_int_eq(only(config)->declare.arguments.arguments[4].kind, CONFIG_TIMESTAMP);
    ck_assert_uint_eq(only(config)->declare.bind_count, 2);
    config_unref(&config);
    free(first);
    config = fixture_good("consumers: {a: {queue: orders, handler: log}}\n");
    first = fixture_dump(config);
    config_unref(&config);
    config = fixture_good(first);
    ck_assert(!only(config)->declare.given); /* passive by default */
    config_unref(&config);
    free(first);
}
END_TEST

START_TEST(test_nothing_is_declared_unless_asked_for)
{
    struct config *config = fixture_good("consumers: {a: {queue: q, handler: log, declare: }}\n");
    ck_assert(!only(config)->declare.given);
    config_unref(&config);
    config = fixture_good("consumers: {a: {queue: q, handler: log, declare: {}}}\n");
    ck_assert(only(config)->declare.given);
    ck_assert_int_eq(only(config)->queue_type, CONFIG_QUEUE_QUORUM);
    config_unref(&config);
}
END_TEST

START_TEST(test_errors_name_the_item)
{
    fixture_bad("consumers:\n"
                "  a:\n"
                "    queue: q\n"
                "    handler: log\n"
                "    declare:\n"
                "      typ: quorum\n"
                "      arguments: [1]\n"
                "      bind:\n"
                "        - {exchange: x, kye: k}\n"
                "        - key: k\n"
                "        - x\n"
                "      exchanges: x\n",
                "ackd.yaml:6:7: unknown option 'typ' in 'declare' of consumer 'a' (did you mean "
                "'type'?)\n"
                "ackd.yaml:7:18: 'arguments' in 'declare' of consumer 'a': it is a list, but takes "
                "a map of values\n"
                "ackd.yaml:9:25: unknown option 'kye' in item 1 of 'bind' of 'declare' of consumer "
                "'a' (did you mean 'key'?)\n"
                "ackd.yaml:10:11: item 2 of 'bind' of 'declare' of consumer 'a' has no "
                "'exchange'\n"
                "ackd.yaml:11:11: item 3 of 'bind' of 'declare' of consumer 'a' is a value, but "
                "takes a map of options\n"
                "ackd.yaml:11:11: item 3 of 'bind' of 'declare' of consumer 'a' has no "
                "'exchange'\n"
                "ackd.yaml:12:18: 'exchanges' of 'declare' of consumer 'a' is a value, but takes a "
                "list\n");
}
END_TEST

START_TEST(test_what_contradicts_is_found)
{
    fixture_bad(
        "consumers:\n"
        "  a:\n"
        "    queue: q\n"
        "    handler: log\n"
        "    queue-type: classic\n"
        "    single-active: true\n"
        "    offset: first\n"
        "    offset-else: next\n"
        "    declare:\n"
        "      type: stream\n"
        "      durable: false\n"
        "      arguments: {x-queue-type: stream}\n"
        "      dead-letter: {key: k}\n",
        "ackd.yaml:2:3: 'exchange' of 'dead-letter' of 'declare' of consumer 'a': a "
        "stream has no dead letters: it forgets the oldest\n"
        "ackd.yaml:5:17: 'queue-type' of consumer 'a': 'type' of 'declare' says otherwise: "
        "leave it out\n"
        "ackd.yaml:6:20: 'single-active' of consumer 'a': a stream gives its messages to "
        "every consumer\n"
        "ackd.yaml:8:18: 'offset-else' of consumer 'a': it counts only with 'offset: "
        "stored'\n"
        "ackd.yaml:11:16: 'durable' of 'declare' of consumer 'a': quorum queues and streams "
        "are durable: leave it out, or write 'type: classic'\n"
        "ackd.yaml:12:18: 'arguments' of 'declare' of consumer 'a': write 'type' in place of "
        "x-queue-type\n");
}
END_TEST

START_TEST(test_a_subscription_has_arguments)
{
    struct config *config =
        fixture_good("consumers:\n"
                     "  a: {queue: q, handler: log, arguments: {x-n: 3, x-b: true, x-t: '4'}}\n");
    const struct config_table *table = &only(config)->arguments;
    ck_assert_uint_eq(table->count, 3);
    ck_assert_str_eq(table->arguments[0].key, "x-n");
    ck_assert_int_eq(table->arguments[0].number, 3);
    ck_assert_int_eq(table->arguments[1].kind, CONFIG_BOOLEAN);
    ck_assert_str_eq(table->arguments[2].text, "4");
    config_unref(&config);
    fixture_bad("consumers:\n"
                "  a:\n"
                "    queue: q\n"
                "    handler: log\n"
                "    arguments: {x-priority: 3, x-stream-offset: first}\n",
                "ackd.yaml:5:16: 'arguments' of consumer 'a': write 'priority' in place of "
                "x-priority\n"
                "ackd.yaml:5:16: 'arguments' of consumer 'a': write 'offset' in place of "
                "x-stream-offset\n");
}
END_TEST

static void expect_offset(const char *text, enum config_offset kind, int64_t offset)
{
    char file[256];
    snprintf(file, sizeof file,
             "runtime: {state: /s}\nconsumers: {a: {queue: q, handler: log, offset: %s}}\n", text);
    struct config *config = fixture_good(file);
    const struct config_consumer *consumer = only(config);
    ck_assert_int_eq(consumer->queue_type, CONFIG_QUEUE_STREAM);
    ck_assert_int_eq(consumer->offset_kind, kind);
    ck_assert_int_eq(consumer->offset, offset);
    ck_assert_int_eq(consumer->offset_else, CONFIG_OFFSET_FIRST);
    config_unref(&config);
}

START_TEST(test_a_stream_is_read_from)
{
    expect_offset("first", CONFIG_OFFSET_FIRST, 0);
    expect_offset("last", CONFIG_OFFSET_LAST, 0);
    expect_offset("next", CONFIG_OFFSET_NEXT, 0);
    expect_offset("stored", CONFIG_OFFSET_STORED, 0);
    expect_offset("2026-01-31T12:00:00Z", CONFIG_OFFSET_TIMESTAMP, 1769860800);
    expect_offset("17", CONFIG_OFFSET_NUMBER, 17);
    fixture_bad("consumers: {a: {queue: q, handler: log, offset: 2026-02-30T00:00:00Z}}\n",
                "ackd.yaml:1:49: 'offset' of consumer 'a': write first, last, next, stored, a time "
                "as 2026-01-31T12:00:00Z, or a number\n");
    fixture_bad("consumers: {a: {queue: q, handler: log, offset: 1, queue-type: quorum}}\n",
                "ackd.yaml:1:49: 'offset' of consumer 'a': only a stream has offsets\n");
}
END_TEST

START_TEST(test_the_state_directory)
{
    fixture_setenv("STATE_DIRECTORY", "/var/lib/ackd:/other");
    struct config *config =
        fixture_good("consumers: {a: {queue: q, handler: log, queue-type: stream}}\n");
    ck_assert_str_eq(config_state_directory(config), "/var/lib/ackd");
    ck_assert_ptr_null(config_warnings(config)[0]);
    ck_assert_int_eq(only(config)->offset_kind, CONFIG_OFFSET_STORED);
    config_unref(&config);
    fixture_setenv("STATE_DIRECTORY", "");
    config = fixture_good("consumers: {a: {queue: q, handler: log, queue-type: stream}}\n");
    ck_assert_ptr_null(config_state_directory(config));
    ck_assert_str_eq(
        config_warnings(config)[0],
        "ackd.yaml:1:13: warning: 'offset' of consumer 'a': there is no place to store it: "
        "write 'state' of 'runtime', or set STATE_DIRECTORY");
    config_unref(&config);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/declare");
    TCase *tc = tcase_create("declare");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_everything_is_read);
    tcase_add_test(tc, test_what_is_dumped_means_the_same);
    tcase_add_test(tc, test_nothing_is_declared_unless_asked_for);
    tcase_add_test(tc, test_errors_name_the_item);
    tcase_add_test(tc, test_what_contradicts_is_found);
    tcase_add_test(tc, test_a_subscription_has_arguments);
    tcase_add_test(tc, test_a_stream_is_read_from);
    tcase_add_test(tc, test_the_state_directory);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/derive.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "main.h"

#define CONSUMER "consumers:\n  a:\n    queue: q\n    handler: h\n"

static const struct config_broker *the_broker(const struct config *config)
{
    size_t count = 0;
    const struct config_broker *broker = config_brokers(config, &count);
    ck_assert_uint_eq(count, 1);
    return broker;
}

static const struct config_consumer *the_consumer(const struct config *config)
{
    size_t count = 0;
    const struct config_consumer *consumer = config_consumers(config, &count);
    ck_assert_uint_eq(count, 1);
    return consumer;
}

START_TEST(test_without_a_user_it_is_guest)
{
    struct config *config = fixture_good("");
    ck_assert_str_eq(the_broker(config)->name, "default");
    ck_assert_str_eq(the_broker(config)->user, "guest");
    ck_assert_str_eq(the_broker(config)->password, "guest");
    ck_assert_str_eq(the_broker(config)->hosts[0].name, "localhost");
    ck_assert_str_eq(the_broker(config)->origin, "ackd.yaml:0");
    config_unref(&config);
}
END_TEST

START_TEST(test_user_and_password_come_together_and_once)
{
    struct config *config = fixture_good("\nbroker: {user: u, password: p}\n");
    ck_assert_str_eq(the_broker(config)->user, "u");
    ck_assert_str_eq(the_broker(config)->password, "p");
    ck_assert_str_eq(the_broker(config)->origin, "ackd.yaml:2");
    config_unref(&config);
    fixture_bad("broker: {user: u}\n",
                "ackd.yaml:1:16: 'user' in 'broker': there is no 'password' for it\n");
    fixture_bad("broker: {password: p}\n",
                "ackd.yaml:1:20: 'password' in 'broker': there is no 'user' for it\n");
    fixture_bad("broker:\n  uri: amqp://u:hunter2@localhost\n  user: v\n",
                "ackd.yaml:3:9: 'user' in 'broker': the uri at ackd.yaml:2 holds a user too: write "
                "one of the two\n");
    fixture_bad("broker: {uri: amqp://u@localhost}\n",
                "ackd.yaml:1:15: 'uri' in 'broker': it holds a user without a password: write "
                "'user' and 'password' instead\n");
}
END_TEST

START_TEST(test_errors_in_a_uri_do_not_show_it)
{
    fixture_bad("broker: {uri: \"amqp://u:hunter2@h:99999\"}\n",
                "ackd.yaml:1:15: 'uri' in 'broker': it has a port that is not a number from 1 to "
                "65535\n");
}
END_TEST

START_TEST(test_a_password_goes_unencrypted_only_by_name)
{
    fixture_bad("broker: {uri: \"amqp://localhost,rabbit-1/\"}\n",
                "ackd.yaml:1:15: 'uri' in 'broker': the password would go unencrypted to "
                "'rabbit-1': write amqps://, or 'allow-plaintext: true' if nobody can listen on "
                "the way\n");
    struct config *config =
        fixture_good("broker: {uri: \"amqp://rabbit-1/\", allow-plaintext: true}\n");
    ck_assert(the_broker(config)->allow_plaintext);
    ck_assert_str_eq(
        config_warnings(config)[0],
        "ackd.yaml:1:52: warning: 'allow-plaintext' in 'broker': the password goes unencrypted "
        "to 'rabbit-1'");
    ck_assert_ptr_null(config_warnings(config)[1]);
    config_unref(&config);
    config = fixture_good("broker: {uri: \"amqp://127.0.0.1,[::1]/\"}\n");
    ck_assert_ptr_null(config_warnings(config)[0]);
    config_unref(&config);
    config = fixture_good("broker: {uri: \"amqps://rabbit-1/\"}\n");
    ck_assert_ptr_null(config_warnings(config)[0]);
    config_unref(&config);
}
END_TEST

START_TEST(test_external_needs_a_certificate)
{
    struct config *config =
        fixture_good("broker: {uri: amqps://rabbit, auth: external, tls: {cert: /c, key: /k}}\n");
    ck_assert(the_broker(config)->external);
    ck_assert_ptr_null(the_broker(config)->user);
    ck_assert_ptr_null(the_broker(config)->password);
    ck_assert_str_eq(the_broker(config)->tls_cert, "/c");
    config_unref(&config);
    fixture_bad("broker: {uri: amqps://rabbit, auth: external}\n",
                "ackd.yaml:1:37: 'auth' in 'broker': external needs a uri with amqps:// and a "
                "certificate, 'cert' of 'tls'\n");
    fixture_bad("broker: {uri: amqps://rabbit, auth: external, user: u, tls: {cert: /c, key: /k}}",
                "ackd.yaml:1:37: 'auth' in 'broker': external takes the user from the certificate: "
                "leave out user and password\n");
}
END_TEST

START_TEST(test_tls_options_without_tls)
{
    fixture_bad("broker: {tls: {ca: /a, verify: true}}\n",
                "ackd.yaml:1:20: 'ca' in 'tls' of 'broker': it has no effect, the uri has no TLS: "
                "write amqps://\n"
                "ackd.yaml:1:32: 'verify' in 'tls' of 'broker': it has no effect, the uri has no "
                "TLS: write amqps://\n");
    fixture_bad("broker: {uri: amqps://r, tls: {cert: /c}}\n",
                "ackd.yaml:1:38: 'cert' in 'tls' of 'broker': it needs 'key'\n");
    fixture_bad("broker: {uri: amqps://r, tls: {key: /c}}\n",
                "ackd.yaml:1:37: 'key' in 'tls' of 'broker': it needs 'cert'\n");
}
END_TEST

START_TEST(test_verify_is_turned_off_by_a_long_word)
{
    fixture_bad("broker: {uri: amqps://r, tls: {verify: false}}\n",
                "ackd.yaml:1:40: 'verify' in 'tls' of 'broker': 'false' is not one of true, "
                "off-insecure\n");
    struct config *config = fixture_good("broker: {uri: amqps://r, tls: {verify: off-insecure}}\n");
    ck_assert(!the_broker(config)->tls_verify);
    ck_assert_str_eq(
        config_warnings(config)[0],
        "ackd.yaml:1:40: warning: 'verify' in 'tls' of 'broker': the broker is not checked: "
        "anybody on the way can be the broker");
    config_unref(&config);
}
END_TEST

START_TEST(test_times_fit_each_other)
{
    fixture_bad("broker: {heartbeat: 1500ms}\n",
                "ackd.yaml:1:21: 'heartbeat' in 'broker': it counts whole seconds: AMQP knows no "
                "others\n");
    fixture_bad("broker: {reconnect: {first: 40s}}\n",
                "ackd.yaml:1:29: 'first' in 'reconnect' of 'broker': 'first' is larger than "
                "'max'\n");
    fixture_bad("broker: {reconnect: {max: 200ms}}\n",
                "ackd.yaml:1:27: 'max' in 'reconnect' of 'broker': 'first' is larger than 'max'\n");
}
END_TEST

START_TEST(test_a_password_in_an_open_file_is_warned_of)
{
    fixture_write("ackd.yaml", "broker:\n  user: u\n  password: p\n");
    fixture_mode("ackd.yaml", 0644);
    struct config *config = fixture_load();
    ck_assert_str_eq(
        config_warnings(config)[0],
        "ackd.yaml:3:13: warning: 'password' in 'broker': everybody may read it in this file: "
        "chmod o= the file, or write ${file:/path}");
    config_unref(&config);
    fixture_setenv("PASSWORD", "p");
    fixture_write("ackd.yaml", "broker:\n  user: u\n  password: ${PASSWORD}\n");
    fixture_mode("ackd.yaml", 0644);
    config = fixture_load();
    ck_assert_ptr_null(config_warnings(config)[0]);
    config_unref(&config);
    fixture_mode("ackd.yaml", 0666);
    config = fixture_load();
    ck_assert_str_eq(config_warnings(config)[0],
                     "ackd.yaml: warning: everybody may write to it: chmod o= it");
    config_unref(&config);
}
END_TEST

/* A13: what may wait a quarter of the broker's patience has the rest of it to be handled. */
START_TEST(promise_a13_a_timeout_beyond_the_brokers_patience_is_warned_of)
{
    struct config *config = fixture_good(CONSUMER "    timeout: 25m\n");
    ck_assert_str_eq(
        config_warnings(config)[0],
        "ackd.yaml:5:14: warning: 'timeout' in consumer 'a': the broker takes the channel "
        "away after 'consumer-timeout', 1800 s, of which a message may wait a quarter "
        "for its start: keep it at 1350 s at most, or raise consumer_timeout of the "
        "broker and tell it here");
    config_unref(&config);
    static const char *const fine[] = {"    timeout: 1350s\n",
                                       "    timeout: 25m\n    consumer-timeout: 1h\n",
                                       "    timeout: 25m\n    consumer-timeout: off\n", ""};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s", CONSUMER, fine[i]);
        config = fixture_good(text);
        ck_assert_ptr_null(config_warnings(config)[0]);
        config_unref(&config);
    }
}
END_TEST

START_TEST(test_what_has_no_effect_is_warned_of)
{
    static const char *const idle[] = {"key-order: strict", "key-hold: 10s", "batch: {wait: 1s}",
                                       "kill-switch: {of: 5}", "kill-switch: {pause: 5s}"};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s    %s\n", CONSUMER, idle[i]);
        struct config *config = fixture_good(text);
        ck_assert_ptr_nonnull(strstr(config_warnings(config)[0], "warning: "));
        ck_assert_ptr_nonnull(strstr(config_warnings(config)[0], "has no effect without '"));
        ck_assert_ptr_null(config_warnings(config)[1]);
        config_unref(&config);
    }
    struct config *config = fixture_good(CONSUMER "    key: routing-key\n    key-hold: 10s\n");
    ck_assert_ptr_null(config_warnings(config)[0]);
    config_unref(&config);
}
END_TEST

START_TEST(test_consumers_choose_their_broker)
{
    struct config *config = fixture_good(
        "brokers:\n  one: {heartbeat: 1s}\n  two: {heartbeat: 2s}\n" CONSUMER "    broker: two\n");
    ck_assert_str_eq(the_consumer(config)->broker->name, "two");
    ck_assert_uint_eq(the_consumer(config)->broker->heartbeat_ms, 2000);
    config_unref(&config);
    config = fixture_good("brokers: {one: {}, default: {}}\n" CONSUMER);
    ck_assert_str_eq(the_consumer(config)->broker->name, "default");
    config_unref(&config);
    config = fixture_good("brokers: {one: {}}\n" CONSUMER);
    ck_assert_str_eq(the_consumer(config)->broker->name, "one");
    config_unref(&config);
    config = fixture_good(CONSUMER "    broker: default\n");
    ck_assert_str_eq(the_consumer(config)->broker->name, "default");
    config_unref(&config);
    fixture_bad("brokers: {one: {}, two: {}}\n" CONSUMER,
                "ackd.yaml:3:3: 'broker' in consumer 'a': there are 2 brokers, and none is called "
                "'default': name one\n");
    fixture_bad("brokers: {main: {}}\n" CONSUMER "    broker: mian\n",
                "ackd.yaml:6:13: 'broker' in consumer 'a': there is no broker 'mian' (did you mean "
                "'main'?)\n");
    fixture_bad(CONSUMER "    broker: other\n",
                "ackd.yaml:5:13: 'broker' in consumer 'a': there is no broker 'other'\n");
}
END_TEST

START_TEST(test_broker_and_brokers_exclude_each_other)
{
    fixture_bad("broker: {user: u, password: p}\nbrokers: {a: {}}\n",
                "ackd.yaml:2:1: 'brokers' and 'broker' (at ackd.yaml:1) exclude each other: name "
                "that one here\n");
}
END_TEST

START_TEST(test_names_of_sections)
{
    fixture_bad("brokers: {\"a b\": {}}\nconsumers: {\"\": {queue: q, handler: h}}\n",
                "ackd.yaml:1:11: 'a b' is no name: write up to 64 letters, digits, '.', '_' and "
                "'-'\n"
                "ackd.yaml:2:13: '' is no name: write up to 64 letters, digits, '.', '_' and "
                "'-'\n");
}
END_TEST

START_TEST(test_what_a_consumer_must_have)
{
    fixture_bad("consumers:\n  a:\n  b: {queue: q}\n",
                "ackd.yaml:2:3: consumer 'a' has no 'queue'\n"
                "ackd.yaml:2:3: consumer 'a' has no 'handler'\n"
                "ackd.yaml:3:3: consumer 'b' has no 'handler'\n");
}
END_TEST

START_TEST(test_what_follows_from_the_rest)
{
    struct config *config = fixture_good(CONSUMER);
    const struct config_consumer *consumer = the_consumer(config);
    ck_assert_uint_eq(consumer->concurrency, 16);
    ck_assert_uint_eq(consumer->prefetch, 21);
    ck_assert_str_eq(consumer->dead_letter, "q.dead");
    config_unref(&config);
    config = fixture_good(CONSUMER "    concurrency: 10000\n    buffer: 1MiB\n");
    consumer = the_consumer(config);
    ck_assert_uint_eq(consumer->prefetch, 12501);
    ck_assert_uint_eq(consumer->message_size_max, 1048576);
    config_unref(&config);
    config = fixture_good(CONSUMER "    prefetch: 16\n    dead-letter: d\n");
    ck_assert_uint_eq(the_consumer(config)->prefetch, 16);
    ck_assert_str_eq(the_consumer(config)->dead_letter, "d");
    config_unref(&config);
}
END_TEST

START_TEST(test_numbers_fit_each_other)
{
    fixture_bad(CONSUMER "    prefetch: 15\n",
                "ackd.yaml:5:15: 'prefetch' in consumer 'a': it is less than 'concurrency', which "
                "is 16: the broker would never send as many\n");
    fixture_bad(CONSUMER "    loops: 2\n",
                "ackd.yaml:5:12: 'loops' in consumer 'a': there is only 1: raise 'loops' of "
                "'runtime'\n");
    fixture_bad("runtime: {loops: 8}\n" CONSUMER "    loops: 8\n    concurrency: 4\n",
                "ackd.yaml:6:12: 'loops' in consumer 'a': 'concurrency' is 4: some loops would "
                "have nothing to do\n");
    fixture_bad(CONSUMER "    message-size: 2MiB\n    buffer: 1MiB\n",
                "ackd.yaml:5:19: 'message-size' in consumer 'a': it is larger than 'buffer': one "
                "such message would never fit\n");
    fixture_bad("runtime: {buffer: 1MiB}\n" CONSUMER "    message-size: 2MiB\n",
                "ackd.yaml:6:19: 'message-size' in consumer 'a': it is larger than 'buffer' of "
                "'runtime': one such message would never fit\n");
    fixture_bad(CONSUMER "    dead-letter: q\n",
                "ackd.yaml:5:18: 'dead-letter' in consumer 'a': it is the queue that is consumed: "
                "messages would go round for ever\n");
}
END_TEST

START_TEST(test_batches_are_of_a_size_and_fit_the_prefetch)
{
    struct config *config =
        fixture_good(CONSUMER "    concurrency: 4\n    batch: {size: 100, wait: off}\n");
    const struct config_consumer *consumer = the_consumer(config);
    ck_assert_uint_eq(consumer->batch_size, 100);
    ck_assert_uint_eq(consumer->batch_wait_ms, 0);
    ck_assert_uint_eq(config_slots(consumer), 400);
    ck_assert_uint_eq(consumer->prefetch, 501);
    config_unref(&config);
    config = fixture_good(CONSUMER "    batch: {size: 1}\n");
    ck_assert_uint_eq(the_consumer(config)->batch_wait_ms, 50);
    config_unref(&config);
    fixture_bad(CONSUMER "    concurrency: 4\n    prefetch: 399\n    batch: {size: 100}\n",
                "ackd.yaml:6:15: 'prefetch' in consumer 'a': it is less than 'concurrency' times "
                "'size' of 'batch', which is 400: the broker would never send as many\n");
    fixture_bad(CONSUMER "    batch: {size: 4096}\n",
                "ackd.yaml:5:19: 'size' in 'batch' of consumer 'a': times 'concurrency', which is "
                "16, it is 65536 messages: a broker sends 65535 at most\n");
}
END_TEST

START_TEST(test_a_key_is_a_header_the_routing_key_or_a_property)
{
    struct config *config = fixture_good(CONSUMER);
    ck_assert_int_eq(the_consumer(config)->key_kind, CONFIG_KEY_NONE);
    config_unref(&config);
    config = fixture_good(CONSUMER "    key: header:x-customer\n");
    ck_assert_int_eq(the_consumer(config)->key_kind, CONFIG_KEY_HEADER);
    ck_assert_str_eq(the_consumer(config)->key_name, "x-customer");
    ck_assert_int_eq(the_consumer(config)->key_order, CONFIG_KEY_STRICT);
    ck_assert_uint_eq(the_consumer(config)->key_hold_ms, 30000);
    config_unref(&config);
    config = fixture_good(CONSUMER "    key: routing-key\n    key-order: relaxed\n");
    ck_assert_int_eq(the_consumer(config)->key_kind, CONFIG_KEY_ROUTING_KEY);
    ck_assert_int_eq(the_consumer(config)->key_order, CONFIG_KEY_RELAXED);
    config_unref(&config);
    config = fixture_good(CONSUMER "    key: property:correlation-id\n");
    ck_assert_int_eq(the_consumer(config)->key_kind, CONFIG_KEY_PROPERTY);
    config_unref(&config);
    fixture_bad(CONSUMER "    key: customer\n",
                "ackd.yaml:5:10: 'key' in consumer 'a': write header:NAME, routing-key, or "
                "property:NAME\n");
    fixture_bad(CONSUMER "    key: 'header:'\n",
                "ackd.yaml:5:10: 'key' in consumer 'a': write header:NAME, routing-key, or "
                "property:NAME\n");
    fixture_bad(CONSUMER "    key: property:colour\n",
                "ackd.yaml:5:10: 'key' in consumer 'a': there is no such property: write "
                "message-id, correlation-id, type, reply-to, app-id, user-id or content-type\n");
}
END_TEST

START_TEST(test_groups_are_found_by_name)
{
    struct config *config = fixture_good("limits: {db: {concurrency: 20, rate: 100/m}, api: "
                                         "{rate: 5/s}}\n" CONSUMER "    limits: [api, db]\n");
    const struct config_consumer *consumer = the_consumer(config);
    size_t count = 0;
    const struct config_limit *limits = config_limits(config, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(consumer->limit_count, 2);
    ck_assert_ptr_eq(consumer->limits[0], &limits[1]);
    ck_assert_ptr_eq(consumer->limits[1], &limits[0]);
    ck_assert_uint_eq(limits[0].concurrency, 20);
    ck_assert_uint_eq(limits[0].rate.count, 100);
    ck_assert_uint_eq(limits[0].rate.per_ms, 60000);
    config_unref(&config);
    fixture_bad(CONSUMER "    limits: db\n",
                "ackd.yaml:5:13: 'limits' in consumer 'a': there is no 'db' in the top-level "
                "'limits'\n");
    fixture_bad("limits: {db: {}}\n" CONSUMER "    limits: db\n",
                "ackd.yaml:1:10: limit 'db' bounds nothing: give it 'concurrency' or 'rate'\n");
    fixture_bad("limits: {db: {concurrency: 1}}\n" CONSUMER "    limits: [db, db]\n",
                "ackd.yaml:6:13: 'limits' in consumer 'a': 'db' is there twice\n");
    fixture_bad("limits: {db: {rate: 10}}\n",
                "ackd.yaml:1:21: 'rate' in limit 'db': '10' is not a rate: write a number, '/' and "
                "s, m or h, as in 100/s\n");
}
END_TEST

START_TEST(test_how_far_ahead_depends_on_key_and_rate)
{
    static const struct {
        const char *more;
        uint32_t prefetch;
    } cases[] = {{"    key: routing-key\n", 512},
                 {"    key: routing-key\n    concurrency: 100\n", 800},
                 {"    key: routing-key\n    concurrency: 10000\n", 65535},
                 {"    rate: 2/m\n", 2},
                 {"    rate: 1/h\n", 1},
                 {"    rate: 1000/s\n", 21},
                 {"    rate: 1/s\n    key: routing-key\n", 60},
                 {"    rate: 1/s\n    prefetch: 100\n", 100}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, CONSUMER "%s", cases[i].more);
        struct config *config = fixture_good(text);
        ck_assert_uint_eq(the_consumer(config)->prefetch, cases[i].prefetch);
        config_unref(&config);
    }
}
END_TEST

START_TEST(test_a_kill_switch_is_on_by_its_share)
{
    struct config *config = fixture_good(CONSUMER);
    ck_assert_uint_eq(the_consumer(config)->kill_failures, 0);
    config_unref(&config);
    config = fixture_good(CONSUMER "    kill-switch: {failures: 50%, pause: 5s}\n");
    ck_assert_uint_eq(the_consumer(config)->kill_failures, 50);
    ck_assert_uint_eq(the_consumer(config)->kill_of, 20);
    ck_assert_uint_eq(the_consumer(config)->kill_pause_ms, 5000);
    config_unref(&config);
}
END_TEST

START_TEST(test_handlers_are_names_or_paths)
{
    fixture_folder("etc");
    fixture_write("etc/ackd.yaml", "consumers: {a: {queue: q, handler: ./h.so}, b: {queue: q, "
                                   "handler: /x/h.so}, c: {queue: q, handler: h-1.2}}\n");
    struct config *config = NULL;
    struct config_errors errors;
    ck_assert_int_eq(config_load("etc/ackd.yaml", NULL, &config, &errors), 0);
    size_t count = 0;
    const struct config_consumer *consumers = config_consumers(config, &count);
    ck_assert_str_eq(consumers[0].handler, "etc/./h.so");
    ck_assert_str_eq(consumers[1].handler, "/x/h.so");
    ck_assert_str_eq(consumers[2].handler, "h-1.2");
    config_unref(&config);
    config_errors_free(&errors);
    const char *const wrong[] = {"..", ".h", "'h h'", "h;"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "consumers: {a: {queue: q, handler: %s}}\n", wrong[i]);
        fixture_bad(text, "ackd.yaml:1:36: 'handler' in consumer 'a': a name is letters, digits, "
                          "'.', '_' and '-'; for a file write a path with a '/' in it\n");
    }
}
END_TEST

START_TEST(test_the_cache_is_what_systemd_says)
{
    struct config *config = fixture_good("");
    ck_assert_ptr_null(config_cache_directory(config));
    config_unref(&config);
    fixture_setenv("CACHE_DIRECTORY", "/var/cache/ackd:/other");
    config = fixture_good("");
    ck_assert_str_eq(config_cache_directory(config), "/var/cache/ackd");
    config_unref(&config);
    config = fixture_good("plugins: {cache: /c}\n");
    ck_assert_str_eq(config_cache_directory(config), "/c");
    config_unref(&config);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/derive");
    TCase *tc = tcase_create("derive");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_without_a_user_it_is_guest);
    tcase_add_test(tc, test_user_and_password_come_together_and_once);
    tcase_add_test(tc, test_errors_in_a_uri_do_not_show_it);
    tcase_add_test(tc, test_a_password_goes_unencrypted_only_by_name);
    tcase_add_test(tc, test_external_needs_a_certificate);
    tcase_add_test(tc, test_tls_options_without_tls);
    tcase_add_test(tc, test_verify_is_turned_off_by_a_long_word);
    tcase_add_test(tc, test_times_fit_each_other);
    tcase_add_test(tc, test_a_password_in_an_open_file_is_warned_of);
    tcase_add_test(tc, promise_a13_a_timeout_beyond_the_brokers_patience_is_warned_of);
    tcase_add_test(tc, test_what_has_no_effect_is_warned_of);
    tcase_add_test(tc, test_consumers_choose_their_broker);
    tcase_add_test(tc, test_broker_and_brokers_exclude_each_other);
    tcase_add_test(tc, test_names_of_sections);
    tcase_add_test(tc, test_what_a_consumer_must_have);
    tcase_add_test(tc, test_what_follows_from_the_rest);
    tcase_add_test(tc, test_numbers_fit_each_other);
    tcase_add_test(tc, test_batches_are_of_a_size_and_fit_the_prefetch);
    tcase_add_test(tc, test_a_key_is_a_header_the_routing_key_or_a_property);
    tcase_add_test(tc, test_groups_are_found_by_name);
    tcase_add_test(tc, test_how_far_ahead_depends_on_key_and_rate);
    tcase_add_test(tc, test_a_kill_switch_is_on_by_its_share);
    tcase_add_test(tc, test_handlers_are_names_or_paths);
    tcase_add_test(tc, test_the_cache_is_what_systemd_says);
    suite_add_tcase(suite, tc);
    return suite;
}

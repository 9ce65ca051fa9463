/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/login.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/channel.h"
#include "main.h"
#include "server.h"

static struct server server;

static bool same(amqp_bytes_t bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.bytes, text, bytes.len) == 0;
}

static const amqp_field_value_t *field(amqp_table_t table, const char *key)
{
    for (int i = 0; i < table.num_entries; i++)
        if (same(table.entries[i].key, key))
            return &table.entries[i].value;
    ck_abort_msg("there is no %s", key);
}

START_TEST(test_plain_says_user_password_and_who_ackd_is)
{
    server_init(&server);
    ck_assert_str_eq(connection_step(server.connection), "connection.start");
    server_say_start(&server, "AMQPLAIN PLAIN");
    server_expect_nothing(&server);
    ck_assert_str_eq(connection_step(server.connection), "connection.tune");
    ck_assert_str_eq(connection_server(server.connection), "RabbitMQ 3.10.8");
    const amqp_connection_start_ok_t *ok = server_read(&server, 0, AMQP_CONNECTION_START_OK_METHOD);
    ck_assert(same(ok->mechanism, "PLAIN"));
    ck_assert(same(ok->locale, "en_US"));
    ck_assert_uint_eq(ok->response.len, 13);
    ck_assert_mem_eq(ok->response.bytes, "\0guest\0secret", 13);
    ck_assert(same(field(ok->client_properties, "product")->value.bytes, "ackd"));
    ck_assert(same(field(ok->client_properties, "connection_name")->value.bytes, "test"));
    static const char *const wanted[] = {
        "consumer_cancel_notify", "connection.blocked",           "basic.nack",
        "publisher_confirms",     "authentication_failure_close", "exchange_exchange_bindings"};
    amqp_table_t can = field(ok->client_properties, "capabilities")->value.table;
    ck_assert_int_eq(can.num_entries, 6);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(field(can, wanted[i])->value.boolean, 1);
    server_fini(&server);
}
END_TEST

START_TEST(test_external_says_no_password)
{
    server_init(&server);
    connection_free(&server.connection);
    delivery_pool_free(&server.pool);
    server.options.mechanism = CONNECTION_EXTERNAL;
    server_begin(&server);
    server_say_start(&server, "PLAIN EXTERNAL");
    server_expect_nothing(&server);
    const amqp_connection_start_ok_t *ok = server_read(&server, 0, AMQP_CONNECTION_START_OK_METHOD);
    ck_assert(same(ok->mechanism, "EXTERNAL"));
    ck_assert_uint_eq(ok->response.len, 0);
    server_fini(&server);
}
END_TEST

START_TEST(test_a_mechanism_is_a_whole_word)
{
    server_init(&server);
    server_say_start(&server, "AMQPLAIN XPLAIN PLAINX");
    server_expect_failure(&server, "RabbitMQ 3.10.8 does not offer the login mechanism PLAIN");
    ck_assert_int_eq(ackd_error_code(ackd_error_current()), ACKD_E_REFUSED);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

static void log_in_with(uint16_t ours, uint16_t theirs, uint32_t frame_max, uint16_t channel_max)
{
    server_init(&server);
    connection_free(&server.connection);
    delivery_pool_free(&server.pool);
    server.options.heartbeat_s = ours;
    server.heartbeat_s = theirs;
    server.frame_max = frame_max;
    server.channel_max = channel_max;
    server_begin(&server);
    server_say_start(&server, "PLAIN");
    server_say_tune(&server);
    server_expect_nothing(&server);
    server_read(&server, 0, AMQP_CONNECTION_START_OK_METHOD);
}

START_TEST(test_the_smaller_heartbeat_or_the_one_that_is_not_zero_counts)
{
    static const struct {
        uint16_t ours, theirs, agreed;
    } rows[] = {{15, 60, 15}, {60, 15, 15}, {0, 60, 60}, {15, 0, 15}, {0, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        log_in_with(rows[i].ours, rows[i].theirs, 131072, 2047);
        const amqp_connection_tune_ok_t *ok =
            server_read(&server, 0, AMQP_CONNECTION_TUNE_OK_METHOD);
        ck_assert_uint_eq(ok->heartbeat, rows[i].agreed);
        ck_assert_uint_eq(connection_heartbeat_s(server.connection), rows[i].agreed);
        const amqp_connection_open_t *open = server_read(&server, 0, AMQP_CONNECTION_OPEN_METHOD);
        ck_assert(same(open->virtual_host, "/"));
        ck_assert_str_eq(connection_step(server.connection), "connection.open-ok");
        server_fini(&server);
    }
}
END_TEST

START_TEST(test_frame_max_and_channel_max_are_taken_as_offered)
{
    static const struct {
        uint32_t frame_max, agreed;
        uint16_t channel_max, channels;
    } rows[] = {{131072, 131072, 2047, 2047},
                {4096, 4096, 1, 1},
                {0, 131072, 0, 65535},
                {0x80000000, 0x80000000, 65535, 65535}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        log_in_with(15, 60, rows[i].frame_max, rows[i].channel_max);
        const amqp_connection_tune_ok_t *ok =
            server_read(&server, 0, AMQP_CONNECTION_TUNE_OK_METHOD);
        ck_assert_uint_eq(ok->frame_max, rows[i].agreed);
        ck_assert_uint_eq(ok->channel_max, rows[i].channels);
        ck_assert_uint_eq(connection_frame_max(server.connection), rows[i].agreed);
        ck_assert_uint_eq(connection_channel_max(server.connection), rows[i].channels);
        server_fini(&server);
    }
}
END_TEST

START_TEST(test_a_frame_max_below_the_least_is_refused)
{
    server_init(&server);
    server.frame_max = 4095;
    server_say_start(&server, "PLAIN");
    server_say_tune(&server);
    ck_assert_uint_eq(server_expect_failure(&server, "at most 4095 bytes").code, 502);
    server_fini(&server);
}
END_TEST

START_TEST(test_another_round_of_login_is_refused)
{
    server_init(&server);
    server_say_start(&server, "PLAIN");
    amqp_connection_secure_t secure = {0};
    server_say(&server, 0, AMQP_CONNECTION_SECURE_METHOD, &secure);
    server_expect_failure(&server, "connection.secure");
    server_fini(&server);
}
END_TEST

/* The broker would say nothing at all. */
START_TEST(promise_r16_a_login_larger_than_the_broker_reads_is_refused_here)
{
    size_t overhead = 0;
    for (size_t size = 3600; size < 3900; size++) {
        server_init(&server);
        connection_free(&server.connection);
        delivery_pool_free(&server.pool);
        char *password = malloc(size + 1);
        memset(password, 'x', size);
        password[size] = '\0';
        server.options.password = password;
        server_begin(&server);
        free(password);
        server_say_start(&server, "PLAIN");
        struct connection_event event;
        bool refused = server_event(&server, &event);
        size_t written = buffer_size(connection_output(server.connection));
        if (!refused)
            overhead = written - size;
        test_that(refused ? written == 0 : written > size);
        test_that(refused == (size + overhead > 4096));
        test_that(!refused || strstr(event.text, "shorter password") != NULL);
        server_fini(&server);
    }
    ck_assert_uint_gt(overhead, 100);
}
END_TEST

START_TEST(test_a_refused_login_is_closed_by_the_server)
{
    server_init(&server);
    server_say_start(&server, "PLAIN");
    server_expect_nothing(&server);
    server_read(&server, 0, AMQP_CONNECTION_START_OK_METHOD);
    amqp_connection_close_t close = {.reply_code = 403,
                                     .reply_text = amqp_cstring_bytes("ACCESS_REFUSED - no")};
    server_say(&server, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    struct connection_event event = server_expect(&server, CONNECTION_CLOSED);
    ck_assert_uint_eq(event.code, 403);
    ck_assert_str_eq(event.text, "ACCESS_REFUSED - no");
    server_read(&server, 0, AMQP_CONNECTION_CLOSE_OK_METHOD);
    server_read_nothing(&server);
    ck_assert_str_eq(connection_step(server.connection), "closed");
    server_fini(&server);
}
END_TEST

START_TEST(test_the_login_can_come_a_byte_at_a_time)
{
    server_init(&server);
    server.chunk = 1;
    server_log_in(&server);
    server_open_channel(&server, 1);
    ck_assert_str_eq(connection_step(server.connection), "open");
    server_fini(&server);
}
END_TEST

START_TEST(promise_r4_nothing_large_is_read_before_the_login)
{
    server_init(&server);
    uint8_t *at = NULL;
    size_t size = 0;
    connection_space(server.connection, &at, &size);
    ck_assert_uint_le(size, 16384);
    server_say_bytes(&server, "\x01\0\0\0\0\x40\0", 7);
    ck_assert_uint_eq(server_expect_failure(&server, "16384 bytes").code, 501);
    server_fini(&server);
}
END_TEST

START_TEST(test_nothing_but_the_login_is_expected_before_its_end)
{
    server_init(&server);
    server_say_tune(&server);
    server_expect_failure(&server, "connection.tune (10,30) while connection.start was expected");
    server_fini(&server);
    server_init(&server);
    server_say_start(&server, "PLAIN");
    server_say_start(&server, "PLAIN");
    server_expect_failure(&server, "connection.start (10,10) while connection.tune was expected");
    server_fini(&server);
    server_init(&server);
    server_say_start(&server, "PLAIN");
    server_say_deliver(&server, 1, 1);
    server_expect_failure(&server, "channel 1");
    server_fini(&server);
}
END_TEST

START_TEST(test_calls_before_the_login_is_done_are_refused)
{
    server_init(&server);
    ck_assert_int_eq(channel_open(server.connection, 1), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(connection_close(server.connection, 200, "bye"), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(connection_heartbeat(server.connection), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(connection_start(server.connection), ACKD_E_NOT_OPEN);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/login");
    TCase *tc = tcase_create("login");
    tcase_add_test(tc, test_plain_says_user_password_and_who_ackd_is);
    tcase_add_test(tc, test_external_says_no_password);
    tcase_add_test(tc, test_a_mechanism_is_a_whole_word);
    tcase_add_test(tc, test_the_smaller_heartbeat_or_the_one_that_is_not_zero_counts);
    tcase_add_test(tc, test_frame_max_and_channel_max_are_taken_as_offered);
    tcase_add_test(tc, test_a_frame_max_below_the_least_is_refused);
    tcase_add_test(tc, test_another_round_of_login_is_refused);
    tcase_add_test(tc, promise_r16_a_login_larger_than_the_broker_reads_is_refused_here);
    tcase_add_test(tc, test_a_refused_login_is_closed_by_the_server);
    tcase_add_test(tc, test_the_login_can_come_a_byte_at_a_time);
    tcase_add_test(tc, promise_r4_nothing_large_is_read_before_the_login);
    tcase_add_test(tc, test_nothing_but_the_login_is_expected_before_its_end);
    tcase_add_test(tc, test_calls_before_the_login_is_done_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}

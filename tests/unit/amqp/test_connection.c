/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/connection.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "amqp/channel.h"
#include "amqp/frame.h"
#include "amqp/wire.h"
#include "main.h"
#include "server.h"

static struct server server;
static uint64_t nothing[16]; /* arguments of any method, all zero */

static void begin(void)
{
    server_init(&server);
    server_log_in(&server);
    server_open_channel(&server, 1);
}

static void say(uint16_t channel, uint32_t id)
{
    memset(nothing, 0, sizeof nothing);
    server_say(&server, channel, id, nothing);
}

static const struct {
    uint32_t id;
    const char *name;
    unsigned from;
} methods[] = {
#define METHOD(id, name, from, table) {AMQP_##id##_METHOD, name, from},
#include "amqp/methods.def"
#undef METHOD
};

enum { METHODS = sizeof methods / sizeof methods[0] };

static bool expected(uint32_t id, bool on_channel)
{
    static const uint32_t on_connection[] = {AMQP_CONNECTION_CLOSE_METHOD,
                                             AMQP_CONNECTION_BLOCKED_METHOD,
                                             AMQP_CONNECTION_UNBLOCKED_METHOD};
    static const uint32_t on_channels[] = {AMQP_BASIC_DELIVER_METHOD, AMQP_BASIC_RETURN_METHOD,
                                           AMQP_BASIC_CANCEL_METHOD, AMQP_CHANNEL_CLOSE_METHOD};
    for (size_t i = 0; i < 3 && !on_channel; i++)
        if (on_connection[i] == id)
            return true;
    for (size_t i = 0; i < 4 && on_channel; i++)
        if (on_channels[i] == id)
            return true;
    return false;
}

/* Every method in every state that does not expect it ends the connection, by name. */
START_TEST(test_methods_that_are_not_expected_break_the_protocol)
{
    for (size_t i = 0; i < METHODS; i++)
        for (uint16_t channel = 0; channel < 3; channel++) { /* 2 is not open */
            begin();
            say(channel, methods[i].id);
            struct connection_event event;
            bool came = server_event(&server, &event);
            if (channel < 2 && expected(methods[i].id, channel == 1)) {
                test_that(!came || event.kind != CONNECTION_FAILED);
                server_fini(&server);
                continue;
            }
            test_that(came);
            if (event.kind != CONNECTION_FAILED)
                ck_abort_msg("%s on channel %u was taken", methods[i].name, channel);
            test_that(event.code >= 501 && event.code <= 540);
            const amqp_connection_close_t *close =
                server_read(&server, 0, AMQP_CONNECTION_CLOSE_METHOD);
            test_that(close->reply_code == event.code);
            server_read_nothing(&server);
            if (strstr(event.text, methods[i].name) == NULL &&
                strstr(event.text, "not asked for") == NULL &&
                strstr(event.text, "no confirms") == NULL)
                ck_abort_msg("\"%s\" does not name %s", event.text, methods[i].name);
            if ((methods[i].from & METHOD_FROM_SERVER) == 0)
                test_that(strstr(event.text, "only a client") != NULL);
            server_fini(&server);
        }
}
END_TEST

START_TEST(test_methods_that_do_not_exist_break_the_protocol)
{
    static const uint8_t unknown[] = {0, 60, 0, 99, 0};
    for (uint16_t channel = 0; channel < 2; channel++) {
        begin();
        server_say_frame(&server, 1, channel, unknown, sizeof unknown);
        struct connection_event event = server_expect_failure(&server, "the method 60,99");
        ck_assert_uint_eq(event.code, 540);
        ck_assert_uint_eq(event.class_id, 60);
        ck_assert_uint_eq(event.method_id, 99);
        server_fini(&server);
        begin();
        server_say_frame(&server, 1, channel, unknown, 3);
        ck_assert_uint_eq(server_expect_failure(&server, "a method of 3 bytes").code, 502);
        server_fini(&server);
    }
}
END_TEST

START_TEST(test_methods_cut_anywhere_break_the_protocol)
{
    begin();
    struct buffer *bytes = &server.bytes;
    server_say_deliver(&server, 1, 9);
    uint8_t payload[256];
    size_t whole = buffer_size(bytes) - FRAME_OVERHEAD;
    memcpy(payload, buffer_bytes(bytes) + FRAME_HEAD_SIZE, whole);
    server_fini(&server);
    for (size_t size = 4; size < whole; size++) {
        begin();
        server_say_frame(&server, 1, 1, payload, size);
        test_that(server_expect_failure(&server, "cannot be read").code == 502);
        server_fini(&server);
    }
    begin();
    server_say_frame(&server, 1, 1, "\0\x14\0\x28\x01\x90\x09short", 12);
    server_expect_failure(&server, "channel.close cannot be read");
    server_fini(&server);
}
END_TEST

/* A table in a method is bounded like those in headers, before the library sees it. */
START_TEST(test_a_deep_table_in_a_method_breaks_the_protocol)
{
    static uint8_t payload[10000] = {0, 10, 0, 10, 0, 9};
    uint8_t *at = payload + 6;
    for (size_t left = sizeof payload - 6; left > 7; left -= 7) {
        at = wire_put_32(at, (uint32_t)left - 4);
        memcpy(at, "\x01kF", 3);
        at += 3;
    }
    server_init(&server);
    server_say_frame(&server, 1, 0, payload, sizeof payload);
    server_expect_failure(&server, "connection.start cannot be read");
    server_fini(&server);
}
END_TEST

START_TEST(test_answers_come_once_for_each_request)
{
    begin();
    ck_assert_int_eq(channel_qos(server.connection, 1, 10), ACKD_OK);
    ck_assert_int_eq(channel_consume(server.connection, 1, "q", "tag", NULL), ACKD_OK);
    ck_assert_int_eq(channel_confirm_select(server.connection, 1), ACKD_OK);
    ck_assert_int_eq(channel_cancel(server.connection, 1, "tag"), ACKD_OK);
    ck_assert_int_eq(channel_declare_queue(server.connection, 1, "q", true, NULL, 0), ACKD_OK);
    say(1, AMQP_BASIC_QOS_OK_METHOD);
    server_expect(&server, CHANNEL_QOS_OK);
    amqp_basic_consume_ok_t consume_ok = {.consumer_tag = amqp_cstring_bytes("tag")};
    server_say(&server, 1, AMQP_BASIC_CONSUME_OK_METHOD, &consume_ok);
    ck_assert_str_eq(server_expect(&server, CHANNEL_CONSUME_OK).text, "tag");
    say(1, AMQP_CONFIRM_SELECT_OK_METHOD);
    server_expect(&server, CHANNEL_CONFIRM_OK);
    server_say(&server, 1, AMQP_BASIC_CANCEL_OK_METHOD, &consume_ok);
    ck_assert_str_eq(server_expect(&server, CHANNEL_CANCEL_OK).text, "tag");
    amqp_queue_declare_ok_t declare_ok = {
        .queue = amqp_cstring_bytes("q"), .message_count = 5, .consumer_count = 2};
    server_say(&server, 1, AMQP_QUEUE_DECLARE_OK_METHOD, &declare_ok);
    struct connection_event event = server_expect(&server, CHANNEL_DECLARE_OK);
    ck_assert_uint_eq(event.messages, 5);
    ck_assert_uint_eq(event.consumers, 2);
    amqp_basic_ack_t ack = {.delivery_tag = 3, .multiple = 1};
    server_say(&server, 1, AMQP_BASIC_ACK_METHOD, &ack);
    event = server_expect(&server, CHANNEL_CONFIRMED);
    ck_assert_uint_eq(event.tag, 3);
    ck_assert(event.multiple);
    say(1, AMQP_BASIC_QOS_OK_METHOD);
    server_expect_failure(&server, "not asked for");
    server_fini(&server);
}
END_TEST

/* N1, R6 */
START_TEST(promise_r6_a_closed_channel_is_ignored_and_not_used_again)
{
    begin();
    amqp_channel_close_t close = {.reply_code = 406,
                                  .reply_text = amqp_cstring_bytes("timed out"),
                                  .class_id = 60,
                                  .method_id = 80};
    server_say_deliver(&server, 1, 1);
    server_say_header(&server, 1, 10, "\0\0", 2);
    server_expect_nothing(&server);
    server_say_body(&server, 1, "0123456789", 10, 10);
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    delivery_free(&event.delivery);
    server_say(&server, 1, AMQP_CHANNEL_CLOSE_METHOD, &close);
    event = server_expect(&server, CHANNEL_CLOSED);
    ck_assert_uint_eq(event.code, 406);
    ck_assert_uint_eq(event.method_id, 80);
    server_read(&server, 1, AMQP_CHANNEL_CLOSE_OK_METHOD);
    server_read_nothing(&server);
    server_say(&server, 1, AMQP_CHANNEL_CLOSE_METHOD, &close);
    server_say_deliver(&server, 1, 2);
    server_say_header(&server, 1, 10, "\0\0", 2);
    server_say_body(&server, 1, "0123456789", 10, 10);
    server_say_body(&server, 1, "of nothing", 10, 10);
    say(1, AMQP_CHANNEL_CLOSE_OK_METHOD);
    server_expect_nothing(&server);
    server_read_nothing(&server);
    ck_assert_int_eq(channel_ack(server.connection, 1, 1, false), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(channel_close(server.connection, 1, 200, ""), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(channel_open(server.connection, 1), ACKD_E_NOT_OPEN);
    ck_assert_uint_eq(channel_free_number(server.connection), 2);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

START_TEST(test_a_channel_closed_by_us_can_be_opened_again)
{
    begin();
    server_say_deliver(&server, 1, 1); /* in the middle of a message */
    server_say_header(&server, 1, 10, "\0\0", 2);
    server_expect_nothing(&server);
    ck_assert_int_eq(channel_close(server.connection, 1, 200, "bye"), ACKD_OK);
    const amqp_channel_close_t *close = server_read(&server, 1, AMQP_CHANNEL_CLOSE_METHOD);
    ck_assert_uint_eq(close->reply_code, 200);
    ck_assert_int_eq(channel_close(server.connection, 1, 200, "bye"), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(channel_ack(server.connection, 1, 1, false), ACKD_E_NOT_OPEN);
    server_say_body(&server, 1, "0123456789", 10, 10);
    server_say_deliver(&server, 1, 2);
    server_say_header(&server, 1, 0, "\0\0", 2);
    server_expect_nothing(&server);
    say(1, AMQP_CHANNEL_CLOSE_OK_METHOD);
    server_expect(&server, CHANNEL_CLOSE_OK);
    ck_assert_uint_eq(channel_free_number(server.connection), 1);
    server_open_channel(&server, 1);
    server_fini(&server);
}
END_TEST

START_TEST(test_the_server_closes_the_connection)
{
    begin();
    server_say_deliver(&server, 1, 1);
    amqp_connection_close_t close = {.reply_code = 320,
                                     .reply_text = amqp_cstring_bytes("CONNECTION_FORCED")};
    server_say(&server, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    server_say(&server, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    struct connection_event event = server_expect(&server, CONNECTION_CLOSED);
    ck_assert_uint_eq(event.code, 320);
    ck_assert_str_eq(event.text, "CONNECTION_FORCED");
    server_read(&server, 0, AMQP_CONNECTION_CLOSE_OK_METHOD);
    server_expect_nothing(&server);
    server_read_nothing(&server);
    ck_assert_int_eq(connection_close(server.connection, 200, ""), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(connection_heartbeat(server.connection), ACKD_E_NOT_OPEN);
    ck_assert_int_eq(channel_open(server.connection, 2), ACKD_E_NOT_OPEN);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

START_TEST(promise_a5_while_our_close_waits_nothing_else_counts)
{
    begin();
    ck_assert_int_eq(connection_close(server.connection, 200, "bye"), ACKD_OK);
    server_read(&server, 0, AMQP_CONNECTION_CLOSE_METHOD);
    ck_assert_str_eq(connection_step(server.connection), "connection.close-ok");
    server_say_deliver(&server, 1, 1);
    server_say_header(&server, 1, 3, "\0\0", 2);
    server_say_body(&server, 1, "abc", 3, 3);
    amqp_channel_close_t close = {.reply_code = 406};
    server_say(&server, 1, AMQP_CHANNEL_CLOSE_METHOD, &close);
    say(0, AMQP_CONNECTION_UNBLOCKED_METHOD);
    server_expect_nothing(&server);
    server_read_nothing(&server);
    say(0, AMQP_CONNECTION_CLOSE_OK_METHOD);
    server_expect(&server, CONNECTION_CLOSE_OK);
    server_fini(&server);
}
END_TEST

START_TEST(test_both_close_the_connection_at_once)
{
    begin();
    ck_assert_int_eq(connection_close(server.connection, 200, "bye"), ACKD_OK);
    server_read(&server, 0, AMQP_CONNECTION_CLOSE_METHOD);
    amqp_connection_close_t close = {.reply_code = 320};
    server_say(&server, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    say(0, AMQP_CONNECTION_CLOSE_OK_METHOD);
    ck_assert_uint_eq(server_expect(&server, CONNECTION_CLOSED).code, 320);
    server_read(&server, 0, AMQP_CONNECTION_CLOSE_OK_METHOD);
    server_read_nothing(&server);
    server_expect_nothing(&server);
    server_fini(&server);
}
END_TEST

START_TEST(test_blocked_and_canceled_are_told)
{
    begin();
    amqp_connection_blocked_t blocked = {.reason = amqp_cstring_bytes("low on memory")};
    server_say(&server, 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked);
    ck_assert_str_eq(server_expect(&server, CONNECTION_BLOCKED).text, "low on memory");
    say(0, AMQP_CONNECTION_UNBLOCKED_METHOD);
    server_expect(&server, CONNECTION_UNBLOCKED);
    amqp_basic_cancel_t cancel = {.consumer_tag = amqp_cstring_bytes("c"), .nowait = 1};
    server_say(&server, 1, AMQP_BASIC_CANCEL_METHOD, &cancel);
    ck_assert_str_eq(server_expect(&server, CHANNEL_CANCELED).text, "c");
    server_read_nothing(&server);
    cancel.nowait = 0;
    server_say(&server, 1, AMQP_BASIC_CANCEL_METHOD, &cancel);
    ck_assert_str_eq(server_expect(&server, CHANNEL_CANCELED).text, "c");
    server_read(&server, 1, AMQP_BASIC_CANCEL_OK_METHOD);
    server_fini(&server);
}
END_TEST

START_TEST(test_frames_beyond_what_was_agreed_break_the_protocol)
{
    static const uint8_t large[131072];
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_header(&server, 1, 1 << 20, "\0\0", 2);
    server_say_frame(&server, 3, 1, large, 131065);
    ck_assert_uint_eq(server_expect_failure(&server, "131065 bytes, the limit is 131064").code,
                      501);
    server_fini(&server);
    begin();
    server_say_frame(&server, 8, 2048, "", 0);
    server_expect_failure(&server, "heartbeat");
    server_fini(&server);
    begin();
    server_say_frame(&server, 3, 2, "x", 1);
    ck_assert_uint_eq(server_expect_failure(&server, "channel 2, which was never opened").code,
                      504);
    server_fini(&server);
    begin();
    server_say_bytes(&server, "\x08\0\0\0\0\0\0\xcd", 8);
    ck_assert_uint_eq(server_expect_failure(&server, "ends in cd, not ce").code, 501);
    server_fini(&server);
}
END_TEST

START_TEST(test_channels_up_to_the_last_can_be_open)
{
    server_init(&server);
    server.channel_max = 100;
    server_log_in(&server);
    for (uint16_t i = 1; i <= 100; i++) {
        ck_assert_uint_eq(channel_free_number(server.connection), i);
        server_open_channel(&server, i);
    }
    ck_assert_uint_eq(channel_free_number(server.connection), 0);
    ck_assert_int_eq(channel_open(server.connection, 101), ACKD_E_INVAL);
    ck_assert_int_eq(channel_open(server.connection, 0), ACKD_E_INVAL);
    ck_assert_int_eq(channel_open(server.connection, 100), ACKD_E_NOT_OPEN);
    server_say_deliver(&server, 100, 1);
    server_say_header(&server, 100, 0, "\0\0", 2);
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    ck_assert_uint_eq(event.channel, 100);
    ck_assert_uint_eq(event.delivery->channel, 100);
    delivery_free(&event.delivery);
    server_fini(&server);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/connection");
    TCase *tc = tcase_create("connection");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_methods_that_are_not_expected_break_the_protocol);
    tcase_add_test(tc, test_methods_that_do_not_exist_break_the_protocol);
    tcase_add_test(tc, test_methods_cut_anywhere_break_the_protocol);
    tcase_add_test(tc, test_a_deep_table_in_a_method_breaks_the_protocol);
    tcase_add_test(tc, test_answers_come_once_for_each_request);
    tcase_add_test(tc, promise_r6_a_closed_channel_is_ignored_and_not_used_again);
    tcase_add_test(tc, test_a_channel_closed_by_us_can_be_opened_again);
    tcase_add_test(tc, test_the_server_closes_the_connection);
    tcase_add_test(tc, promise_a5_while_our_close_waits_nothing_else_counts);
    tcase_add_test(tc, test_both_close_the_connection_at_once);
    tcase_add_test(tc, test_blocked_and_canceled_are_told);
    tcase_add_test(tc, test_frames_beyond_what_was_agreed_break_the_protocol);
    tcase_add_test(tc, test_channels_up_to_the_last_can_be_open);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/content.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/channel.h"
#include "main.h"
#include "server.h"

static struct server server;

static void begin(void)
{
    server_init(&server);
    server_log_in(&server);
    server_open_channel(&server, 1);
}

/* Bytes that tell their place. */
static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    test_that(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + (i >> 16));
    return bytes;
}

static void say_message(uint16_t channel, uint64_t tag, const void *body, size_t size)
{
    server_say_deliver(&server, channel, tag);
    server_say_header(&server, channel, size, "\x10\0\x02", 3);
    server_say_body(&server, channel, body, size, 131072 - 8);
}

static void expect_message(uint64_t tag, const void *body, size_t size)
{
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    test_that(event.delivery->tag == tag);
    test_that(event.delivery->poison == NULL);
    test_that(event.delivery->body_size == size);
    test_that(event.delivery->body.size == size);
    test_that(event.delivery->body.data != NULL);
    test_that(size == 0 || memcmp(event.delivery->body.data, body, size) == 0);
    test_that(event.delivery->properties.delivery_mode == 2);
    delivery_free(&event.delivery);
}

/* D2 */
START_TEST(promise_d2_bodies_come_byte_for_byte_at_every_size)
{
    static const size_t sizes[] = {0,      1,      1900,   1901,   16383,  65535,   131063,
                                   131064, 131065, 262128, 262129, 262130, 64 << 20};
    static const size_t chunks[] = {0, 4096, 65536, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *body = pattern(sizes[i]);
        for (size_t j = 0; j < sizeof chunks / sizeof chunks[0]; j++) {
            if (sizes[i] > 1 << 20 && j > 0)
                continue;
            begin();
            server.chunk = chunks[j];
            say_message(1, 1, body, sizes[i]);
            say_message(1, 2, body, sizes[i] > 100 ? 100 : sizes[i]);
            expect_message(1, body, sizes[i]);
            expect_message(2, body, sizes[i] > 100 ? 100 : sizes[i]);
            server_expect_nothing(&server);
            server_fini(&server);
        }
        free(body);
    }
}
END_TEST

START_TEST(test_what_the_method_said_is_in_the_delivery)
{
    begin();
    amqp_basic_deliver_t deliver = {
        .consumer_tag = amqp_cstring_bytes("c-1"),
        .delivery_tag = UINT64_C(0xfedcba9876543210),
        .redelivered = 1,
        .exchange = amqp_cstring_bytes(""),
        .routing_key = amqp_cstring_bytes("a.b"),
    };
    server_say(&server, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
    server_say_header(&server, 1, 2, "\0\0", 2);
    server_say_body(&server, 1, "hi", 2, 100);
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    ck_assert_uint_eq(event.channel, 1);
    ck_assert_uint_eq(event.tag, UINT64_C(0xfedcba9876543210));
    ck_assert_uint_eq(event.delivery->tag, UINT64_C(0xfedcba9876543210));
    ck_assert_str_eq(event.delivery->consumer_tag, "c-1");
    ck_assert_str_eq(event.delivery->exchange, "");
    ck_assert_str_eq(event.delivery->routing_key, "a.b");
    ck_assert(event.delivery->redelivered);
    ck_assert_int_eq(event.delivery->return_code, 0);
    ck_assert_ptr_null(event.delivery->properties.content_type);
    ck_assert_int_eq(event.delivery->properties.priority, -1);
    ck_assert_uint_eq(event.delivery->properties.headers.size, 0);
    delivery_free(&event.delivery);
    server_fini(&server);
}
END_TEST

START_TEST(test_a_returned_message_says_why)
{
    begin();
    amqp_basic_return_t returned = {
        .reply_code = 312,
        .reply_text = amqp_cstring_bytes("NO_ROUTE"),
        .exchange = amqp_cstring_bytes("shop"),
        .routing_key = amqp_cstring_bytes("nowhere"),
    };
    server_say(&server, 1, AMQP_BASIC_RETURN_METHOD, &returned);
    server_say_header(&server, 1, 0, "\0\0", 2);
    struct connection_event event = server_expect(&server, CHANNEL_RETURNED);
    ck_assert_int_eq(event.delivery->return_code, 312);
    ck_assert_str_eq(event.delivery->return_text, "NO_ROUTE");
    ck_assert_str_eq(event.delivery->routing_key, "nowhere");
    delivery_free(&event.delivery);
    server_fini(&server);
}
END_TEST

START_TEST(test_channels_may_take_turns_frame_by_frame)
{
    uint8_t *body = pattern(60000);
    begin();
    server_open_channel(&server, 2);
    server_say_deliver(&server, 1, 1);
    server_say_deliver(&server, 2, 1);
    server_say_header(&server, 2, 60000, "\x10\0\x02", 3);
    server_say_header(&server, 1, 60000, "\x10\0\x02", 3);
    for (size_t at = 0; at < 60000; at += 20000) {
        server_say_frame(&server, 3, 1, body + at, 20000);
        server_say_frame(&server, 8, 0, "", 0);
        server_say_frame(&server, 3, 2, body + at, 20000);
        server_say_frame(&server, 3, 2, "", 0);
    }
    expect_message(1, body, 60000);
    expect_message(1, body, 60000);
    server_expect_failure(&server, "a body on channel 2, of no message");
    server_fini(&server);
    begin();
    server_open_channel(&server, 2);
    server_say_deliver(&server, 1, 1);
    server_say_deliver(&server, 2, 1);
    server_say_header(&server, 2, 60000, "\x10\0\x02", 3);
    server_say_header(&server, 1, 60000, "\x10\0\x02", 3);
    for (size_t at = 0; at < 60000; at += 20000) {
        server_say_frame(&server, 3, 1, body + at, 20000);
        server_say_frame(&server, 8, 0, "", 0);
        server_say_frame(&server, 3, 2, "", 0);
        server_say_frame(&server, 3, 2, body + at, 20000);
    }
    server.chunk = 9000;
    expect_message(1, body, 60000);
    expect_message(1, body, 60000);
    server_expect_nothing(&server);
    server_fini(&server);
    free(body);
}
END_TEST

/* D3 */
START_TEST(promise_d3_content_out_of_order_breaks_the_protocol)
{
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_body(&server, 1, "x", 1, 10);
    ck_assert_uint_eq(server_expect_failure(&server, "in front of its header").code, 505);
    server_fini(&server);
    begin();
    server_say_body(&server, 1, "x", 1, 10);
    ck_assert_uint_eq(server_expect_failure(&server, "of no message").code, 505);
    server_fini(&server);
    begin();
    server_say_header(&server, 1, 5, "\0\0", 2);
    ck_assert_uint_eq(server_expect_failure(&server, "a header on channel 1, of no").code, 505);
    server_fini(&server);
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_header(&server, 1, 5, "\0\0", 2);
    server_say_header(&server, 1, 5, "\0\0", 2);
    ck_assert_uint_eq(server_expect_failure(&server, "a second header").code, 505);
    server_fini(&server);
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_header(&server, 1, 5, "\0\0", 2);
    server_say_body(&server, 1, "123456", 6, 10);
    ck_assert_uint_eq(server_expect_failure(&server, "longer than its header").code, 501);
    server_fini(&server);
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_header(&server, 1, 5, "\0\0", 2);
    server_say_body(&server, 1, "123", 3, 10);
    server_say_deliver(&server, 1, 2);
    ck_assert_uint_eq(server_expect_failure(&server, "in the middle of a message").code, 505);
    server_fini(&server);
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_frame(&server, 2, 1, "\0\x3c\0\0\0\0\0\0\0\0\0\0\0", 13);
    ck_assert_uint_eq(server_expect_failure(&server, "a header of 13 bytes").code, 501);
    server_fini(&server);
    begin();
    server_say_deliver(&server, 1, 1);
    server_say_frame(&server, 2, 1, "\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0", 14);
    ck_assert_uint_eq(server_expect_failure(&server, "a header of class 10").code, 501);
    server_fini(&server);
}
END_TEST

/* D4 */
START_TEST(promise_d4_a_message_beyond_the_limit_is_counted_and_dropped)
{
    server_init(&server);
    connection_free(&server.connection);
    delivery_pool_free(&server.pool);
    server.options.message_size_max = 300000;
    server_begin(&server);
    server_log_in(&server);
    server_open_channel(&server, 1);
    uint8_t *body = pattern(300001);
    say_message(1, 1, body, 300001);
    say_message(1, 2, body, 300000);
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    ck_assert_uint_eq(event.delivery->tag, 1);
    ck_assert_str_eq(event.delivery->poison, "the message has 300001 bytes, the limit is 300000");
    ck_assert_uint_eq(event.delivery->body_size, 300001);
    ck_assert_uint_eq(event.delivery->body.size, 0);
    ck_assert_ptr_null(event.delivery->large_body);
    delivery_free(&event.delivery);
    expect_message(2, body, 300000);
    free(body);
    server_fini(&server);
}
END_TEST

/* D4 */
START_TEST(promise_d4_a_channel_may_take_less_than_its_connection)
{
    begin();
    server_open_channel(&server, 2);
    channel_limit_size(server.connection, 2, 1000);
    channel_limit_size(server.connection, 2, UINT64_MAX); /* no more again */
    channel_limit_size(server.connection, 3, 1000);       /* there is none */
    uint8_t *body = pattern(1001);
    say_message(2, 1, body, 1001);
    say_message(1, 1, body, 1001);
    say_message(2, 2, body, 1000);
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    ck_assert_str_eq(event.delivery->poison, "the message has 1001 bytes, the limit is 1000");
    ck_assert_uint_eq(event.delivery->body.size, 0);
    delivery_free(&event.delivery);
    expect_message(1, body, 1001);
    expect_message(2, body, 1000);
    free(body);
    server_fini(&server);
}
END_TEST

START_TEST(test_a_body_without_end_takes_no_memory)
{
    begin();
    server_say_deliver(&server, 1, 7);
    server_say_header(&server, 1, UINT64_MAX, "\0\0", 2);
    uint8_t *body = pattern(131064);
    for (int i = 0; i < 20; i++) {
        server_say_body(&server, 1, body, 131064, 131064);
        server_expect_nothing(&server);
        uint8_t *at = NULL;
        size_t size = 0;
        connection_space(server.connection, &at, &size);
        ck_assert_uint_le(size, 65536);
    }
    free(body);
    server_fini(&server);
}
END_TEST

/* Say a header whose properties are one table of @size bytes of entries. */
static void say_headers(uint64_t tag, const uint8_t *entries, size_t size)
{
    uint8_t *properties = calloc(1, size + 6);
    test_that(properties != NULL);
    properties[0] = 0x20;
    properties[2] = (uint8_t)(size >> 24);
    properties[3] = (uint8_t)(size >> 16);
    properties[4] = (uint8_t)(size >> 8);
    properties[5] = (uint8_t)size;
    memcpy(properties + 6, entries, size);
    server_say_deliver(&server, 1, tag);
    server_say_header(&server, 1, 3, properties, size + 6);
    server_say_body(&server, 1, "abc", 3, 100);
    free(properties);
}

/* D5: RabbitMQ sends such after one dead-lettering. */
START_TEST(promise_d5_a_header_frame_may_be_larger_than_frame_max)
{
    static const size_t sizes[] = {131283 - 18, 10035, 1024 * 1024 - 18, 65536 - 18, 65536 - 26};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *entries = calloc(1, sizes[i]);
        size_t text = sizes[i] - 7;
        memcpy(entries, "\x01hS", 3);
        entries[3] = (uint8_t)(text >> 24);
        entries[4] = (uint8_t)(text >> 16);
        entries[5] = (uint8_t)(text >> 8);
        entries[6] = (uint8_t)text;
        server_init(&server);
        server.frame_max = 4096;
        server_log_in(&server);
        server_open_channel(&server, 1);
        say_headers(1, entries, sizes[i]);
        say_headers(2, entries, 0);
        struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
        ck_assert_ptr_null(event.delivery->poison);
        ck_assert_uint_eq(event.delivery->properties.headers.size, sizes[i]);
        ck_assert_mem_eq(event.delivery->properties.headers.data, entries, sizes[i]);
        ck_assert_mem_eq(event.delivery->body.data, "abc", 3);
        delivery_free(&event.delivery);
        event = server_expect(&server, CHANNEL_DELIVERY);
        delivery_free(&event.delivery);
        server_fini(&server);
        free(entries);
    }
}
END_TEST

START_TEST(test_a_header_frame_beyond_the_limit_is_skipped_and_its_message_poison)
{
    static const size_t chunks[] = {0, 1000, 100000};
    size_t size = 3 << 20;
    uint8_t *entries = calloc(1, size);
    for (size_t i = 0; i < 3; i++) {
        begin();
        server.chunk = chunks[i];
        say_headers(1, entries, size);
        say_headers(2, entries, 0);
        struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
        ck_assert_str_eq(event.delivery->poison,
                         "the properties of the message have 3145746 bytes, the limit is 1048576");
        ck_assert_uint_eq(event.delivery->tag, 1);
        ck_assert_uint_eq(event.delivery->body_size, 3);
        ck_assert_uint_eq(event.delivery->body.size, 3);
        ck_assert_mem_eq(event.delivery->body.data, "abc", 3);
        delivery_free(&event.delivery);
        event = server_expect(&server, CHANNEL_DELIVERY);
        ck_assert_ptr_null(event.delivery->poison);
        delivery_free(&event.delivery);
        server_fini(&server);
    }
    free(entries);
}
END_TEST

START_TEST(test_a_large_body_behind_an_oversized_header_is_whole)
{
    static uint8_t properties[2000000];
    uint8_t *body = pattern(500000);
    begin();
    for (int i = 0; i < 2; i++) {
        server_say_deliver(&server, 1, 1);
        server_say_header(&server, 1, 500000, properties, sizeof properties);
        server_say_body(&server, 1, body, 500000, 131064);
        struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
        ck_assert_ptr_nonnull(event.delivery->poison);
        ck_assert_uint_eq(event.delivery->body.size, 500000);
        ck_assert_mem_eq(event.delivery->body.data, body, 500000);
        delivery_free(&event.delivery);
        server.chunk = 7000;
    }
    server_expect_nothing(&server);
    server_fini(&server);
    free(body);
}
END_TEST

/* D6 */
START_TEST(promise_d6_unreadable_headers_make_poison_and_nothing_else)
{
    static const struct {
        const char *entries;
        size_t size;
        const char *text;
    } rows[] = {
        {"\x01hS\0\0\0\x09x", 8, "longer than the table"},
        {"\x01h?", 3, "unknown kind 0x3f"},
        {"\x05h", 2, "name is longer"},
        {"\x01hI\0\0", 5, "longer than the table"},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        say_headers(i + 1, (const uint8_t *)rows[i].entries, rows[i].size);
        struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
        ck_assert_ptr_nonnull(event.delivery->poison);
        ck_assert_ptr_nonnull(strstr(event.delivery->poison, rows[i].text));
        ck_assert_uint_eq(event.delivery->tag, i + 1);
        ck_assert_uint_eq(event.delivery->body.size, 3); /* so that it can be kept somewhere */
        ck_assert_mem_eq(event.delivery->body.data, "abc", 3);
        ck_assert_uint_eq(event.delivery->properties.headers.size, 0);
        ck_assert_ptr_null(ackd_error_current());
        delivery_free(&event.delivery);
    }
    say_headers(9, (const uint8_t *)"\x01hV", 3);
    struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
    ck_assert_ptr_null(event.delivery->poison);
    delivery_free(&event.delivery);
    server_fini(&server);
}
END_TEST

/* What is read straight into a body is not read beyond what the next frame's head needs. */
START_TEST(test_a_large_body_is_read_into_its_place)
{
    size_t size = 1 << 20;
    uint8_t *body = pattern(size);
    begin();
    say_message(1, 1, body, size);
    size_t buffered = 0;
    size_t direct = 0;
    struct connection_event event;
    while (!connection_next(server.connection, &event)) {
        uint8_t *at = NULL;
        size_t room = 0;
        connection_space(server.connection, &at, &room);
        size_t left = buffer_size(&server.bytes);
        room = room < left ? room : left;
        memcpy(at, buffer_bytes(&server.bytes), room);
        buffer_consume(&server.bytes, room);
        if (room > 65536)
            direct += room;
        else
            buffered += room;
        connection_received(server.connection, room);
    }
    ck_assert_int_eq(event.kind, CHANNEL_DELIVERY);
    ck_assert_mem_eq(event.delivery->body.data, body, size);
    ck_assert_uint_le(buffered, 65536 + 1000);
    ck_assert_uint_ge(direct, size - 65536);
    delivery_free(&event.delivery);
    server_fini(&server);
    free(body);
}
END_TEST

/* Also where a read ended with a fragment, or in what stands between two of them. */
START_TEST(test_between_large_fragments_only_the_next_head_is_read)
{
    size_t size = 1 << 20;
    uint8_t *body = pattern(size);
    for (size_t beyond = 0; beyond < 8; beyond++) {
        begin();
        say_message(1, 1, body, size);
        size_t head = buffer_size(&server.bytes) - size - (size / 131064 + 1) * 8;
        struct connection_event event;
        size_t fed = 0;
        while (fed < head + 7 + 131064 + beyond) {
            uint8_t *at = NULL;
            size_t room = 0;
            connection_space(server.connection, &at, &room);
            size_t wanted = head + 7 + 131064 + beyond - fed;
            room = room < wanted ? room : wanted;
            memcpy(at, buffer_bytes(&server.bytes), room);
            buffer_consume(&server.bytes, room);
            connection_received(server.connection, room);
            fed += room;
            test_that(!connection_next(server.connection, &event));
        }
        uint8_t *at = NULL;
        size_t room = 0;
        connection_space(server.connection, &at, &room);
        ck_assert_uint_le(room, 8 - beyond);
        server.chunk = 0;
        expect_message(1, body, size);
        server_fini(&server);
    }
    free(body);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/content");
    TCase *tc = tcase_create("content");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, promise_d2_bodies_come_byte_for_byte_at_every_size);
    tcase_add_test(tc, test_what_the_method_said_is_in_the_delivery);
    tcase_add_test(tc, test_a_returned_message_says_why);
    tcase_add_test(tc, test_channels_may_take_turns_frame_by_frame);
    tcase_add_test(tc, promise_d3_content_out_of_order_breaks_the_protocol);
    tcase_add_test(tc, promise_d4_a_channel_may_take_less_than_its_connection);
    tcase_add_test(tc, promise_d4_a_message_beyond_the_limit_is_counted_and_dropped);
    tcase_add_test(tc, test_a_body_without_end_takes_no_memory);
    tcase_add_test(tc, promise_d5_a_header_frame_may_be_larger_than_frame_max);
    tcase_add_test(tc, test_a_header_frame_beyond_the_limit_is_skipped_and_its_message_poison);
    tcase_add_test(tc, test_a_large_body_behind_an_oversized_header_is_whole);
    tcase_add_test(tc, promise_d6_unreadable_headers_make_poison_and_nothing_else);
    tcase_add_test(tc, test_a_large_body_is_read_into_its_place);
    tcase_add_test(tc, test_between_large_fragments_only_the_next_head_is_read);
    suite_add_tcase(suite, tc);
    return suite;
}

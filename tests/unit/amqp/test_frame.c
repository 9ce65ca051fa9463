/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/frame.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/peer.h"
#include "main.h"
#include "server.h"

static const struct frame_limits limits = {
    .method_max = 100, .header_max = 300, .body_max = 200, .channel_max = 7, .least_max = 100};

START_TEST(test_a_frame_is_type_channel_size_payload_and_end)
{
    static const uint8_t golden[] = {3, 0, 5, 0, 0, 0, 2, 'h', 'i', 0xce};
    uint8_t bytes[sizeof golden];
    uint8_t *at = frame_put_head(bytes, FRAME_BODY, 5, 2);
    memcpy(at, "hi", 2);
    ck_assert_ptr_eq(frame_put_end(at + 2), bytes + sizeof golden);
    ck_assert_mem_eq(bytes, golden, sizeof golden);
    struct frame frame;
    size_t taken = 0;
    for (size_t size = 0; size < sizeof golden; size++) {
        ck_assert_int_eq(frame_take(bytes, size, &limits, &frame, &taken), ACKD_OK);
        ck_assert_uint_eq(taken, 0);
    }
    ck_assert_int_eq(frame_take(bytes, sizeof golden, &limits, &frame, &taken), ACKD_OK);
    ck_assert_uint_eq(taken, sizeof golden);
    ck_assert_uint_eq(frame.type, FRAME_BODY);
    ck_assert_uint_eq(frame.channel, 5);
    ck_assert_uint_eq(frame.size, 2);
}
END_TEST

START_TEST(test_each_type_has_its_limit)
{
    static const struct {
        uint8_t type;
        uint16_t channel;
        uint32_t size;
        const char *text; /* NULL: it is taken */
    } rows[] = {
        {1, 0, 100, NULL},
        {1, 7, 100, NULL},
        {1, 0, 101, "a method frame of 101 bytes, the limit is 100"},
        {1, 8, 4, "a frame on channel 8, the highest agreed is 7"},
        {2, 1, 300, NULL},
        {2, 1, 301, "a header frame of 301 bytes, the limit is 300"},
        {2, 0, 14, "a header frame on channel 0"},
        {3, 1, 200, NULL},
        {3, 1, 201, "a body frame of 201 bytes, the limit is 200"},
        {3, 0, 1, "a body frame on channel 0"},
        {3, 1, UINT32_MAX, "a body frame of 4294967295 bytes"},
        {8, 0, 0, NULL},
        {8, 0, 1, "a heartbeat frame of 1 bytes, the limit is 0"},
        {8, 1, 0, "a heartbeat on channel 1"},
        {0, 0, 0, "unknown type 0"},
        {4, 1, 0, "unknown type 4"},
        {99, 1, 0, "unknown type 99"},
        {255, 1, 0, "unknown type 255"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t head[FRAME_HEAD_SIZE];
        struct frame frame;
        frame_put_head(head, (enum frame_type)rows[i].type, rows[i].channel, rows[i].size);
        int code = frame_head(head, &limits, &frame);
        if (rows[i].text == NULL) {
            ck_assert_int_eq(code, ACKD_OK);
            continue;
        }
        ck_assert_int_eq(code, ACKD_E_PROTOCOL);
        const char *text = ackd_error_text(ackd_error_current());
        if (strstr(text, rows[i].text) == NULL)
            ck_abort_msg("\"%s\", expected \"%s\"", text, rows[i].text);
    }
}
END_TEST

START_TEST(test_every_other_end_octet_is_wrong)
{
    for (unsigned octet = 0; octet < 256; octet++) {
        struct frame frame = {.type = FRAME_BODY, .channel = 1, .size = 2};
        test_that(frame_end(&frame, (uint8_t)octet) ==
                  (octet == FRAME_END ? ACKD_OK : ACKD_E_PROTOCOL));
    }
}
END_TEST

/* The same conversation, cut in two at every byte, gives the same events. */
START_TEST(test_a_conversation_can_be_cut_anywhere)
{
    struct server server;
    size_t total = 0;
    for (size_t cut = 0; cut <= total; cut++) {
        server_init(&server);
        server_log_in(&server);
        server_open_channel(&server, 1);
        server_say_deliver(&server, 1, 1);
        server_say_header(&server, 1, 11, "\x30\0\0\0\0\x03\x01kV\x02", 10);
        server_say_body(&server, 1, "hello", 5, 5);
        server_say_frame(&server, FRAME_HEARTBEAT, 0, "", 0);
        server_say_body(&server, 1, " world", 6, 6);
        server_say_deliver(&server, 1, 2);
        server_say_header(&server, 1, 0, "\0\0", 2);
        server_say_deliver(&server, 1, 3);
        server_say_header(&server, 1, 2, "\0\0", 2);
        server_say_body(&server, 1, "ab", 2, 5);
        total = buffer_size(&server.bytes);
        server.chunk = cut == 0 ? 1 : cut;
        for (uint64_t tag = 1; tag <= 3; tag++) {
            struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
            test_that(event.channel == 1);
            test_that(event.tag == tag);
            if (tag == 1) {
                test_that(event.delivery->body.size == 11);
                test_that(memcmp(event.delivery->body.data, "hello world", 11) == 0);
                test_that(event.delivery->properties.headers.size == 3);
                test_that(event.delivery->properties.delivery_mode == 2);
            }
            test_that(event.delivery->body.size == (tag == 1 ? 11 : tag == 2 ? 0 : 2));
            delivery_free(&event.delivery);
            if (cut > 0)
                server.chunk = 0; /* one cut */
        }
        server_expect_nothing(&server);
        server_fini(&server);
    }
    ck_assert_uint_gt(total, 150);
}
END_TEST

/* R4 */
START_TEST(promise_r4_wrong_peers_are_named)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *text; /* NULL: not known yet */
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n", 26, "speaks HTTP, not AMQP: is this the management port?"},
        {"\x15\x03\x03\0\x02\x02\x0a", 7, "expects TLS: use amqps://"},
        {"\x15\x03\x01\0\x02\x02\x46", 7, "expects TLS: use amqps://"},
        {"AMQP\0\x01\0\0", 8, "the peer wants AMQP 1.0.0"},
        {"AMQP\x03\x01\0\0", 8, "the peer wants AMQP 1.0.0 (id 3)"},
        {"AMQP\0\0\x09\x01", 8, "the peer wants AMQP 0.9.1"},
        {"AMQP\x01\x01\0\x0a", 8, "the peer wants AMQP 1.0.10 (id 1)"},
        {"SSH-2.0-OpenSSH", 15, "does not speak AMQP: it began with \"SSH-2.0-\""},
        {"\0\0\0\0\0\0\0\"", 8, "it began with \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x22\""},
        {"", 0, NULL},
        {"H", 1, NULL},
        {"HTTP/1.", 7, NULL},
        {"\x15\x03\x03\0\x02\x02", 6, NULL},
        {"\x01", 1, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool known = false;
        int code = peer_check((const uint8_t *)rows[i].bytes, rows[i].size, &known);
        ck_assert_int_eq(known, rows[i].text != NULL);
        if (rows[i].text == NULL || rows[i].text[0] == '\0') {
            ck_assert_int_eq(code, ACKD_OK);
            continue;
        }
        ck_assert_int_eq(code, ACKD_E_PROTOCOL);
        const char *text = ackd_error_text(ackd_error_current());
        if (strstr(text, rows[i].text) == NULL)
            ck_abort_msg("\"%s\", expected \"%s\"", text, rows[i].text);
    }
}
END_TEST

START_TEST(promise_r4_a_wrong_peer_fails_the_connection)
{
    struct server server;
    server_init(&server);
    server.chunk = 1;
    server_say_bytes(&server, "HTTP/1.1 400 Bad Request\r\n", 26);
    server_expect_failure(&server, "HTTP");
    server_read_nothing(&server);
    uint8_t *at = NULL;
    size_t size = 0;
    connection_space(server.connection, &at, &size); /* reading on does no harm */
    ck_assert_uint_gt(size, 0);
    connection_received(server.connection, size);
    struct connection_event event;
    ck_assert(!connection_next(server.connection, &event));
    server_fini(&server);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/frame");
    TCase *tc = tcase_create("frame");
    tcase_add_test(tc, test_a_frame_is_type_channel_size_payload_and_end);
    tcase_add_test(tc, test_each_type_has_its_limit);
    tcase_add_test(tc, test_every_other_end_octet_is_wrong);
    tcase_add_test(tc, test_a_conversation_can_be_cut_anywhere);
    tcase_add_test(tc, promise_r4_wrong_peers_are_named);
    tcase_add_test(tc, promise_r4_a_wrong_peer_fails_the_connection);
    suite_add_tcase(suite, tc);
    return suite;
}

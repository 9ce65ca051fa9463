/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/channel.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/frame.h"
#include "amqp/wire.h"
#include "main.h"
#include "server.h"

static struct server server;

static void begin(void)
{
    server_init(&server);
    server_log_in(&server);
    server_open_channel(&server, 1);
}

static struct buffer *output(void)
{
    return connection_output(server.connection);
}

/* A whole frame at least. */
__attribute__((returns_nonnull)) static const uint8_t *output_bytes(void)
{
    const uint8_t *bytes = buffer_bytes(output());
    test_that(bytes != NULL);
    test_that(buffer_size(output()) >= FRAME_OVERHEAD);
    return bytes;
}

START_TEST(test_settlements_are_the_bytes_of_the_library)
{
    static const uint64_t tags[] = {1, 255, 256, UINT64_C(0x0123456789abcdef), UINT64_MAX};
    begin();
    for (size_t i = 0; i < 5; i++)
        for (int bits = 0; bits < 4; bits++) {
            bool one = (bits & 1) != 0;
            bool two = (bits & 2) != 0;
            struct buffer theirs;
            buffer_init(&theirs, SIZE_MAX / 2);
            amqp_basic_ack_t ack = {.delivery_tag = tags[i], .multiple = one};
            amqp_basic_nack_t nack = {.delivery_tag = tags[i], .multiple = one, .requeue = two};
            amqp_basic_reject_t reject = {.delivery_tag = tags[i], .requeue = two};
            test_that(method_write(&theirs, 1, AMQP_BASIC_ACK_METHOD, &ack, 100) == ACKD_OK);
            test_that(method_write(&theirs, 1, AMQP_BASIC_NACK_METHOD, &nack, 100) == ACKD_OK);
            test_that(method_write(&theirs, 1, AMQP_BASIC_REJECT_METHOD, &reject, 100) == ACKD_OK);
            test_that(channel_ack(server.connection, 1, tags[i], one) == ACKD_OK);
            test_that(channel_nack(server.connection, 1, tags[i], one, two) == ACKD_OK);
            test_that(channel_reject(server.connection, 1, tags[i], two) == ACKD_OK);
            test_that(buffer_size(&theirs) == 63);
            test_that(buffer_size(output()) == 63);
            test_that(memcmp(buffer_bytes(&theirs), buffer_bytes(output()), 63) == 0);
            buffer_fini(&theirs);
            buffer_clear(output());
        }
    server_fini(&server);
}
END_TEST

START_TEST(test_an_ack_is_these_bytes)
{
    static const uint8_t golden[] = {1, 0, 1, 0, 0, 0, 13, 0, 60, 0,   80,
                                     0, 0, 0, 0, 0, 0, 0,  7, 1,  0xce};
    begin();
    ck_assert_int_eq(channel_ack(server.connection, 1, 7, true), ACKD_OK);
    ck_assert_uint_eq(buffer_size(output()), sizeof golden);
    ck_assert_mem_eq(buffer_bytes(output()), golden, sizeof golden);
    server_fini(&server);
}
END_TEST

/* A4 */
START_TEST(test_tag_0_is_never_sent)
{
    begin();
    ck_assert_int_eq(channel_ack(server.connection, 1, 0, true), ACKD_E_INVAL);
    ck_assert_int_eq(channel_ack(server.connection, 1, 0, false), ACKD_E_INVAL);
    ck_assert_int_eq(channel_nack(server.connection, 1, 0, true, true), ACKD_E_INVAL);
    ck_assert_int_eq(channel_reject(server.connection, 1, 0, true), ACKD_E_INVAL);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

START_TEST(promise_d15_and_c2_what_is_consumed_is_acknowledged_and_bounded)
{
    begin();
    ck_assert_int_eq(channel_qos(server.connection, 1, 250), ACKD_OK);
    const amqp_basic_qos_t *qos = server_read(&server, 1, AMQP_BASIC_QOS_METHOD);
    ck_assert_uint_eq(qos->prefetch_count, 250);
    ck_assert_uint_eq(qos->prefetch_size, 0);
    ck_assert_int_eq(qos->global, 0);
    ck_assert_int_eq(channel_consume(server.connection, 1, "orders", "tag-1", NULL), ACKD_OK);
    const amqp_basic_consume_t *consume = server_read(&server, 1, AMQP_BASIC_CONSUME_METHOD);
    ck_assert_mem_eq(consume->queue.bytes, "orders", 6);
    ck_assert_mem_eq(consume->consumer_tag.bytes, "tag-1", 5);
    ck_assert_int_eq(consume->no_ack, 0);
    ck_assert_int_eq(consume->nowait, 0);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

/* Each kind of argument, as the library reads it. */
START_TEST(test_a_queue_is_declared_with_typed_arguments)
{
    static const struct channel_field arguments[] = {
        CHANNEL_FIELD_TEXT("x-overflow", "reject"),
        CHANNEL_FIELD_INTEGER("x-max-length", -5),
        {.key = "x-single-active-consumer", .kind = CHANNEL_BOOLEAN, .number = 1},
        {.key = "x-stream-offset", .kind = CHANNEL_TIMESTAMP, .number = 1700000000}};
    begin();
    ck_assert_int_eq(channel_declare_queue(server.connection, 1, "orders", 0, arguments, 4),
                     ACKD_OK);
    const amqp_queue_declare_t *declare = server_read(&server, 1, AMQP_QUEUE_DECLARE_METHOD);
    ck_assert_int_eq(declare->durable, 1);
    ck_assert_int_eq(declare->passive, 0);
    ck_assert_int_eq(declare->arguments.num_entries, 4);
    const amqp_table_entry_t *entries = declare->arguments.entries;
    ck_assert_mem_eq(entries[0].value.value.bytes.bytes, "reject", 6);
    ck_assert_int_eq(entries[1].value.kind, AMQP_FIELD_KIND_I64);
    ck_assert_int_eq(entries[1].value.value.i64, -5);
    ck_assert_int_eq(entries[2].value.kind, AMQP_FIELD_KIND_BOOLEAN);
    ck_assert_int_eq(entries[2].value.value.boolean, 1);
    ck_assert_int_eq(entries[3].value.kind, AMQP_FIELD_KIND_TIMESTAMP);
    ck_assert_uint_eq(entries[3].value.value.u64, 1700000000);
    amqp_queue_declare_ok_t ok = {.message_count = 3};
    server_say(&server, 1, AMQP_QUEUE_DECLARE_OK_METHOD, &ok);
    ck_assert_uint_eq(server_expect(&server, CHANNEL_DECLARE_OK).messages, 3);
    ck_assert_int_eq(channel_declare_queue(server.connection, 1, "q", CHANNEL_TRANSIENT, NULL, 0),
                     ACKD_OK);
    declare = server_read(&server, 1, AMQP_QUEUE_DECLARE_METHOD);
    ck_assert_int_eq(declare->durable, 0);
    server_fini(&server);
}
END_TEST

START_TEST(test_exchanges_are_declared_and_bound)
{
    static const struct channel_field argument = CHANNEL_FIELD_TEXT("x-match", "all");
    begin();
    ck_assert_int_eq(
        channel_declare_exchange(server.connection, 1, "shop", "topic", CHANNEL_INTERNAL, NULL, 0),
        ACKD_OK);
    const amqp_exchange_declare_t *declare = server_read(&server, 1, AMQP_EXCHANGE_DECLARE_METHOD);
    ck_assert_mem_eq(declare->type.bytes, "topic", 5);
    ck_assert_int_eq(declare->durable, 1);
    ck_assert_int_eq(declare->internal, 1);
    amqp_exchange_declare_ok_t declare_ok = {0};
    server_say(&server, 1, AMQP_EXCHANGE_DECLARE_OK_METHOD, &declare_ok);
    server_expect(&server, CHANNEL_EXCHANGE_OK);
    struct channel_binding binding = {.source = "shop",
                                      .destination = "orders",
                                      .routing_key = "order.*",
                                      .arguments = &argument,
                                      .argument_count = 1};
    ck_assert_int_eq(channel_bind_queue(server.connection, 1, &binding), ACKD_OK);
    const amqp_queue_bind_t *bind = server_read(&server, 1, AMQP_QUEUE_BIND_METHOD);
    ck_assert_mem_eq(bind->queue.bytes, "orders", 6);
    ck_assert_mem_eq(bind->exchange.bytes, "shop", 4);
    ck_assert_mem_eq(bind->routing_key.bytes, "order.*", 7);
    ck_assert_int_eq(bind->arguments.num_entries, 1);
    amqp_queue_bind_ok_t bind_ok = {0};
    server_say(&server, 1, AMQP_QUEUE_BIND_OK_METHOD, &bind_ok);
    server_expect(&server, CHANNEL_BIND_OK);
    ck_assert_int_eq(channel_bind_exchange(server.connection, 1, &binding), ACKD_OK);
    const amqp_exchange_bind_t *both = server_read(&server, 1, AMQP_EXCHANGE_BIND_METHOD);
    ck_assert_mem_eq(both->destination.bytes, "orders", 6);
    ck_assert_mem_eq(both->source.bytes, "shop", 4);
    amqp_exchange_bind_ok_t both_ok = {0};
    server_say(&server, 1, AMQP_EXCHANGE_BIND_OK_METHOD, &both_ok);
    server_expect(&server, CHANNEL_BIND_OK);
    server_read_nothing(&server);
    server_say(&server, 1, AMQP_EXCHANGE_BIND_OK_METHOD, &both_ok);
    server_expect_failure(&server, "not asked for");
    server_fini(&server);
}
END_TEST

START_TEST(test_more_arguments_than_there_are_for_anything_are_refused)
{
    struct channel_field arguments[CHANNEL_FIELDS_MAX + 1];
    for (size_t i = 0; i <= CHANNEL_FIELDS_MAX; i++)
        arguments[i] = (struct channel_field)CHANNEL_FIELD_TEXT("x", NULL);
    begin();
    ck_assert_int_eq(
        channel_declare_queue(server.connection, 1, "q", 0, arguments, CHANNEL_FIELDS_MAX + 1),
        ACKD_E_INVAL);
    server_read_nothing(&server);
    ck_assert_int_eq(
        channel_declare_queue(server.connection, 1, "q", 0, arguments, CHANNEL_FIELDS_MAX),
        ACKD_OK);
    server_read(&server, 1, AMQP_QUEUE_DECLARE_METHOD);
    server_fini(&server);
}
END_TEST

START_TEST(test_a_publish_is_mandatory_unless_it_is_optional)
{
    const struct properties none = {.delivery_mode = -1, .priority = -1};
    const struct ackd_bytes body = {"x", 1};
    for (unsigned how = 0; how <= CHANNEL_OPTIONAL; how++) {
        begin();
        ck_assert_int_eq(
            channel_publish_how(server.connection, 1, how, "x", "k", &none, NULL, 0, body),
            ACKD_OK);
        const amqp_basic_publish_t *publish = server_read(&server, 1, AMQP_BASIC_PUBLISH_METHOD);
        ck_assert_int_eq(publish->mandatory, how == 0);
        server_fini(&server);
    }
}
END_TEST

START_TEST(test_terms_of_a_subscription_are_as_asked)
{
    static const struct channel_field arguments[] = {
        {.key = "x-stream-offset", .kind = CHANNEL_TEXT, .text = "first"},
        {.key = "x-priority", .kind = CHANNEL_INTEGER, .number = -7},
        {.key = "x-flag", .kind = CHANNEL_BOOLEAN, .number = 1},
        {.key = "x-when", .kind = CHANNEL_TIMESTAMP, .number = 1600000000}};
    struct channel_terms terms = {.exclusive = true, .arguments = arguments, .argument_count = 4};
    begin();
    ck_assert_int_eq(channel_consume(server.connection, 1, "q", "t", &terms), ACKD_OK);
    const amqp_basic_consume_t *consume = server_read(&server, 1, AMQP_BASIC_CONSUME_METHOD);
    ck_assert_int_eq(consume->exclusive, 1);
    ck_assert_int_eq(consume->arguments.num_entries, 4);
    const amqp_table_entry_t *entries = consume->arguments.entries;
    ck_assert_int_eq(entries[0].value.kind, AMQP_FIELD_KIND_UTF8);
    ck_assert_mem_eq(entries[0].value.value.bytes.bytes, "first", 5);
    ck_assert_mem_eq(entries[1].key.bytes, "x-priority", 10);
    ck_assert_int_eq(entries[1].value.kind, AMQP_FIELD_KIND_I64);
    ck_assert_int_eq(entries[1].value.value.i64, -7);
    ck_assert_int_eq(entries[2].value.kind, AMQP_FIELD_KIND_BOOLEAN);
    ck_assert_int_eq(entries[2].value.value.boolean, 1);
    ck_assert_int_eq(entries[3].value.kind, AMQP_FIELD_KIND_TIMESTAMP);
    ck_assert_uint_eq(entries[3].value.value.u64, 1600000000);
    struct channel_field many[CHANNEL_FIELDS_MAX + 1];
    for (size_t i = 0; i <= CHANNEL_FIELDS_MAX; i++)
        many[i] = arguments[0];
    terms = (struct channel_terms){.arguments = many, .argument_count = CHANNEL_FIELDS_MAX + 1};
    ck_assert_int_eq(channel_consume(server.connection, 1, "q", "t", &terms), ACKD_E_INVAL);
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

START_TEST(test_names_over_255_bytes_are_refused)
{
    char name[257];
    memset(name, 'n', 256);
    name[256] = '\0';
    struct properties none = {.delivery_mode = -1, .priority = -1};
    struct ackd_bytes body = {.data = "", .size = 0};
    begin();
    ck_assert_int_eq(channel_consume(server.connection, 1, name, "t", NULL), ACKD_E_INVAL);
    ck_assert_int_eq(channel_consume(server.connection, 1, "q", name, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(channel_cancel(server.connection, 1, name), ACKD_E_INVAL);
    ck_assert_int_eq(channel_declare_queue(server.connection, 1, name, true, NULL, 0),
                     ACKD_E_INVAL);
    struct channel_field argument = CHANNEL_FIELD_TEXT(name, "v");
    ck_assert_int_eq(channel_declare_queue(server.connection, 1, "q", true, &argument, 1),
                     ACKD_E_INVAL);
    ck_assert_int_eq(channel_publish(server.connection, 1, name, "k", &none, NULL, 0, body),
                     ACKD_E_INVAL);
    ck_assert_int_eq(channel_publish(server.connection, 1, "", name, &none, NULL, 0, body),
                     ACKD_E_INVAL);
    ck_assert_int_eq(channel_close(server.connection, 1, 200, name), ACKD_E_INVAL);
    server_read_nothing(&server);
    name[255] = '\0';
    ck_assert_int_eq(channel_consume(server.connection, 1, name, name, NULL), ACKD_OK);
    server_read(&server, 1, AMQP_BASIC_CONSUME_METHOD);
    server_fini(&server);
}
END_TEST

/* The frames of a published message: sizes and the body put together. */
START_TEST(test_a_published_body_is_cut_to_frame_max)
{
    static const size_t sizes[] = {0, 1, 4088, 4089, 8176, 8177, 100000};
    struct properties properties = {.delivery_mode = 2, .priority = -1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *body = malloc(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
            body[j] = (uint8_t)(j * 7);
        server_init(&server);
        server.frame_max = 4096;
        server_log_in(&server);
        server_open_channel(&server, 1);
        ck_assert_int_eq(channel_publish(server.connection, 1, "x", "k", &properties, NULL, 0,
                                         (struct ackd_bytes){.data = body, .size = sizes[i]}),
                         ACKD_OK);
        const amqp_basic_publish_t *publish = server_read(&server, 1, AMQP_BASIC_PUBLISH_METHOD);
        ck_assert_int_eq(publish->mandatory, 1);
        const uint8_t *at = output_bytes();
        ck_assert_uint_eq(at[0], FRAME_HEADER);
        ck_assert_uint_eq(wire_get_64(at + FRAME_HEAD_SIZE + 4), sizes[i]);
        size_t header = wire_get_32(at + 3) + FRAME_OVERHEAD;
        buffer_consume(output(), header);
        size_t done = 0;
        while (buffer_size(output()) > 0) {
            at = output_bytes();
            size_t size = wire_get_32(at + 3);
            ck_assert_uint_eq(at[0], FRAME_BODY);
            ck_assert_uint_le(size + FRAME_OVERHEAD, 4096);
            ck_assert_uint_le(done + size, sizes[i]);
            ck_assert_mem_eq(at + FRAME_HEAD_SIZE, body + done, size);
            ck_assert_uint_eq(at[FRAME_HEAD_SIZE + size], FRAME_END);
            done += size;
            buffer_consume(output(), size + FRAME_OVERHEAD);
        }
        ck_assert_uint_eq(done, sizes[i]);
        server_fini(&server);
        free(body);
    }
}
END_TEST

START_TEST(test_headers_beyond_frame_max_are_not_published)
{
    char *text = calloc(1, 140000);
    memset(text, 'h', 139999);
    struct channel_argument more = {"x-big", text};
    struct properties none = {.delivery_mode = -1, .priority = -1};
    begin();
    ck_assert_int_eq(channel_publish(server.connection, 1, "", "q", &none, &more, 1,
                                     (struct ackd_bytes){.data = "", .size = 0}),
                     ACKD_E_TOO_LARGE);
    server_read_nothing(&server);
    server_fini(&server);
    free(text);
}
END_TEST

START_TEST(test_a_full_output_takes_all_or_nothing)
{
    server_init(&server);
    connection_free(&server.connection);
    delivery_pool_free(&server.pool);
    server.options.output_max = 8192;
    server_begin(&server);
    server_log_in(&server);
    server_open_channel(&server, 1);
    struct properties none = {.delivery_mode = -1, .priority = -1};
    static const uint8_t body[8192];
    ck_assert_int_eq(channel_publish(server.connection, 1, "", "q", &none, NULL, 0,
                                     (struct ackd_bytes){.data = body, .size = sizeof body}),
                     ACKD_E_FULL);
    server_read_nothing(&server);
    int code = ACKD_OK;
    size_t count = 0;
    while ((code = channel_ack(server.connection, 1, count + 1, false)) == ACKD_OK)
        count++;
    ck_assert_int_eq(code, ACKD_E_FULL);
    ck_assert_uint_eq(count, 8192 / 21);
    ck_assert_uint_eq(buffer_size(output()), count * 21);
    server_fini(&server);
}
END_TEST

static void close_by_server(uint16_t channel)
{
    amqp_channel_close_t close = {.reply_code = 404};
    server_say(&server, channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
    server_expect(&server, CHANNEL_CLOSED);
}

/* N2: or a queue that is missing for a day would leave no number to anybody. */
START_TEST(test_numbers_come_again_when_all_have_been_used)
{
    server_init(&server);
    server.channel_max = 3;
    server_log_in(&server);
    server_open_channel(&server, 1); /* and stays */
    for (uint16_t number = 2; number <= 3; number++) {
        ck_assert_int_eq(channel_free_number(server.connection), number);
        server_open_channel(&server, number);
        close_by_server(number);
        if (number == 2)
            ck_assert_int_eq(channel_open(server.connection, 2), ACKD_E_NOT_OPEN);
    }
    for (int round = 0; round < 3; round++) {
        for (uint16_t number = 2; number <= 3; number++) {
            ck_assert_int_eq(channel_free_number(server.connection), number);
            server_open_channel(&server, number);
            close_by_server(number);
        }
    }
    server_open_channel(&server, 2);
    server_open_channel(&server, 3);
    ck_assert_int_eq(channel_free_number(server.connection), 0);
    server_fini(&server);
}
END_TEST

START_TEST(promise_a5_nothing_is_sent_on_a_channel_that_is_not_open)
{
    struct properties none = {.delivery_mode = -1, .priority = -1};
    struct ackd_bytes body = {.data = "", .size = 0};
    begin();
    ck_assert_int_eq(channel_open(server.connection, 2), ACKD_OK); /* not yet */
    buffer_clear(output());
    for (uint16_t channel = 0; channel < 40; channel += channel == 0 ? 2 : 1) {
        ck_assert_int_eq(channel_qos(server.connection, channel, 1), ACKD_E_NOT_OPEN);
        ck_assert_int_eq(channel_consume(server.connection, channel, "q", "t", NULL),
                         ACKD_E_NOT_OPEN);
        ck_assert_int_eq(channel_cancel(server.connection, channel, "t"), ACKD_E_NOT_OPEN);
        ck_assert_int_eq(channel_confirm_select(server.connection, channel), ACKD_E_NOT_OPEN);
        ck_assert_int_eq(channel_ack(server.connection, channel, 1, false), ACKD_E_NOT_OPEN);
        ck_assert_int_eq(channel_declare_queue(server.connection, channel, "q", true, NULL, 0),
                         ACKD_E_NOT_OPEN);
        ck_assert_int_eq(channel_publish(server.connection, channel, "", "q", &none, NULL, 0, body),
                         ACKD_E_NOT_OPEN);
        if (channel != 2)
            ck_assert_int_eq(channel_close(server.connection, channel, 200, ""), ACKD_E_NOT_OPEN);
    }
    server_read_nothing(&server);
    server_fini(&server);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/channel");
    TCase *tc = tcase_create("channel");
    tcase_add_test(tc, test_settlements_are_the_bytes_of_the_library);
    tcase_add_test(tc, test_an_ack_is_these_bytes);
    tcase_add_test(tc, test_tag_0_is_never_sent);
    tcase_add_test(tc, promise_d15_and_c2_what_is_consumed_is_acknowledged_and_bounded);
    tcase_add_test(tc, test_a_publish_is_mandatory_unless_it_is_optional);
    tcase_add_test(tc, test_terms_of_a_subscription_are_as_asked);
    tcase_add_test(tc, test_a_queue_is_declared_with_typed_arguments);
    tcase_add_test(tc, test_exchanges_are_declared_and_bound);
    tcase_add_test(tc, test_more_arguments_than_there_are_for_anything_are_refused);
    tcase_add_test(tc, test_names_over_255_bytes_are_refused);
    tcase_add_test(tc, test_a_published_body_is_cut_to_frame_max);
    tcase_add_test(tc, test_headers_beyond_frame_max_are_not_published);
    tcase_add_test(tc, test_a_full_output_takes_all_or_nothing);
    tcase_add_test(tc, test_numbers_come_again_when_all_have_been_used);
    tcase_add_test(tc, promise_a5_nothing_is_sent_on_a_channel_that_is_not_open);
    suite_add_tcase(suite, tc);
    return suite;
}

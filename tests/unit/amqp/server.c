/* SPDX-License-Identifier: MIT */
/* server - what a server says, by the codec of the floor under test and by hand. */
#include <config.h>

#include "server.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/channel.h"
#include "amqp/frame.h"
#include "amqp/properties.h"
#include "amqp/wire.h"
#include "main.h"

static amqp_pool_t server_pool;

void server_begin(struct server *server)
{
    test_that(delivery_pool_new(16, 8, &server->pool) == ACKD_OK);
    test_that(connection_new(&server->options, server->pool, &server->connection) == ACKD_OK);
    buffer_init(&server->bytes, SIZE_MAX / 2);
    init_amqp_pool(&server_pool, METHOD_POOL_PAGE);
    test_that(connection_start(server->connection) == ACKD_OK);
    struct buffer *output = connection_output(server->connection);
    test_that(buffer_size(output) == 8);
    test_that(memcmp(buffer_bytes(output), "AMQP\0\0\x09\x01", 8) == 0);
    buffer_clear(output);
}

void server_init(struct server *server)
{
    *server = (struct server){
        .options = {.mechanism = CONNECTION_PLAIN,
                    .user = "guest",
                    .password = "secret",
                    .vhost = "/",
                    .name = "test",
                    .version = "0.1",
                    .heartbeat_s = 15},
        .frame_max = 131072,
        .channel_max = 2047,
        .heartbeat_s = 60,
    };
    server_begin(server);
}

void server_fini(struct server *server)
{
    connection_free(&server->connection);
    test_that(delivery_pool_live(server->pool) == 0);
    delivery_pool_free(&server->pool);
    buffer_fini(&server->bytes);
    empty_amqp_pool(&server_pool);
}

void server_say(struct server *server, uint16_t channel, uint32_t id, const void *method)
{
    test_that(method_write(&server->bytes, channel, id, method, 65536) == ACKD_OK);
}

void server_say_bytes(struct server *server, const void *bytes, size_t size)
{
    test_that(buffer_append(&server->bytes, bytes, size) == ACKD_OK);
}

void server_say_frame(struct server *server, uint8_t type, uint16_t channel, const void *payload,
                      size_t size)
{
    uint8_t head[FRAME_HEAD_SIZE];
    uint8_t end[FRAME_END_SIZE];
    frame_put_head(head, type, channel, (uint32_t)size);
    frame_put_end(end);
    server_say_bytes(server, head, sizeof head);
    server_say_bytes(server, payload, size);
    server_say_bytes(server, end, sizeof end);
}

void server_say_start(struct server *server, const char *mechanisms)
{
    amqp_table_entry_t entries[] = {
        {.key = amqp_cstring_bytes("product"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("RabbitMQ")}},
        {.key = amqp_cstring_bytes("version"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("3.10.8")}},
    };
    amqp_connection_start_t start = {
        .version_minor = 9,
        .server_properties = {.num_entries = 2, .entries = entries},
        .mechanisms = amqp_cstring_bytes(mechanisms),
        .locales = amqp_cstring_bytes("en_US"),
    };
    server_say(server, 0, AMQP_CONNECTION_START_METHOD, &start);
}

void server_say_tune(struct server *server)
{
    amqp_connection_tune_t tune = {.channel_max = server->channel_max,
                                   .frame_max = server->frame_max,
                                   .heartbeat = server->heartbeat_s};
    server_say(server, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
}

void server_say_deliver(struct server *server, uint16_t channel, uint64_t tag)
{
    amqp_basic_deliver_t deliver = {
        .consumer_tag = amqp_cstring_bytes("consumer"),
        .delivery_tag = tag,
        .exchange = amqp_cstring_bytes("shop"),
        .routing_key = amqp_cstring_bytes("order.new"),
    };
    server_say(server, channel, AMQP_BASIC_DELIVER_METHOD, &deliver);
}

void server_say_header(struct server *server, uint16_t channel, uint64_t body_size,
                       const void *properties, size_t size)
{
    uint8_t head[FRAME_HEAD_SIZE + PROPERTIES_PREFIX_SIZE];
    uint8_t *at =
        frame_put_head(head, FRAME_HEADER, channel, (uint32_t)(PROPERTIES_PREFIX_SIZE + size));
    at = wire_put_16(at, PROPERTIES_CLASS);
    at = wire_put_16(at, 0);
    wire_put_64(at, body_size);
    server_say_bytes(server, head, sizeof head);
    server_say_bytes(server, properties, size);
    server_say_bytes(server, "\xce", 1);
}

void server_say_body(struct server *server, uint16_t channel, const void *body, size_t size,
                     size_t fragment_max)
{
    const uint8_t *at = body;
    while (size > 0) {
        size_t part = size < fragment_max ? size : fragment_max;
        server_say_frame(server, FRAME_BODY, channel, at, part);
        at += part;
        size -= part;
    }
}

bool server_event(struct server *server, struct connection_event *event)
{
    while (!connection_next(server->connection, event)) {
        size_t left = buffer_size(&server->bytes);
        if (left == 0)
            return false;
        uint8_t *at = NULL;
        size_t size = 0;
        connection_space(server->connection, &at, &size);
        test_that(size > 0);
        size = size < left ? size : left;
        if (server->chunk > 0 && size > server->chunk)
            size = server->chunk;
        memcpy(at, buffer_bytes(&server->bytes), size);
        buffer_consume(&server->bytes, size);
        connection_received(server->connection, size);
    }
    return true;
}

struct connection_event server_expect(struct server *server, enum connection_event_kind kind)
{
    struct connection_event event;
    if (!server_event(server, &event))
        ck_abort_msg("nothing came, expected an event %d", (int)kind);
    if (event.kind != kind)
        ck_abort_msg("an event %d with \"%s\", expected %d", (int)event.kind, event.text,
                     (int)kind);
    return event;
}

void server_expect_nothing(struct server *server)
{
    struct connection_event event;
    if (server_event(server, &event))
        ck_abort_msg("an event %d with \"%s\", expected none", (int)event.kind, event.text);
}

struct connection_event server_expect_failure(struct server *server, const char *text)
{
    struct connection_event event = server_expect(server, CONNECTION_FAILED);
    if (strstr(event.text, text) == NULL)
        ck_abort_msg("it failed with \"%s\", expected \"%s\"", event.text, text);
    test_that(strstr(ackd_error_text(ackd_error_current()), text) != NULL);
    struct connection_event more;
    test_that(!connection_next(server->connection, &more));
    return event;
}

void server_log_in(struct server *server)
{
    server_say_start(server, "AMQPLAIN PLAIN EXTERNAL");
    server_expect_nothing(server);
    server_say_tune(server);
    amqp_connection_open_ok_t open_ok = {0};
    server_say(server, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &open_ok);
    server_expect(server, CONNECTION_OPENED);
    buffer_clear(connection_output(server->connection));
}

void server_open_channel(struct server *server, uint16_t channel)
{
    test_that(channel_open(server->connection, channel) == ACKD_OK);
    amqp_channel_open_ok_t open_ok = {0};
    server_say(server, channel, AMQP_CHANNEL_OPEN_OK_METHOD, &open_ok);
    test_that(server_expect(server, CHANNEL_OPENED).channel == channel);
    buffer_clear(connection_output(server->connection));
}

const void *server_read(struct server *server, uint16_t channel, uint32_t id)
{
    static const struct frame_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT16_MAX, 0};
    struct buffer *output = connection_output(server->connection);
    struct frame frame;
    size_t taken = 0;
    test_that(frame_take(buffer_bytes(output), buffer_size(output), &limits, &frame, &taken) ==
              ACKD_OK);
    test_that(taken > 0);
    test_that(frame.type == FRAME_METHOD);
    test_that(frame.channel == channel);
    uint32_t found = 0;
    void *decoded = NULL;
    test_that(method_read(&server_pool, buffer_bytes(output) + FRAME_HEAD_SIZE, frame.size, &found,
                          &decoded) == ACKD_OK);
    if (found != id)
        ck_abort_msg("ackd wrote %s, expected %s", method_name(found), method_name(id));
    buffer_consume(output, taken); /* the bytes stay until something is written */
    return decoded;
}

void server_read_nothing(struct server *server)
{
    test_that(buffer_size(connection_output(server->connection)) == 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_connection - a whole connection, fed bytes.
 *
 * The first octet says how far it is logged in and how the bytes are cut; the rest is what the
 * server says. The same bytes are said twice, cut differently: the events must be the same, which
 * also holds the short way for small messages against the long one.
 */
#include <config.h>

#include "fuzz.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/channel.h"
#include "amqp/connection.h"
#include "amqp/method.h"

enum { HEADER_MAX = 8192, MESSAGE_MAX = 100000 };

static struct delivery_pool *pool;

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash * 31 + size;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return text == NULL ? hash + 1 : mix(hash, text, strlen(text));
}

static uint64_t mix_delivery(uint64_t hash, const struct delivery *delivery)
{
    const struct properties *properties = &delivery->properties;
    FUZZ_MUST(delivery->body.data != NULL);
    FUZZ_MUST(delivery->body.size ==
              (delivery->body_size <= MESSAGE_MAX ? delivery->body_size : 0));
    FUZZ_MUST(delivery->poison != NULL || delivery->body_size <= MESSAGE_MAX);
    FUZZ_MUST(delivery->poison == NULL || properties->headers.size == 0);
    hash = mix(hash, delivery->body.data, delivery->body.size);
    hash = mix(hash, properties->headers.data, properties->headers.size);
    hash = mix_text(hash, delivery->poison);
    hash = mix_text(hash, delivery->consumer_tag);
    hash = mix_text(hash, delivery->exchange);
    hash = mix_text(hash, delivery->routing_key);
    hash = mix_text(hash, delivery->return_text);
    hash = mix_text(hash, properties->content_type);
    hash = mix_text(hash, properties->message_id);
    hash = mix_text(hash, properties->app_id);
    hash += (uint64_t)properties->priority + delivery->redelivered;
    return hash * 31 + delivery->tag + (uint64_t)delivery->return_code;
}

static uint64_t take_events(struct connection *connection, uint64_t hash)
{
    struct connection_event event;
    while (connection_next(connection, &event)) {
        hash = mix_text(hash * 31 + (uint64_t)event.kind, event.text);
        hash = hash * 31 + event.channel + event.code + event.tag + event.multiple;
        if (event.delivery != NULL) {
            FUZZ_MUST(event.kind == CHANNEL_DELIVERY || event.kind == CHANNEL_RETURNED);
            FUZZ_MUST(event.channel == event.delivery->channel);
            hash = mix_delivery(hash, event.delivery);
            if (event.tag == 13) /* as if the host had enough of it */
                (void)!channel_close(connection, event.channel, 200, "");
            if (event.kind == CHANNEL_DELIVERY && event.tag != 0)
                (void)!channel_ack(connection, event.channel, event.tag, false);
            delivery_free(&event.delivery);
        }
    }
    return hash;
}

static uint64_t feed(struct connection *connection, const uint8_t *data, size_t size, size_t cut,
                     uint64_t hash)
{
    while (size > 0) {
        uint8_t *at = NULL;
        size_t room = 0;
        connection_space(connection, &at, &room);
        FUZZ_MUST(room > 0);
        if (room > size)
            room = size;
        if (cut > 0 && room > cut)
            room = cut;
        memcpy(at, data, room);
        data += room;
        size -= room;
        connection_received(connection, room);
        hash = take_events(connection, hash);
    }
    return hash;
}

static void say(struct connection *connection, uint16_t channel, uint32_t id, const void *method)
{
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX / 2);
    FUZZ_MUST(method_write(&bytes, channel, id, method, METHOD_ROOM) == ACKD_OK);
    feed(connection, buffer_bytes(&bytes), buffer_size(&bytes), 0, 0);
    buffer_fini(&bytes);
}

static void log_in(struct connection *connection)
{
    amqp_connection_start_t start = {.version_minor = 9, .mechanisms = amqp_cstring_bytes("PLAIN")};
    amqp_connection_tune_t tune = {.frame_max = 4096, .channel_max = 20};
    amqp_connection_open_ok_t open_ok = {0};
    amqp_channel_open_ok_t channel_open_ok = {0};
    say(connection, 0, AMQP_CONNECTION_START_METHOD, &start);
    say(connection, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
    say(connection, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &open_ok);
    for (uint16_t channel = 1; channel <= 3; channel++) {
        FUZZ_MUST(channel_open(connection, channel) == ACKD_OK);
        if (channel < 3)
            say(connection, channel, AMQP_CHANNEL_OPEN_OK_METHOD, &channel_open_ok);
    }
    FUZZ_MUST(channel_qos(connection, 1, 10) == ACKD_OK);
    FUZZ_MUST(channel_consume(connection, 1, "q", "t", NULL) == ACKD_OK);
    FUZZ_MUST(channel_cancel(connection, 1, "t") == ACKD_OK);
    FUZZ_MUST(channel_confirm_select(connection, 2) == ACKD_OK);
    FUZZ_MUST(channel_declare_queue(connection, 2, "q", true, NULL, 0) == ACKD_OK);
}

static uint64_t run(const uint8_t *data, size_t size, unsigned how, size_t cut)
{
    static const struct connection_options options = {.user = "u",
                                                      .password = "p",
                                                      .vhost = "/",
                                                      .name = "n",
                                                      .version = "0",
                                                      .header_frame_max = HEADER_MAX,
                                                      .message_size_max = MESSAGE_MAX};
    struct connection *connection = NULL;
    FUZZ_MUST(connection_new(&options, pool, &connection) == ACKD_OK);
    FUZZ_MUST(connection_start(connection) == ACKD_OK);
    if (how > 0)
        log_in(connection);
    if (how == 2)
        FUZZ_MUST(channel_close(connection, 2, 200, "") == ACKD_OK);
    if (how == 3)
        FUZZ_MUST(connection_close(connection, 200, "") == ACKD_OK);
    uint64_t hash = feed(connection, data, size, cut, 0);
    hash = mix_text(hash, connection_step(connection));
    hash = mix(hash, buffer_bytes(connection_output(connection)),
               buffer_size(connection_output(connection)));
    connection_free(&connection);
    FUZZ_MUST(delivery_pool_live(pool) == 0);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (pool == NULL)
        FUZZ_MUST(delivery_pool_new(8, 8, &pool) == ACKD_OK);
    unsigned how = data[0] & 3;
    size_t cut = (size_t)(data[0] >> 2) + 1;
    uint64_t one = run(data + 1, size - 1, how, 0);
    uint64_t other = run(data + 1, size - 1, how, cut);
    FUZZ_MUST(one == other);
    return 0;
}

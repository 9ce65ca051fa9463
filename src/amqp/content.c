/* SPDX-License-Identifier: MIT */
/* content - the making of a delivery. It must not know sockets, nor what a message is for. */
#include <config.h>

#include "amqp/content.h"

#include <ackd/error.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/properties.h"
#include "amqp/wire.h"
#include "base/assert.h"
#include "base/error.h"

/* A terminated copy of @bytes at *@at, which moves behind it. */
static const char *content_copy(char **at, amqp_bytes_t bytes)
{
    char *text = *at;
    if (bytes.len > 0)
        memcpy(text, bytes.bytes, bytes.len);
    text[bytes.len] = '\0';
    *at = text + bytes.len + 1;
    return text;
}

static int content_begin(struct connection *connection, uint16_t number, amqp_bytes_t name,
                         amqp_bytes_t exchange, amqp_bytes_t routing_key, const char **ret_name)
{
    ackd_assert(number < connection->channel_count);
    struct channel *channel = &connection->channels[number];
    ackd_assert(channel->content.delivery == NULL); /* I2 */
    struct delivery *delivery = delivery_new(connection->pool);
    if (delivery == NULL)
        return ackd_wrap(ACKD_E_NOMEM, "a message on channel %u", number);
    char *at = arena_alloc_bytes(&delivery->arena, name.len + exchange.len + routing_key.len + 3);
    if (at == NULL) {
        delivery_free(&delivery);
        return ackd_fail(ACKD_E_NOMEM, "a message on channel %u", number);
    }
    delivery->channel = number;
    *ret_name = content_copy(&at, name);
    delivery->exchange = content_copy(&at, exchange);
    delivery->routing_key = content_copy(&at, routing_key);
    channel->content = (struct content){.delivery = delivery};
    channel->expects = EXPECTS_HEADER;
    return ACKD_OK;
}

int content_begin_deliver(struct connection *connection, uint16_t number,
                          const amqp_basic_deliver_t *method)
{
    const char *consumer_tag = NULL;
    int code = content_begin(connection, number, method->consumer_tag, method->exchange,
                             method->routing_key, &consumer_tag);
    if (code != ACKD_OK)
        return code;
    struct delivery *delivery = connection->channels[number].content.delivery;
    delivery->consumer_tag = consumer_tag;
    delivery->tag = method->delivery_tag;
    delivery->redelivered = method->redelivered != 0;
    return ACKD_OK;
}

int content_begin_return(struct connection *connection, uint16_t number,
                         const amqp_basic_return_t *method)
{
    const char *text = NULL;
    int code = content_begin(connection, number, method->reply_text, method->exchange,
                             method->routing_key, &text);
    if (code != ACKD_OK)
        return code;
    struct content *content = &connection->channels[number].content;
    content->delivery->return_code = method->reply_code;
    content->delivery->return_text = text;
    content->returned = true;
    return ACKD_OK;
}

/* The message will not be readable, because of @format. Its first reason stays. */
__attribute__((format(printf, 2, 3))) static void content_poison(struct content *content,
                                                                 const char *format, ...)
{
    struct delivery *delivery = content->delivery;
    content->at = NULL;
    if (delivery->poison != NULL)
        return;
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(&delivery->arena, format, args);
    va_end(args);
    delivery->poison = text != NULL ? text : "it cannot be read, and memory is out";
}

/* Memory for the body: in the arena if it fits there, else of its own. Behind it is room for the
 * frame overhead that is read together with a fragment. */
static int content_make_room(struct content *content)
{
    struct delivery *delivery = content->delivery;
    size_t room = (size_t)(delivery->arena.end - delivery->arena.at);
    size_t size = (size_t)content->left;
    if (size <= room) {
        content->at = arena_alloc_bytes(&delivery->arena, size);
    } else {
        delivery->large_body = malloc(size + FRAME_OVERHEAD);
        content->at = delivery->large_body;
    }
    if (content->at == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the body of a message, %zu bytes", size);
    delivery->body = (struct ackd_bytes){.data = content->at, .size = 0};
    return ACKD_OK;
}

/* Check and read what stands in front of the properties. */
static int content_prefix(struct connection *connection, uint16_t number, const uint8_t *payload,
                          size_t size)
{
    struct channel *channel = &connection->channels[number];
    if (channel->expects != EXPECTS_HEADER)
        return inside_fault(connection, FAULT_UNEXPECTED,
                            channel->expects == EXPECTS_BODY
                                ? "a second header on channel %u, of the same message"
                                : "a header on channel %u, of no message",
                            number);
    if (size < PROPERTIES_PREFIX_SIZE + 2)
        return inside_fault(connection, FAULT_FRAME, "a header of %zu bytes on channel %u", size,
                            number);
    if (wire_get_16(payload) != PROPERTIES_CLASS)
        return inside_fault(connection, FAULT_FRAME, "a header of class %u on channel %u, not %d",
                            wire_get_16(payload), number, PROPERTIES_CLASS);
    struct content *content = &channel->content;
    content->left = wire_get_64(payload + 4);
    content->delivery->body_size = content->left;
    channel->expects = EXPECTS_BODY;
    if (content->left > connection->message_size_max)
        content_poison(content, "the message has %llu bytes, the limit is %llu",
                       (unsigned long long)content->left,
                       (unsigned long long)connection->message_size_max);
    return ACKD_OK;
}

int content_header(struct connection *connection, uint16_t number, const uint8_t *payload,
                   size_t size, struct connection_event *event)
{
    int code = content_prefix(connection, number, payload, size);
    if (code != ACKD_OK)
        return code;
    struct content *content = &connection->channels[number].content;
    if (content->delivery->poison == NULL) {
        code = properties_read(payload + PROPERTIES_PREFIX_SIZE, size - PROPERTIES_PREFIX_SIZE,
                               &content->delivery->arena, &content->delivery->properties);
        if (code == ACKD_E_POISON) {
            content_poison(content, "%s", ackd_error_text(ackd_error_current()));
            error_clear();
        } else if (code != ACKD_OK) {
            return code;
        }
    }
    if (content->delivery->poison == NULL && content->left > 0)
        ACKD_TRY(content_make_room(content));
    return content_end(connection, number, event);
}

int content_header_oversized(struct connection *connection, uint16_t number, const uint8_t *payload,
                             uint32_t size)
{
    int code = content_prefix(connection, number, payload, size);
    if (code != ACKD_OK)
        return code;
    content_poison(&connection->channels[number].content,
                   "the properties of the message have %u bytes, the limit is %u", size,
                   connection->header_frame_max);
    return ACKD_OK;
}

int content_body(struct connection *connection, uint16_t number, uint32_t size)
{
    struct channel *channel = &connection->channels[number];
    if (channel->expects != EXPECTS_BODY)
        return inside_fault(connection, FAULT_UNEXPECTED,
                            channel->expects == EXPECTS_HEADER
                                ? "a body on channel %u, in front of its header"
                                : "a body on channel %u, of no message",
                            number);
    if (size > channel->content.left)
        return inside_fault(connection, FAULT_FRAME,
                            "a body on channel %u is longer than its header announced: %llu bytes "
                            "were left, the frame has %u",
                            number, (unsigned long long)channel->content.left, size);
    return ACKD_OK;
}

void content_fill(struct content *content, const uint8_t *bytes, size_t size)
{
    ackd_assert(size <= content->left);
    content->left -= size;
    if (content->at == NULL)
        return;
    if (bytes != NULL)
        memcpy(content->at, bytes, size);
    content->at += size;
    content->delivery->body.size += size;
}

int content_end(struct connection *connection, uint16_t number, struct connection_event *event)
{
    struct channel *channel = &connection->channels[number];
    struct content *content = &channel->content;
    if (content->left > 0)
        return TAKEN_SILENT;
    event->kind = content->returned ? CHANNEL_RETURNED : CHANNEL_DELIVERY;
    event->channel = number; /* no frame head was read if only the rest of a body came */
    event->delivery = content->delivery;
    event->tag = content->delivery->tag;
    content->delivery = NULL;
    channel->expects = EXPECTS_METHOD;
    return TAKEN_EVENT;
}

void content_drop(struct channel *channel)
{
    delivery_free(&channel->content.delivery);
    channel->content = (struct content){0};
    channel->expects = EXPECTS_METHOD;
}

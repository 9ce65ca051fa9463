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

/* An empty message on its way in, with @size bytes for its names; NULL when out of memory, with the
 * error set. */
static struct delivery *content_begin(struct connection *connection, struct channel *channel,
                                      size_t size, uint8_t **ret_names)
{
    ackd_assert(channel->content.delivery == NULL); /* I2 */
    struct delivery *delivery = delivery_new(connection->pool);
    if (delivery == NULL) {
        (void)ackd_wrap(ACKD_E_NOMEM, "a message on channel %u", channel->number);
        return NULL;
    }
    uint8_t *names = arena_alloc_bytes(&delivery->arena, size);
    if (names == NULL) {
        delivery_free(&delivery);
        (void)ackd_fail(ACKD_E_NOMEM, "a message on channel %u", channel->number);
        return NULL;
    }
    delivery->channel = channel->number;
    channel->content = (struct content){.delivery = delivery};
    channel->expects = EXPECTS_HEADER;
    *ret_names = names;
    return delivery;
}

/*
 * The arguments in one copy, with the strings terminated where they lie: the octet behind each has
 * been read when it is overwritten. Consumer tag, delivery tag and a bit, exchange, routing key.
 */
int content_begin_deliver(struct connection *connection, struct channel *channel,
                          const uint8_t *arguments, size_t size)
{
    enum { MIDDLE_SIZE = 9 };
    const uint8_t *end = arguments + size;
    const uint8_t *middle = size == 0 ? end : arguments + 1 + arguments[0];
    bool whole = middle < end && end - middle > MIDDLE_SIZE;
    const uint8_t *exchange = whole ? middle + MIDDLE_SIZE : end;
    const uint8_t *key = whole ? exchange + 1 + exchange[0] : end;
    if (key >= end || end - key <= key[0])
        return inside_fault(connection, FAULT_SYNTAX,
                            "basic.deliver on channel %u cannot be read: it is cut off",
                            channel->number);
    uint8_t *names = NULL;
    struct delivery *delivery = content_begin(connection, channel, size + 1, &names);
    if (delivery == NULL)
        return ACKD_E_NOMEM;
    memcpy(names, arguments, size);
    delivery->consumer_tag = (const char *)names + 1;
    delivery->consumer_tag_size = names[0];
    delivery->tag = wire_get_64(middle);
    delivery->redelivered = (middle[8] & 1) != 0;
    delivery->exchange = (const char *)names + (exchange - arguments) + 1;
    delivery->routing_key = (const char *)names + (key - arguments) + 1;
    names[middle - arguments] = '\0';
    names[key - arguments] = '\0';
    names[key - arguments + 1 + key[0]] = '\0';
    return ACKD_OK;
}

/* A terminated copy of @bytes at *@at, which moves behind it. */
static const char *content_copy(uint8_t **at, amqp_bytes_t bytes)
{
    uint8_t *text = *at;
    if (bytes.len > 0)
        memcpy(text, bytes.bytes, bytes.len);
    text[bytes.len] = '\0';
    *at = text + bytes.len + 1;
    return (const char *)text;
}

int content_begin_return(struct connection *connection, struct channel *channel,
                         const amqp_basic_return_t *method)
{
    size_t size = method->reply_text.len + method->exchange.len + method->routing_key.len + 3;
    uint8_t *at = NULL;
    struct delivery *delivery = content_begin(connection, channel, size, &at);
    if (delivery == NULL)
        return ACKD_E_NOMEM;
    delivery->return_code = method->reply_code;
    delivery->return_text = content_copy(&at, method->reply_text);
    delivery->exchange = content_copy(&at, method->exchange);
    delivery->routing_key = content_copy(&at, method->routing_key);
    channel->content.returned = true;
    return ACKD_OK;
}

/* The message will not be readable, because of @format. Its first reason stays. */
__attribute__((format(printf, 2, 3))) static void content_poison(struct content *content,
                                                                 const char *format, ...)
{
    struct delivery *delivery = content->delivery;
    if (delivery->poison != NULL)
        return;
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(&delivery->arena, format, args);
    va_end(args);
    delivery->poison = text != NULL ? text : "it cannot be read, and memory is out";
}

/* Memory for the body, unless it is too large: in the arena if it fits there, else of its own. Behind it is room for the
 * frame overhead that is read together with a fragment. */
static int content_make_room(struct channel *channel)
{
    struct content *content = &channel->content;
    struct delivery *delivery = content->delivery;
    if (content->left == 0 || content->left > channel->message_size_max)
        return ACKD_OK;
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
static int content_prefix(struct connection *connection, struct channel *channel,
                          const uint8_t *payload, size_t size)
{
    if (channel->expects != EXPECTS_HEADER)
        return inside_fault(connection, FAULT_UNEXPECTED,
                            channel->expects == EXPECTS_BODY
                                ? "a second header on channel %u, of the same message"
                                : "a header on channel %u, of no message",
                            channel->number);
    if (size < PROPERTIES_PREFIX_SIZE + 2)
        return inside_fault(connection, FAULT_FRAME, "a header of %zu bytes on channel %u", size,
                            channel->number);
    if (wire_get_16(payload) != PROPERTIES_CLASS)
        return inside_fault(connection, FAULT_FRAME, "a header of class %u on channel %u, not %d",
                            wire_get_16(payload), channel->number, PROPERTIES_CLASS);
    struct content *content = &channel->content;
    content->left = wire_get_64(payload + 4);
    content->delivery->body_size = content->left;
    channel->expects = EXPECTS_BODY;
    if (content->left > channel->message_size_max)
        content_poison(content, "the message has %llu bytes, the limit is %llu",
                       (unsigned long long)content->left,
                       (unsigned long long)channel->message_size_max);
    return ACKD_OK;
}

int content_header(struct connection *connection, struct channel *channel, const uint8_t *payload,
                   size_t size, struct connection_event *event)
{
    int code = content_prefix(connection, channel, payload, size);
    if (code != ACKD_OK)
        return code;
    struct content *content = &channel->content;
    if (content->delivery->poison == NULL) {
        code = properties_add(payload + PROPERTIES_PREFIX_SIZE, size - PROPERTIES_PREFIX_SIZE,
                              &content->delivery->arena, &content->delivery->properties);
        if (code == ACKD_E_POISON) {
            content_poison(content, "%s", ackd_error_text(ackd_error_current()));
            error_clear();
        } else if (code != ACKD_OK) {
            return code;
        }
    }
    ACKD_TRY(content_make_room(channel));
    return content_end(channel, event);
}

int content_header_oversized(struct connection *connection, struct channel *channel,
                             const uint8_t *payload, uint32_t size)
{
    int code = content_prefix(connection, channel, payload, size);
    if (code != ACKD_OK)
        return code;
    content_poison(&channel->content,
                   "the properties of the message have %u bytes, the limit is %u", size,
                   connection->header_frame_max);
    return content_make_room(channel);
}

int content_body(struct connection *connection, struct channel *channel, uint32_t size)
{
    if (channel->expects != EXPECTS_BODY)
        return inside_fault(connection, FAULT_UNEXPECTED,
                            channel->expects == EXPECTS_HEADER
                                ? "a body on channel %u, in front of its header"
                                : "a body on channel %u, of no message",
                            channel->number);
    if (size > channel->content.left)
        return inside_fault(connection, FAULT_FRAME,
                            "a body on channel %u is longer than its header announced: %llu bytes "
                            "were left, the frame has %u",
                            channel->number, (unsigned long long)channel->content.left, size);
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

int content_end(struct channel *channel, struct connection_event *event)
{
    struct content *content = &channel->content;
    if (content->left > 0)
        return TAKEN_SILENT;
    event->kind = content->returned ? CHANNEL_RETURNED : CHANNEL_DELIVERY;
    event->channel = channel->number; /* no frame head was read if only the rest of a body came */
    event->delivery = content->delivery;
    event->tag = content->delivery->tag;
    content->delivery = NULL;
    channel->expects = EXPECTS_METHOD;
    return TAKEN_EVENT;
}

/* Flat, because each message comes by here: half of what its steps take is to enter and to leave
 * them. */
__attribute__((flatten)) int content_whole(struct connection *connection, struct channel *channel,
                                           const struct content_parts *parts,
                                           struct connection_event *event)
{
    ACKD_TRY(content_begin_deliver(connection, channel, parts->arguments, parts->arguments_size));
    int taken = content_header(connection, channel, parts->header, parts->header_size, event);
    if (taken != TAKEN_SILENT)
        return taken;
    content_fill(&channel->content, parts->body, parts->body_size);
    return content_end(channel, event);
}

void content_drop(struct channel *channel)
{
    delivery_free(&channel->content.delivery);
    channel->content = (struct content){0};
    channel->expects = EXPECTS_METHOD;
}

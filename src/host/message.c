/* SPDX-License-Identifier: MIT */
/* message - the accessors of <ackd/message.h>. Everything is borrowed from the delivery. */
#include <config.h>

#include "host/message.h"

#include <string.h>

struct ackd_bytes ackd_bytes(const char *text)
{
    return (struct ackd_bytes){text, strlen(text)};
}

struct ackd_bytes ackd_message_body(const struct ackd_message *message)
{
    struct ackd_bytes body = message->delivery->body;
    if (body.data == NULL)
        body.data = "";
    return body;
}

const char *ackd_message_consumer(const struct ackd_message *message)
{
    return message->consumer;
}

const char *ackd_message_queue(const struct ackd_message *message)
{
    return message->queue;
}

const char *ackd_message_exchange(const struct ackd_message *message)
{
    return message->delivery->exchange;
}

const char *ackd_message_routing_key(const struct ackd_message *message)
{
    return message->delivery->routing_key;
}

bool ackd_message_redelivered(const struct ackd_message *message)
{
    return message->delivery->redelivered;
}

uint64_t ackd_message_tag(const struct ackd_message *message)
{
    return message->delivery->tag;
}

uint32_t ackd_message_attempt(const struct ackd_message *message)
{
    return message->attempt;
}

const char *ackd_message_content_type(const struct ackd_message *message)
{
    return message->delivery->properties.content_type;
}

const char *ackd_message_content_encoding(const struct ackd_message *message)
{
    return message->delivery->properties.content_encoding;
}

const char *ackd_message_correlation_id(const struct ackd_message *message)
{
    return message->delivery->properties.correlation_id;
}

const char *ackd_message_reply_to(const struct ackd_message *message)
{
    return message->delivery->properties.reply_to;
}

const char *ackd_message_expiration(const struct ackd_message *message)
{
    return message->delivery->properties.expiration;
}

const char *ackd_message_id(const struct ackd_message *message)
{
    return message->delivery->properties.message_id;
}

const char *ackd_message_type(const struct ackd_message *message)
{
    return message->delivery->properties.type;
}

const char *ackd_message_user_id(const struct ackd_message *message)
{
    return message->delivery->properties.user_id;
}

const char *ackd_message_app_id(const struct ackd_message *message)
{
    return message->delivery->properties.app_id;
}

int ackd_message_delivery_mode(const struct ackd_message *message)
{
    return message->delivery->properties.delivery_mode;
}

int ackd_message_priority(const struct ackd_message *message)
{
    return message->delivery->properties.priority;
}

uint64_t ackd_message_timestamp_s(const struct ackd_message *message)
{
    return message->delivery->properties.timestamp_s;
}

struct ackd_headers ackd_message_headers(const struct ackd_message *message)
{
    return (struct ackd_headers){.rest = message->delivery->properties.headers};
}

bool ackd_message_header(const struct ackd_message *message, const char *name,
                         struct ackd_header *ret)
{
    size_t size = strlen(name);
    struct ackd_headers headers = ackd_message_headers(message);
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        if (header.name_size == size && memcmp(header.name, name, size) == 0) {
            *ret = header;
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: MIT */
/* message - the accessors of a made-up message; its headers are walked by their place in an array.
 */
#include <config.h>

#include "message.h"

#include <string.h>

struct ackd_bytes ackd_bytes(const char *text)
{
    return (struct ackd_bytes){text, strlen(text)};
}

struct ackd_bytes ackd_message_body(const struct ackd_message *message)
{
    return (struct ackd_bytes){message->body == NULL ? "" : message->body, message->size};
}

#define ALWAYS(member)                                                    \
    const char *ackd_message_##member(const struct ackd_message *message) \
    {                                                                     \
        return message->member == NULL ? "" : message->member;            \
    }
#define PERHAPS(member)                                                   \
    const char *ackd_message_##member(const struct ackd_message *message) \
    {                                                                     \
        return message->member;                                           \
    }
ALWAYS(exchange)
ALWAYS(routing_key)
ALWAYS(queue)
PERHAPS(content_type)
PERHAPS(content_encoding)
PERHAPS(correlation_id)
PERHAPS(reply_to)
PERHAPS(expiration)
PERHAPS(id)
PERHAPS(type)
PERHAPS(user_id)
PERHAPS(app_id)

const char *ackd_message_consumer(const struct ackd_message *message)
{
    (void)message;
    return "test";
}

bool ackd_message_redelivered(const struct ackd_message *message)
{
    return message->redelivered;
}

uint64_t ackd_message_tag(const struct ackd_message *message)
{
    (void)message;
    return 1;
}

uint32_t ackd_message_attempt(const struct ackd_message *message)
{
    return message->attempt;
}

int ackd_message_delivery_mode(const struct ackd_message *message)
{
    (void)message;
    return -1;
}

int ackd_message_priority(const struct ackd_message *message)
{
    return message->priority;
}

uint64_t ackd_message_timestamp_s(const struct ackd_message *message)
{
    return message->timestamp_s;
}

struct ackd_headers ackd_message_headers(const struct ackd_message *message)
{
    return (struct ackd_headers){
        .rest = {message->headers, message->header_count * sizeof *message->headers}};
}

bool ackd_headers_next(struct ackd_headers *headers, struct ackd_header *ret)
{
    if (headers->rest.size < sizeof *ret)
        return false;
    memcpy(ret, headers->rest.data, sizeof *ret);
    headers->rest.data = (const char *)headers->rest.data + sizeof *ret;
    headers->rest.size -= sizeof *ret;
    return true;
}

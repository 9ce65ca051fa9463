/* SPDX-License-Identifier: MIT */
/* test_delivery - see the header. It must not know what becomes of the message. */
#include <config.h>

#include "host/test_delivery.h"

#include <string.h>

#include "base/arena.h"

/* What one header takes in an encoded table: name, kind, value (AMQP 0-9-1, section 4.2.5.5). */
static size_t test_delivery_header_size(const struct ackd_test_header *header)
{
    return 1 + strlen(header->name) + 1 + (header->text == NULL ? 8 : 4 + strlen(header->text));
}

static uint8_t *test_delivery_put(uint8_t *at, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
    return at + size;
}

static uint8_t *test_delivery_put_header(uint8_t *at, const struct ackd_test_header *header)
{
    size_t length = strlen(header->name);
    at = test_delivery_put(at, length, 1);
    memcpy(at, header->name, length);
    at += length;
    if (header->text == NULL) {
        *at = 'l';
        return test_delivery_put(at + 1, (uint64_t)header->integer, 8);
    }
    length = strlen(header->text);
    *at = 'S';
    at = test_delivery_put(at + 1, length, 4);
    memcpy(at, header->text, length);
    return at + length;
}

static int test_delivery_set_headers(struct delivery *delivery,
                                     const struct ackd_test_header *headers)
{
    size_t size = 0;
    for (const struct ackd_test_header *at = headers; at != NULL && at->name != NULL; at++) {
        if (strlen(at->name) > UINT8_MAX)
            return ackd_fail(ACKD_E_INVAL, "header '%.32s...' has a name of %zu bytes: %d at most",
                             at->name, strlen(at->name), UINT8_MAX);
        size += test_delivery_header_size(at);
    }
    if (size == 0)
        return ACKD_OK;
    uint8_t *bytes = arena_alloc(&delivery->arena, size);
    if (bytes == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%zu bytes of headers", size);
    uint8_t *at = bytes;
    for (; headers->name != NULL; headers++)
        at = test_delivery_put_header(at, headers);
    delivery->properties.headers = (struct ackd_bytes){bytes, size};
    return ACKD_OK;
}

static int test_delivery_set_body(struct delivery *delivery, struct ackd_bytes body)
{
    void *copy = arena_alloc(&delivery->arena, body.size);
    if (copy == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a body of %zu bytes", body.size);
    if (body.size > 0)
        memcpy(copy, body.data, body.size);
    delivery->body = (struct ackd_bytes){copy, body.size};
    delivery->body_size = body.size;
    return ACKD_OK;
}

static int test_delivery_set_texts(struct delivery *delivery,
                                   const struct ackd_test_message *message)
{
    struct properties *properties = &delivery->properties;
    const struct {
        const char **copy;
        const char *text;
    } texts[] = {
        {&delivery->exchange, message->exchange == NULL ? "" : message->exchange},
        {&delivery->routing_key, message->routing_key == NULL ? "test" : message->routing_key},
        {&properties->content_type, message->content_type},
        {&properties->content_encoding, message->content_encoding},
        {&properties->correlation_id, message->correlation_id},
        {&properties->reply_to, message->reply_to},
        {&properties->expiration, message->expiration},
        {&properties->message_id, message->id},
        {&properties->type, message->type},
        {&properties->user_id, message->user_id},
        {&properties->app_id, message->app_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].text == NULL)
            continue;
        *texts[i].copy = arena_strndup(&delivery->arena, texts[i].text, strlen(texts[i].text));
        if (*texts[i].copy == NULL)
            return ackd_fail(ACKD_E_NOMEM, "a property");
    }
    return ACKD_OK;
}

static int test_delivery_fill(struct delivery *delivery, const struct ackd_test_message *message)
{
    delivery->consumer_tag = "test";
    delivery->redelivered = message->redelivered;
    delivery->properties.timestamp_s = message->timestamp_s;
    delivery->properties.priority = message->priority == 0 ? -1 : message->priority;
    delivery->properties.delivery_mode = message->delivery_mode == 0 ? -1 : message->delivery_mode;
    ACKD_TRY(test_delivery_set_texts(delivery, message));
    ACKD_TRY(test_delivery_set_headers(delivery, message->headers));
    return test_delivery_set_body(delivery, message->body);
}

int test_delivery_make(struct delivery_pool *pool, const struct ackd_test_message *message,
                       struct delivery **ret_delivery)
{
    struct delivery *delivery = delivery_new(pool);
    if (delivery == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a delivery");
    int code = test_delivery_fill(delivery, message);
    if (code != ACKD_OK) {
        delivery_free(&delivery);
        return code;
    }
    *ret_delivery = delivery;
    return ACKD_OK;
}

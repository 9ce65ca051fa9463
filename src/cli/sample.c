/* SPDX-License-Identifier: MIT */
/* sample - see the header. */
#include <config.h>

#include "cli/sample.h"

#include <ackd/error.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"

enum { SAMPLE_HEADERS_MAX = 65536 };

static char *sample_copy(struct delivery *delivery, const char *text, size_t size)
{
    return arena_strndup(&delivery->arena, text, size);
}

/* The texts of a delivery that JSON can give, by key. */
static const struct {
    const char *key;
    size_t offset;
} sample_texts[] = {
    {"routing_key", offsetof(struct delivery, routing_key)},
    {"exchange", offsetof(struct delivery, exchange)},
    {"content_type", offsetof(struct delivery, properties.content_type)},
    {"content_encoding", offsetof(struct delivery, properties.content_encoding)},
    {"correlation_id", offsetof(struct delivery, properties.correlation_id)},
    {"reply_to", offsetof(struct delivery, properties.reply_to)},
    {"expiration", offsetof(struct delivery, properties.expiration)},
    {"message_id", offsetof(struct delivery, properties.message_id)},
    {"type", offsetof(struct delivery, properties.type)},
    {"user_id", offsetof(struct delivery, properties.user_id)},
    {"app_id", offsetof(struct delivery, properties.app_id)},
};

enum { SAMPLE_TEXTS = sizeof sample_texts / sizeof sample_texts[0] };

static int sample_put_number(struct buffer *out, char kind, uint64_t number, size_t size)
{
    uint8_t bytes[9] = {(uint8_t)kind};
    for (size_t i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(number >> (8 * (size - 1 - i)));
    return buffer_append(out, bytes, 1 + size);
}

/* One header as AMQP 0-9-1 encodes it: S, l, d or t. */
static int sample_put_header(struct buffer *out, const char *key, const json_t *value)
{
    size_t key_size = strlen(key);
    if (key_size > 255)
        return ackd_fail(ACKD_E_SYNTAX, "header '%.32s...' has a name of %zu bytes: 255 at most",
                         key, key_size);
    uint8_t length = (uint8_t)key_size;
    ACKD_TRY(buffer_append(out, &length, 1));
    ACKD_TRY(buffer_append(out, key, key_size));
    if (json_is_string(value)) {
        size_t size = json_string_length(value);
        ACKD_TRY(sample_put_number(out, 'S', size, 4));
        return buffer_append(out, json_string_value(value), size);
    }
    if (json_is_integer(value))
        return sample_put_number(out, 'l', (uint64_t)json_integer_value(value), 8);
    if (json_is_boolean(value))
        return sample_put_number(out, 't', json_is_true(value), 1);
    if (json_is_real(value)) {
        double real = json_real_value(value);
        uint64_t bits;
        memcpy(&bits, &real, sizeof bits);
        return sample_put_number(out, 'd', bits, 8);
    }
    return ackd_fail(ACKD_E_SYNTAX, "header '%s' is neither a string, a number nor a boolean", key);
}

static int sample_set_headers(struct delivery *delivery, json_t *headers)
{
    struct buffer out;
    const char *key;
    json_t *value;
    int code = ACKD_OK;
    if (!json_is_object(headers))
        return ackd_fail(ACKD_E_SYNTAX, "'headers' is not an object");
    buffer_init(&out, SAMPLE_HEADERS_MAX);
    json_object_foreach (headers, key, value) {
        if (code == ACKD_OK)
            code = sample_put_header(&out, key, value);
    }
    if (code == ACKD_OK && buffer_size(&out) > 0) {
        size_t size = buffer_size(&out);
        const char *copy = sample_copy(delivery, (const char *)buffer_bytes(&out), size);
        if (copy == NULL)
            code = ackd_fail(ACKD_E_NOMEM, "%zu bytes of headers", size);
        else
            delivery->properties.headers = (struct ackd_bytes){copy, size};
    }
    buffer_fini(&out);
    return code;
}

static int sample_set_body(struct delivery *delivery, const char *text, size_t size)
{
    delivery->body.data = sample_copy(delivery, text, size);
    if (delivery->body.data == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a body of %zu bytes", size);
    delivery->body.size = size;
    delivery->body_size = size;
    return ACKD_OK;
}

static int sample_set_json_body(struct delivery *delivery, const json_t *body)
{
    if (body == NULL)
        return ACKD_OK;
    if (json_is_string(body))
        return sample_set_body(delivery, json_string_value(body), json_string_length(body));
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a body");
    int code = sample_set_body(delivery, text, strlen(text));
    free(text);
    return code;
}

static int sample_set_text(struct delivery *delivery, size_t index, const json_t *value)
{
    if (!json_is_string(value))
        return ackd_fail(ACKD_E_SYNTAX, "'%s' is not a string", sample_texts[index].key);
    const char *copy = sample_copy(delivery, json_string_value(value), json_string_length(value));
    if (copy == NULL)
        return ackd_fail(ACKD_E_NOMEM, "'%s'", sample_texts[index].key);
    memcpy((char *)delivery + sample_texts[index].offset, &copy, sizeof copy);
    return ACKD_OK;
}

/* Priority and delivery mode are octets on the wire, a timestamp has 64 bits. */
static int sample_set_number(struct delivery *delivery, const char *key, const json_t *value)
{
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (strcmp(key, "timestamp") == 0) {
        if (number < 0)
            return ackd_fail(ACKD_E_SYNTAX, "'%s' is not a number of 0 or above", key);
        delivery->properties.timestamp_s = (uint64_t)number;
        return ACKD_OK;
    }
    if (number < 0 || number > UINT8_MAX)
        return ackd_fail(ACKD_E_SYNTAX, "'%s' is not a number from 0 to %d", key, UINT8_MAX);
    if (strcmp(key, "priority") == 0)
        delivery->properties.priority = (int)number;
    else
        delivery->properties.delivery_mode = (int)number;
    return ACKD_OK;
}

static int sample_set_redelivered(struct delivery *delivery, const json_t *value)
{
    if (!json_is_boolean(value))
        return ackd_fail(ACKD_E_SYNTAX, "'redelivered' is neither true nor false");
    delivery->redelivered = json_is_true(value);
    return ACKD_OK;
}

static int sample_set_member(struct delivery *delivery, const char *key, json_t *value)
{
    for (size_t i = 0; i < SAMPLE_TEXTS; i++) {
        if (strcmp(key, sample_texts[i].key) == 0)
            return sample_set_text(delivery, i, value);
    }
    if (strcmp(key, "body") == 0)
        return sample_set_json_body(delivery, value);
    if (strcmp(key, "headers") == 0)
        return sample_set_headers(delivery, value);
    if (strcmp(key, "priority") == 0 || strcmp(key, "delivery_mode") == 0 ||
        strcmp(key, "timestamp") == 0)
        return sample_set_number(delivery, key, value);
    if (strcmp(key, "redelivered") == 0)
        return sample_set_redelivered(delivery, value);
    return ackd_fail(ACKD_E_SYNTAX,
                     "unknown key '%s': there are body, headers, redelivered, "
                     "routing_key, exchange, message_id, type and the other "
                     "properties of AMQP",
                     key);
}

static int sample_fill_json(struct delivery *delivery, const char *line, size_t size)
{
    json_error_t error;
    json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return ackd_fail(ACKD_E_SYNTAX, "not JSON at column %d: %s", error.column, error.text);
    int code = ACKD_OK;
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        code = ackd_fail(ACKD_E_SYNTAX, "not a JSON object");
    json_object_foreach (root, key, value) {
        if (code == ACKD_OK)
            code = sample_set_member(delivery, key, value);
    }
    json_decref(root);
    return code;
}

int sample_make(struct delivery_pool *pool, const char *line, size_t size, bool json,
                struct delivery **ret_delivery)
{
    struct delivery *delivery = delivery_new(pool);
    if (delivery == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a delivery");
    delivery->consumer_tag = "try";
    delivery->routing_key = "try";
    int code =
        json ? sample_fill_json(delivery, line, size) : sample_set_body(delivery, line, size);
    if (code != ACKD_OK) {
        delivery_free(&delivery);
        return code;
    }
    *ret_delivery = delivery;
    return ACKD_OK;
}

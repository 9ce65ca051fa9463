/* SPDX-License-Identifier: MIT */
/*
 * properties - flags and values in their fixed order.
 *
 * Reading makes one copy of the whole and terminates strings where they lie: the octet behind a
 * string is the first of the next value, which has been read by then. It must not know channels.
 */
#include <config.h>

#include "amqp/properties.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/channel.h"
#include "amqp/table.h"
#include "amqp/wire.h"

enum {
    FLAG_CONTENT_TYPE = 1 << 15,
    FLAG_CONTENT_ENCODING = 1 << 14,
    FLAG_HEADERS = 1 << 13,
    FLAG_DELIVERY_MODE = 1 << 12,
    FLAG_PRIORITY = 1 << 11,
    FLAG_CORRELATION_ID = 1 << 10,
    FLAG_REPLY_TO = 1 << 9,
    FLAG_EXPIRATION = 1 << 8,
    FLAG_MESSAGE_ID = 1 << 7,
    FLAG_TIMESTAMP = 1 << 6,
    FLAG_TYPE = 1 << 5,
    FLAG_USER_ID = 1 << 4,
    FLAG_APP_ID = 1 << 3,
    FLAG_CLUSTER_ID = 1 << 2,
    FLAGS_NONE = 3 /* a second flag word, and a bit without a meaning */
};

enum { SHORT_STRING_MAX = 255 };

/* The copy while it is read. `at` beyond `end` never happens: each value is checked first. */
struct reader {
    uint8_t *at;
    uint8_t *end;
    uint8_t *unterminated; /* where the end of the last string belongs, or scratch */
    uint8_t scratch;
};

/* The value at the front has been read, so the string before it can be terminated. */
static void reader_pass(struct reader *reader, size_t size)
{
    *reader->unterminated = '\0';
    reader->unterminated = &reader->scratch;
    reader->at += size;
}

static bool reader_has(const struct reader *reader, size_t size)
{
    return (size_t)(reader->end - reader->at) >= size;
}

static bool reader_string(struct reader *reader, const char **ret_text)
{
    if (!reader_has(reader, 1) || !reader_has(reader, (size_t)reader->at[0] + 1))
        return false;
    size_t size = reader->at[0];
    *ret_text = (const char *)reader->at + 1;
    reader_pass(reader, size + 1);
    reader->unterminated = reader->at;
    return true;
}

static bool reader_octet(struct reader *reader, int *ret_value)
{
    if (!reader_has(reader, 1))
        return false;
    *ret_value = reader->at[0];
    reader_pass(reader, 1);
    return true;
}

static bool reader_time(struct reader *reader, uint64_t *ret_value)
{
    if (!reader_has(reader, 8))
        return false;
    *ret_value = wire_get_64(reader->at);
    reader_pass(reader, 8);
    return true;
}

static bool reader_table(struct reader *reader, struct ackd_bytes *ret_bytes)
{
    if (!reader_has(reader, 4))
        return false;
    size_t size = wire_get_32(reader->at);
    reader_pass(reader, 4);
    if (!reader_has(reader, size))
        return false;
    *ret_bytes = (struct ackd_bytes){.data = reader->at, .size = size};
    reader->at += size;
    return true;
}

static bool properties_read_values(struct reader *reader, unsigned flags, struct properties *ret)
{
    const char *cluster_id = NULL; /* deprecated by the specification; read and forgotten */
#define READ(flag, call) ((flags & (flag)) == 0 || (call))
    return READ(FLAG_CONTENT_TYPE, reader_string(reader, &ret->content_type)) &&
           READ(FLAG_CONTENT_ENCODING, reader_string(reader, &ret->content_encoding)) &&
           READ(FLAG_HEADERS, reader_table(reader, &ret->headers)) &&
           READ(FLAG_DELIVERY_MODE, reader_octet(reader, &ret->delivery_mode)) &&
           READ(FLAG_PRIORITY, reader_octet(reader, &ret->priority)) &&
           READ(FLAG_CORRELATION_ID, reader_string(reader, &ret->correlation_id)) &&
           READ(FLAG_REPLY_TO, reader_string(reader, &ret->reply_to)) &&
           READ(FLAG_EXPIRATION, reader_string(reader, &ret->expiration)) &&
           READ(FLAG_MESSAGE_ID, reader_string(reader, &ret->message_id)) &&
           READ(FLAG_TIMESTAMP, reader_time(reader, &ret->timestamp_s)) &&
           READ(FLAG_TYPE, reader_string(reader, &ret->type)) &&
           READ(FLAG_USER_ID, reader_string(reader, &ret->user_id)) &&
           READ(FLAG_APP_ID, reader_string(reader, &ret->app_id)) &&
           READ(FLAG_CLUSTER_ID, reader_string(reader, &cluster_id));
#undef READ
}

/* Read the @size bytes of values in @copy, which has room for one more. */
static int properties_read_copy(uint8_t *copy, size_t size, unsigned flags, struct properties *ret)
{
    struct reader reader = {.at = copy, .end = copy + size};
    reader.unterminated = &reader.scratch;
    if (!properties_read_values(&reader, flags, ret))
        return ackd_fail(ACKD_E_POISON, "the properties of the message are cut off");
    if (reader.at != reader.end)
        return ackd_fail(ACKD_E_POISON, "%zu bytes behind the last property of the message",
                         (size_t)(reader.end - reader.at));
    reader_pass(&reader, 0);
    return ret->headers.size == 0 ? ACKD_OK : table_check(ret->headers.data, ret->headers.size);
}

int properties_add(const uint8_t *bytes, size_t size, struct arena *arena, struct properties *ret)
{
    if (size < 2)
        return ackd_fail(ACKD_E_POISON, "the properties of the message are cut off");
    unsigned flags = wire_get_16(bytes);
    if ((flags & FLAGS_NONE) != 0)
        return ackd_fail(ACKD_E_POISON, "the message has property flags that do not exist: %04x",
                         flags);
    if (size == 2 && flags == 0)
        return ACKD_OK;
    /* What most messages have, and no copy is needed for. */
    if (size == 3 && flags == FLAG_DELIVERY_MODE) {
        ret->delivery_mode = bytes[2];
        return ACKD_OK;
    }
    size -= 2;
    uint8_t *copy = arena_alloc_bytes(arena, size + 1);
    if (copy == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the %zu bytes of a message's properties", size);
    memcpy(copy, bytes + 2, size);
    int code = properties_read_copy(copy, size, flags, ret);
    if (code != ACKD_OK)
        properties_clear(ret);
    return code;
}

static unsigned properties_flags(const struct properties *properties, size_t more)
{
    unsigned flags = 0;
    flags |= properties->content_type != NULL ? FLAG_CONTENT_TYPE : 0;
    flags |= properties->content_encoding != NULL ? FLAG_CONTENT_ENCODING : 0;
    flags |= properties->headers.size > 0 || more > 0 ? FLAG_HEADERS : 0;
    flags |= properties->delivery_mode >= 0 ? FLAG_DELIVERY_MODE : 0;
    flags |= properties->priority >= 0 ? FLAG_PRIORITY : 0;
    flags |= properties->correlation_id != NULL ? FLAG_CORRELATION_ID : 0;
    flags |= properties->reply_to != NULL ? FLAG_REPLY_TO : 0;
    flags |= properties->expiration != NULL ? FLAG_EXPIRATION : 0;
    flags |= properties->message_id != NULL ? FLAG_MESSAGE_ID : 0;
    flags |= properties->timestamp_s != 0 ? FLAG_TIMESTAMP : 0;
    flags |= properties->type != NULL ? FLAG_TYPE : 0;
    flags |= properties->user_id != NULL ? FLAG_USER_ID : 0;
    flags |= properties->app_id != NULL ? FLAG_APP_ID : 0;
    return flags;
}

/* Each header is a name, the kind S, and a long string. */
static int properties_measure_headers(const struct properties *properties,
                                      const struct channel_argument *more, size_t count,
                                      size_t *ret_size)
{
    size_t size = properties->headers.size;
    for (size_t i = 0; i < count; i++) {
        size_t key = strlen(more[i].key);
        if (key > SHORT_STRING_MAX)
            return ackd_fail(ACKD_E_INVAL, "the header name '%.40s...' has %zu bytes, at most %d",
                             more[i].key, key, SHORT_STRING_MAX);
        size += 1 + key + 1 + 4 + strlen(more[i].text);
    }
    if (size > UINT32_MAX)
        return ackd_fail(ACKD_E_TOO_LARGE, "headers of %zu bytes", size);
    *ret_size = size;
    return ACKD_OK;
}

int properties_measure(const struct properties *properties, const struct channel_argument *more,
                       size_t count, size_t *ret_size)
{
    const char *strings[] = {
        properties->content_type, properties->content_encoding, properties->correlation_id,
        properties->reply_to,     properties->expiration,       properties->message_id,
        properties->type,         properties->user_id,          properties->app_id,
    };
    size_t size = 2;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        size_t length = strings[i] == NULL ? 0 : strlen(strings[i]);
        if (length > SHORT_STRING_MAX)
            return ackd_fail(ACKD_E_INVAL, "the property '%.40s...' has %zu bytes, at most %d",
                             strings[i], length, SHORT_STRING_MAX);
        size += strings[i] == NULL ? 0 : length + 1;
    }
    if (properties->headers.size > 0 || count > 0) {
        size_t headers = 0;
        ACKD_TRY(properties_measure_headers(properties, more, count, &headers));
        size += 4 + headers;
    }
    size += properties->delivery_mode >= 0 ? 1 : 0;
    size += properties->priority >= 0 ? 1 : 0;
    size += properties->timestamp_s != 0 ? 8 : 0;
    *ret_size = size;
    return ACKD_OK;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put_string(uint8_t *at, const char *text)
{
    if (text == NULL)
        return at;
    size_t size = strlen(text);
    return put_bytes(wire_put_8(at, (uint8_t)size), text, size);
}

static uint8_t *put_headers(uint8_t *at, const struct properties *properties,
                            const struct channel_argument *more, size_t count)
{
    uint8_t *length = at;
    at = put_bytes(at + 4, properties->headers.data, properties->headers.size);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(more[i].text);
        at = wire_put_8(put_string(at, more[i].key), 'S');
        at = put_bytes(wire_put_32(at, (uint32_t)size), more[i].text, size);
    }
    wire_put_32(length, (uint32_t)(at - length - 4));
    return at;
}

uint8_t *properties_write(uint8_t *at, const struct properties *properties,
                          const struct channel_argument *more, size_t count)
{
    unsigned flags = properties_flags(properties, count);
    at = wire_put_16(at, (uint16_t)flags);
    at = put_string(at, properties->content_type);
    at = put_string(at, properties->content_encoding);
    if ((flags & FLAG_HEADERS) != 0)
        at = put_headers(at, properties, more, count);
    if (properties->delivery_mode >= 0)
        at = wire_put_8(at, (uint8_t)properties->delivery_mode);
    if (properties->priority >= 0)
        at = wire_put_8(at, (uint8_t)properties->priority);
    at = put_string(at, properties->correlation_id);
    at = put_string(at, properties->reply_to);
    at = put_string(at, properties->expiration);
    at = put_string(at, properties->message_id);
    if (properties->timestamp_s != 0)
        at = wire_put_64(at, properties->timestamp_s);
    at = put_string(at, properties->type);
    at = put_string(at, properties->user_id);
    return put_string(at, properties->app_id);
}

/* SPDX-License-Identifier: MIT */
/*
 * channel - what is sent on a channel.
 *
 * Every call checks the channel's state, reserves room for all that it writes, and only then
 * writes: half a message never gets into the output. It must not know what comes in.
 */
#include <config.h>

#include "amqp/channel.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/content.h"
#include "amqp/incoming.h"
#include "amqp/inside.h"
#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/wire.h"
#include "base/assert.h"

enum { CHANNEL_SLOTS_MIN = 16 };

/* Whether each number has been used, so that those of old come again (N2). */
static bool channel_wraps(const struct connection *connection)
{
    if (connection->channel_count <= connection->channel_max)
        return false;
    for (size_t i = 1; i < connection->channel_count; i++)
        if (connection->channels[i].state == CHANNEL_FREE ||
            connection->channels[i].state == CHANNEL_ENDED)
            return false;
    return true;
}

/* The retired number behind the one that was opened last: it has been left alone the longest. */
static uint16_t channel_retired_number(const struct connection *connection)
{
    for (size_t i = 0; i < connection->channel_max; i++) {
        size_t number = 1 + (connection->channel_opened + i) % connection->channel_max;
        if (connection->channels[number].state == CHANNEL_RETIRED)
            return (uint16_t)number;
    }
    return 0;
}

uint16_t channel_free_number(const struct connection *connection)
{
    for (size_t i = 1; i < connection->channel_count; i++)
        if (connection->channels[i].state == CHANNEL_FREE ||
            connection->channels[i].state == CHANNEL_ENDED)
            return (uint16_t)i;
    size_t next = connection->channel_count == 0 ? 1 : connection->channel_count;
    return next <= connection->channel_max ? (uint16_t)next : channel_retired_number(connection);
}

/* Slots up to @number. They never go away: a frame may come for each (I1). */
static int channel_make_slot(struct connection *connection, uint16_t number)
{
    if (number < connection->channel_count)
        return ACKD_OK;
    size_t count = connection->channel_count == 0 ? CHANNEL_SLOTS_MIN : connection->channel_count;
    while (count <= number)
        count *= 2;
    if (count > (size_t)connection->channel_max + 1)
        count = (size_t)connection->channel_max + 1;
    struct channel *channels = realloc(connection->channels, count * sizeof *channels);
    if (channels == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%zu channels", count);
    memset(channels + connection->channel_count, 0,
           (count - connection->channel_count) * sizeof *channels);
    connection->channels = channels;
    connection->channel_count = count;
    return ACKD_OK;
}

static int channel_not_open(const struct connection *connection, uint16_t number)
{
    if (connection->state != INSIDE_OPEN)
        return ackd_fail(ACKD_E_NOT_OPEN, "the connection is not open: %s",
                         connection_step(connection));
    return ackd_fail(ACKD_E_NOT_OPEN, "channel %u %s", number,
                     incoming_channel_state(connection, number));
}

/* The open channel; NULL if it is not. */
static inline struct channel *channel_find(const struct connection *connection, uint16_t number)
{
    struct channel *channel = inside_channel(connection, number);
    if (connection->state != INSIDE_OPEN || channel == NULL || channel->state != CHANNEL_OPEN)
        return NULL;
    return channel;
}

static int channel_write(struct connection *connection, uint16_t number, uint32_t id,
                         const void *method)
{
    return method_write(&connection->output, number, id, method, METHOD_ROOM);
}

int channel_open(struct connection *connection, uint16_t number)
{
    if (connection->state != INSIDE_OPEN)
        return channel_not_open(connection, number);
    if (number == 0 || number > connection->channel_max)
        return ackd_fail(ACKD_E_INVAL, "channel %u: they are from 1 to %u", number,
                         connection->channel_max);
    ACKD_TRY(channel_make_slot(connection, number));
    struct channel *channel = &connection->channels[number];
    if (channel->state != CHANNEL_FREE && channel->state != CHANNEL_ENDED &&
        !(channel->state == CHANNEL_RETIRED && channel_wraps(connection)))
        return channel_not_open(connection, number);
    amqp_channel_open_t method = {0};
    ACKD_TRY(channel_write(connection, number, AMQP_CHANNEL_OPEN_METHOD, &method));
    *channel = (struct channel){.state = CHANNEL_OPENING,
                                .number = number,
                                .message_size_max = connection->message_size_max};
    connection->channel_opened = number;
    return ACKD_OK;
}

void channel_limit_size(struct connection *connection, uint16_t number, uint64_t message_size_max)
{
    struct channel *channel = inside_channel(connection, number);
    if (channel != NULL && message_size_max < channel->message_size_max)
        channel->message_size_max = message_size_max;
}

int channel_close(struct connection *connection, uint16_t number, uint16_t code, const char *text)
{
    struct channel *channel = inside_channel(connection, number);
    if (channel == NULL || !inside_counts(connection, channel))
        return channel_not_open(connection, number);
    amqp_channel_close_t method = {.reply_code = code};
    ACKD_TRY(method_string(text, "reason of a close", &method.reply_text));
    ACKD_TRY(channel_write(connection, number, AMQP_CHANNEL_CLOSE_METHOD, &method));
    channel->state = CHANNEL_CLOSING;
    content_drop(channel);
    return ACKD_OK;
}

int channel_qos(struct connection *connection, uint16_t number, uint16_t prefetch)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_basic_qos_t method = {.prefetch_count = prefetch};
    ACKD_TRY(channel_write(connection, number, AMQP_BASIC_QOS_METHOD, &method));
    channel->requests[REQUEST_QOS]++;
    return ACKD_OK;
}

int channel_confirm_select(struct connection *connection, uint16_t number)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_confirm_select_t method = {0};
    ACKD_TRY(channel_write(connection, number, AMQP_CONFIRM_SELECT_METHOD, &method));
    channel->requests[REQUEST_CONFIRM]++;
    channel->confirms = true;
    return ACKD_OK;
}

/* @field as an entry of a table; *ret_size: bytes that it will have at most. */
static int channel_entry(const struct channel_field *field, amqp_table_entry_t *entry,
                         size_t *ret_size)
{
    ACKD_TRY(method_string(field->key, "argument", &entry->key));
    *ret_size = entry->key.len + 10;
    switch (field->kind) {
    case CHANNEL_TEXT:
        entry->value.kind = AMQP_FIELD_KIND_UTF8;
        entry->value.value.bytes = amqp_cstring_bytes(field->text == NULL ? "" : field->text);
        *ret_size += entry->value.value.bytes.len;
        break;
    case CHANNEL_INTEGER:
        entry->value.kind = AMQP_FIELD_KIND_I64;
        entry->value.value.i64 = field->number;
        break;
    case CHANNEL_BOOLEAN:
        entry->value.kind = AMQP_FIELD_KIND_BOOLEAN;
        entry->value.value.boolean = field->number != 0;
        break;
    case CHANNEL_TIMESTAMP:
        entry->value.kind = AMQP_FIELD_KIND_TIMESTAMP;
        entry->value.value.u64 = (uint64_t)field->number;
        break;
    }
    return ACKD_OK;
}

/* @fields as a table in @entries; *ret_size: bytes that it will have at most. */
static int channel_table(const struct channel_field *fields, size_t count, const char *what,
                         amqp_table_entry_t *entries, amqp_table_t *ret_table, size_t *ret_size)
{
    if (count > CHANNEL_FIELDS_MAX)
        return ackd_fail(ACKD_E_INVAL, "%zu arguments for %s, at most %d", count, what,
                         CHANNEL_FIELDS_MAX);
    *ret_size = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        ACKD_TRY(channel_entry(&fields[i], &entries[i], &size));
        *ret_size += size;
    }
    *ret_table = (amqp_table_t){.num_entries = (int)count, .entries = entries};
    return ACKD_OK;
}

int channel_consume(struct connection *connection, uint16_t number, const char *queue,
                    const char *consumer_tag, const struct channel_terms *terms)
{
    static const struct channel_terms none = {.argument_count = 0};
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    if (terms == NULL)
        terms = &none;
    amqp_table_entry_t entries[CHANNEL_FIELDS_MAX];
    size_t size = 0;
    amqp_basic_consume_t method = {.exclusive = terms->exclusive, .no_ack = terms->replies};
    ACKD_TRY(channel_table(terms->arguments, terms->argument_count, queue, entries,
                           &method.arguments, &size));
    ACKD_TRY(method_string(queue, "queue", &method.queue));
    ACKD_TRY(method_string(consumer_tag, "consumer tag", &method.consumer_tag));
    ACKD_TRY(method_write(&connection->output, number, AMQP_BASIC_CONSUME_METHOD, &method,
                          METHOD_ROOM + size));
    channel->requests[REQUEST_CONSUME]++;
    return ACKD_OK;
}

int channel_cancel(struct connection *connection, uint16_t number, const char *consumer_tag)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_basic_cancel_t method = {0};
    ACKD_TRY(method_string(consumer_tag, "consumer tag", &method.consumer_tag));
    ACKD_TRY(channel_write(connection, number, AMQP_BASIC_CANCEL_METHOD, &method));
    channel->requests[REQUEST_CANCEL]++;
    return ACKD_OK;
}

int channel_declare_queue(struct connection *connection, uint16_t number, const char *queue,
                          unsigned how, const struct channel_field *arguments, size_t count)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_table_entry_t entries[CHANNEL_FIELDS_MAX];
    size_t size = 0;
    amqp_queue_declare_t method = {.passive = (how & CHANNEL_PASSIVE) != 0,
                                   .durable = (how & CHANNEL_TRANSIENT) == 0};
    ACKD_TRY(channel_table(arguments, count, queue, entries, &method.arguments, &size));
    ACKD_TRY(method_string(queue, "queue", &method.queue));
    ACKD_TRY(method_write(&connection->output, number, AMQP_QUEUE_DECLARE_METHOD, &method,
                          METHOD_ROOM + size));
    channel->requests[REQUEST_DECLARE]++;
    return ACKD_OK;
}

int channel_declare_exchange(struct connection *connection, uint16_t number, const char *exchange,
                             const char *type, unsigned how, const struct channel_field *arguments,
                             size_t count)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_table_entry_t entries[CHANNEL_FIELDS_MAX];
    size_t size = 0;
    amqp_exchange_declare_t method = {.passive = (how & CHANNEL_PASSIVE) != 0,
                                      .durable = (how & CHANNEL_TRANSIENT) == 0,
                                      .internal = (how & CHANNEL_INTERNAL) != 0};
    ACKD_TRY(channel_table(arguments, count, exchange, entries, &method.arguments, &size));
    ACKD_TRY(method_string(exchange, "exchange", &method.exchange));
    ACKD_TRY(method_string(type, "type of an exchange", &method.type));
    ACKD_TRY(method_write(&connection->output, number, AMQP_EXCHANGE_DECLARE_METHOD, &method,
                          METHOD_ROOM + size));
    channel->requests[REQUEST_EXCHANGE]++;
    return ACKD_OK;
}

int channel_bind_queue(struct connection *connection, uint16_t number,
                       const struct channel_binding *binding)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_table_entry_t entries[CHANNEL_FIELDS_MAX];
    size_t size = 0;
    amqp_queue_bind_t method = {0};
    ACKD_TRY(channel_table(binding->arguments, binding->argument_count, binding->destination,
                           entries, &method.arguments, &size));
    ACKD_TRY(method_string(binding->destination, "queue", &method.queue));
    ACKD_TRY(method_string(binding->source, "exchange", &method.exchange));
    ACKD_TRY(method_string(binding->routing_key, "routing key", &method.routing_key));
    ACKD_TRY(method_write(&connection->output, number, AMQP_QUEUE_BIND_METHOD, &method,
                          METHOD_ROOM + size));
    channel->requests[REQUEST_BIND_QUEUE]++;
    return ACKD_OK;
}

int channel_bind_exchange(struct connection *connection, uint16_t number,
                          const struct channel_binding *binding)
{
    struct channel *channel = channel_find(connection, number);
    if (channel == NULL)
        return channel_not_open(connection, number);
    amqp_table_entry_t entries[CHANNEL_FIELDS_MAX];
    size_t size = 0;
    amqp_exchange_bind_t method = {0};
    ACKD_TRY(channel_table(binding->arguments, binding->argument_count, binding->destination,
                           entries, &method.arguments, &size));
    ACKD_TRY(method_string(binding->destination, "exchange", &method.destination));
    ACKD_TRY(method_string(binding->source, "exchange", &method.source));
    ACKD_TRY(method_string(binding->routing_key, "routing key", &method.routing_key));
    ACKD_TRY(method_write(&connection->output, number, AMQP_EXCHANGE_BIND_METHOD, &method,
                          METHOD_ROOM + size));
    channel->requests[REQUEST_BIND_EXCHANGE]++;
    return ACKD_OK;
}

/* basic.ack, nack and reject by hand: they are sent for every message. */
static int channel_settle(struct connection *connection, uint16_t number, uint32_t id, uint64_t tag,
                          uint8_t bits)
{
    if (channel_find(connection, number) == NULL)
        return channel_not_open(connection, number);
    if (tag == 0)
        return ackd_fail(ACKD_E_INVAL, "%s of tag 0, which is all of them", method_name(id));
    uint8_t *at = NULL;
    ACKD_TRY(buffer_reserve(&connection->output, METHOD_SETTLE_SIZE, &at));
    method_put_settle(at, number, id, tag, bits);
    buffer_commit(&connection->output, METHOD_SETTLE_SIZE);
    return ACKD_OK;
}

int channel_ack(struct connection *connection, uint16_t number, uint64_t tag, bool multiple)
{
    return channel_settle(connection, number, AMQP_BASIC_ACK_METHOD, tag, multiple ? 1 : 0);
}

int channel_nack(struct connection *connection, uint16_t number, uint64_t tag, bool multiple,
                 bool requeue)
{
    uint8_t bits = (uint8_t)((multiple ? 1 : 0) | (requeue ? 2 : 0));
    return channel_settle(connection, number, AMQP_BASIC_NACK_METHOD, tag, bits);
}

int channel_reject(struct connection *connection, uint16_t number, uint64_t tag, bool requeue)
{
    return channel_settle(connection, number, AMQP_BASIC_REJECT_METHOD, tag, requeue ? 1 : 0);
}

static void publish_header(struct buffer *output, uint16_t number,
                           const struct properties *properties, const struct channel_argument *more,
                           size_t count, size_t size, uint64_t body_size)
{
    uint8_t *at = NULL;
    int code = buffer_reserve(output, size + PROPERTIES_PREFIX_SIZE + FRAME_OVERHEAD, &at);
    ackd_assert(code == ACKD_OK); /* channel_publish reserved it */
    uint8_t *start = at;
    at = frame_put_head(at, FRAME_HEADER, number, (uint32_t)(size + PROPERTIES_PREFIX_SIZE));
    at = wire_put_16(at, PROPERTIES_CLASS);
    at = wire_put_16(at, 0);
    at = wire_put_64(at, body_size);
    uint8_t *end = properties_write(at, properties, more, count);
    ackd_assert((size_t)(end - at) == size);
    buffer_commit(output, (size_t)(frame_put_end(end) - start));
}

static void publish_body(struct buffer *output, uint16_t number, const uint8_t *body, size_t size,
                         size_t fragment_max)
{
    while (size > 0) {
        size_t part = size < fragment_max ? size : fragment_max;
        uint8_t *at = NULL;
        int code = buffer_reserve(output, part + FRAME_OVERHEAD, &at);
        ackd_assert(code == ACKD_OK); /* channel_publish reserved it */
        uint8_t *payload = frame_put_head(at, FRAME_BODY, number, (uint32_t)part);
        memcpy(payload, body, part);
        frame_put_end(payload + part);
        buffer_commit(output, part + FRAME_OVERHEAD);
        body += part;
        size -= part;
    }
}

int channel_publish_how(struct connection *connection, uint16_t number, unsigned how,
                        const char *exchange, const char *routing_key,
                        const struct properties *properties,
                        const struct channel_argument *headers_more, size_t count,
                        struct ackd_bytes body)
{
    if (channel_find(connection, number) == NULL)
        return channel_not_open(connection, number);
    amqp_basic_publish_t method = {.mandatory = (how & CHANNEL_OPTIONAL) == 0};
    ACKD_TRY(method_string(exchange, "exchange", &method.exchange));
    ACKD_TRY(method_string(routing_key, "routing key", &method.routing_key));
    size_t size = 0;
    ACKD_TRY(properties_measure(properties, headers_more, count, &size));
    size_t fragment_max = connection->frame_max - FRAME_OVERHEAD;
    if (size + PROPERTIES_PREFIX_SIZE > fragment_max)
        return ackd_fail(
            ACKD_E_TOO_LARGE,
            "the properties of a message for '%s' have %zu bytes, the broker takes %zu",
            routing_key, size, fragment_max - PROPERTIES_PREFIX_SIZE);
    size_t fragments = body.size / fragment_max + 1;
    size_t room =
        METHOD_ROOM + PROPERTIES_PREFIX_SIZE + size + body.size + (fragments + 2) * FRAME_OVERHEAD;
    uint8_t *at = NULL;
    ACKD_TRY(buffer_reserve(&connection->output, room, &at));
    ACKD_TRY(channel_write(connection, number, AMQP_BASIC_PUBLISH_METHOD, &method));
    publish_header(&connection->output, number, properties, headers_more, count, size, body.size);
    publish_body(&connection->output, number, body.data, body.size, fragment_max);
    return ACKD_OK;
}

int channel_publish(struct connection *connection, uint16_t number, const char *exchange,
                    const char *routing_key, const struct properties *properties,
                    const struct channel_argument *headers_more, size_t count,
                    struct ackd_bytes body)
{
    return channel_publish_how(connection, number, 0, exchange, routing_key, properties,
                               headers_more, count, body);
}

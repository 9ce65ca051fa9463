/* SPDX-License-Identifier: MIT */
/*
 * incoming - two tables: which method is expected on the connection and on a channel, in which
 * states, and who takes it.
 *
 * The tables are walked from the front, and what comes with every message stands there. It must not
 * know frames of content.
 */
#include <config.h>

#include "amqp/incoming.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/content.h"
#include "amqp/login.h"
#include "amqp/method.h"
#include "amqp/wire.h"
#include "base/assert.h"
#include "base/error.h"

const char *incoming_text(struct connection *connection, const void *bytes, size_t size)
{
    if (size > sizeof connection->text - 1)
        size = sizeof connection->text - 1;
    if (size > 0)
        memcpy(connection->text, bytes, size);
    connection->text[size] = '\0';
    return connection->text;
}

static const char *incoming_string(struct connection *connection, amqp_bytes_t string)
{
    return incoming_text(connection, string.bytes, string.len);
}

const char *incoming_channel_state(const struct connection *connection, uint16_t number)
{
    static const char *const texts[] = {
        [CHANNEL_FREE] = "was never opened",
        [CHANNEL_OPENING] = "is opening",
        [CHANNEL_OPEN] = "is open",
        [CHANNEL_CLOSING] = "is closing",
        [CHANNEL_ENDED] = "was closed by ackd",
        [CHANNEL_RETIRED] = "was closed by the broker",
    };
    const struct channel *channel = inside_channel(connection, number);
    return texts[channel == NULL ? CHANNEL_FREE : channel->state];
}

static const char *incoming_connection_state(const struct connection *connection)
{
    static const char *const texts[] = {
        [INSIDE_NEW] = "the protocol header was not sent yet",
        [INSIDE_STARTING] = "connection.start was expected",
        [INSIDE_TUNING] = "connection.tune was expected",
        [INSIDE_OPENING] = "connection.open-ok was expected",
        [INSIDE_OPEN] = "the connection is open",
        [INSIDE_CLOSING] = "the connection is closing",
        [INSIDE_DEAD] = "the connection is closed",
    };
    return texts[connection->state];
}

/* Methods of the connection, on channel 0. */

static int take_open_ok(struct connection *connection, const void *method,
                        struct connection_event *event)
{
    (void)method;
    connection->state = INSIDE_OPEN;
    event->kind = CONNECTION_OPENED;
    return TAKEN_EVENT;
}

static int take_close(struct connection *connection, const void *method,
                      struct connection_event *event)
{
    const amqp_connection_close_t *close = method;
    amqp_connection_close_ok_t close_ok = {0};
    ACKD_TRY(method_write(&connection->output, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &close_ok,
                          METHOD_ROOM));
    connection->state = INSIDE_DEAD;
    event->kind = CONNECTION_CLOSED;
    event->code = close->reply_code;
    event->class_id = close->class_id;
    event->method_id = close->method_id;
    event->text = incoming_string(connection, close->reply_text);
    return TAKEN_EVENT;
}

static int take_close_ok(struct connection *connection, const void *method,
                         struct connection_event *event)
{
    (void)method;
    connection->state = INSIDE_DEAD;
    event->kind = CONNECTION_CLOSE_OK;
    return TAKEN_EVENT;
}

static int take_blocked(struct connection *connection, const void *method,
                        struct connection_event *event)
{
    const amqp_connection_blocked_t *blocked = method;
    event->kind = CONNECTION_BLOCKED;
    event->text = incoming_string(connection, blocked->reason);
    return TAKEN_EVENT;
}

static int take_unblocked(struct connection *connection, const void *method,
                          struct connection_event *event)
{
    (void)connection;
    (void)method;
    event->kind = CONNECTION_UNBLOCKED;
    return TAKEN_EVENT;
}

#define IN(state) (1u << (state))

static const struct {
    uint32_t id;
    unsigned states;
    int (*take)(struct connection *connection, const void *method, struct connection_event *event);
} connection_rows[] = {
    {AMQP_CONNECTION_START_METHOD, IN(INSIDE_STARTING), login_start},
    {AMQP_CONNECTION_SECURE_METHOD, IN(INSIDE_TUNING), login_secure},
    {AMQP_CONNECTION_TUNE_METHOD, IN(INSIDE_TUNING), login_tune},
    {AMQP_CONNECTION_OPEN_OK_METHOD, IN(INSIDE_OPENING), take_open_ok},
    {AMQP_CONNECTION_CLOSE_METHOD,
     IN(INSIDE_TUNING) | IN(INSIDE_OPENING) | IN(INSIDE_OPEN) | IN(INSIDE_CLOSING), take_close},
    {AMQP_CONNECTION_CLOSE_OK_METHOD, IN(INSIDE_CLOSING), take_close_ok},
    {AMQP_CONNECTION_BLOCKED_METHOD, IN(INSIDE_OPEN), take_blocked},
    {AMQP_CONNECTION_UNBLOCKED_METHOD, IN(INSIDE_OPEN), take_unblocked},
};

/* Methods of a channel. */

static int take_return(struct connection *connection, uint16_t number, const void *method,
                       struct connection_event *event)
{
    (void)event;
    ACKD_TRY(content_begin_return(connection, &connection->channels[number], method));
    return TAKEN_SILENT;
}

static int take_confirm(struct connection *connection, uint16_t number,
                        enum connection_event_kind kind, uint64_t tag, bool multiple,
                        struct connection_event *event)
{
    if (!connection->channels[number].confirms)
        return inside_fault(connection, FAULT_COMMAND,
                            "a publish was confirmed on channel %u, which has no confirms", number);
    event->kind = kind;
    event->tag = tag;
    event->multiple = multiple;
    return TAKEN_EVENT;
}

static int take_ack(struct connection *connection, uint16_t number, const void *method,
                    struct connection_event *event)
{
    const amqp_basic_ack_t *ack = method;
    return take_confirm(connection, number, CHANNEL_CONFIRMED, ack->delivery_tag,
                        ack->multiple != 0, event);
}

static int take_nack(struct connection *connection, uint16_t number, const void *method,
                     struct connection_event *event)
{
    const amqp_basic_nack_t *nack = method;
    return take_confirm(connection, number, CHANNEL_REFUSED, nack->delivery_tag,
                        nack->multiple != 0, event);
}

static int take_channel_open_ok(struct connection *connection, uint16_t number, const void *method,
                                struct connection_event *event)
{
    (void)method;
    connection->channels[number].state = CHANNEL_OPEN;
    event->kind = CHANNEL_OPENED;
    return TAKEN_EVENT;
}

/* Closing ones too: then both closed at once, and that nothing behind the server's close was taken
 * is what counts, so it is CHANNEL_CLOSED and not CHANNEL_CLOSE_OK. */
static int take_channel_close(struct connection *connection, uint16_t number, const void *method,
                              struct connection_event *event)
{
    const amqp_channel_close_t *close = method;
    amqp_channel_close_ok_t close_ok = {0};
    ACKD_TRY(method_write(&connection->output, number, AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok,
                          METHOD_ROOM));
    connection->channels[number].state = CHANNEL_RETIRED;
    content_drop(&connection->channels[number]);
    event->kind = CHANNEL_CLOSED;
    event->code = close->reply_code;
    event->class_id = close->class_id;
    event->method_id = close->method_id;
    event->text = incoming_string(connection, close->reply_text);
    return TAKEN_EVENT;
}

static int take_channel_close_ok(struct connection *connection, uint16_t number, const void *method,
                                 struct connection_event *event)
{
    (void)method;
    connection->channels[number].state = CHANNEL_ENDED;
    event->kind = CHANNEL_CLOSE_OK;
    return TAKEN_EVENT;
}

static int take_cancel(struct connection *connection, uint16_t number, const void *method,
                       struct connection_event *event)
{
    const amqp_basic_cancel_t *cancel = method;
    event->kind = CHANNEL_CANCELED;
    event->text = incoming_string(connection, cancel->consumer_tag);
    if (cancel->nowait != 0)
        return TAKEN_EVENT;
    amqp_basic_cancel_ok_t cancel_ok = {.consumer_tag = cancel->consumer_tag};
    ACKD_TRY(method_write(&connection->output, number, AMQP_BASIC_CANCEL_OK_METHOD, &cancel_ok,
                          METHOD_ROOM));
    return TAKEN_EVENT;
}

/* An answer, which must have been asked for. */
static int take_answer(struct connection *connection, uint16_t number, enum inside_request request,
                       enum connection_event_kind kind, struct connection_event *event)
{
    struct channel *channel = &connection->channels[number];
    if (channel->requests[request] == 0)
        return inside_fault(connection, FAULT_COMMAND,
                            "an answer on channel %u that was not asked for", number);
    channel->requests[request]--;
    event->kind = kind;
    return TAKEN_EVENT;
}

static int take_qos_ok(struct connection *connection, uint16_t number, const void *method,
                       struct connection_event *event)
{
    (void)method;
    return take_answer(connection, number, REQUEST_QOS, CHANNEL_QOS_OK, event);
}

static int take_consume_ok(struct connection *connection, uint16_t number, const void *method,
                           struct connection_event *event)
{
    const amqp_basic_consume_ok_t *consume_ok = method;
    event->text = incoming_string(connection, consume_ok->consumer_tag);
    return take_answer(connection, number, REQUEST_CONSUME, CHANNEL_CONSUME_OK, event);
}

static int take_cancel_ok(struct connection *connection, uint16_t number, const void *method,
                          struct connection_event *event)
{
    const amqp_basic_cancel_ok_t *cancel_ok = method;
    event->text = incoming_string(connection, cancel_ok->consumer_tag);
    return take_answer(connection, number, REQUEST_CANCEL, CHANNEL_CANCEL_OK, event);
}

static int take_declare_ok(struct connection *connection, uint16_t number, const void *method,
                           struct connection_event *event)
{
    const amqp_queue_declare_ok_t *declare_ok = method;
    event->text = incoming_string(connection, declare_ok->queue);
    event->messages = declare_ok->message_count;
    event->consumers = declare_ok->consumer_count;
    return take_answer(connection, number, REQUEST_DECLARE, CHANNEL_DECLARE_OK, event);
}

static int take_confirm_ok(struct connection *connection, uint16_t number, const void *method,
                           struct connection_event *event)
{
    (void)method;
    return take_answer(connection, number, REQUEST_CONFIRM, CHANNEL_CONFIRM_OK, event);
}

static int take_exchange_ok(struct connection *connection, uint16_t number, const void *method,
                            struct connection_event *event)
{
    (void)method;
    return take_answer(connection, number, REQUEST_EXCHANGE, CHANNEL_EXCHANGE_OK, event);
}

static int take_queue_bind_ok(struct connection *connection, uint16_t number, const void *method,
                              struct connection_event *event)
{
    (void)method;
    return take_answer(connection, number, REQUEST_BIND_QUEUE, CHANNEL_BIND_OK, event);
}

static int take_exchange_bind_ok(struct connection *connection, uint16_t number, const void *method,
                                 struct connection_event *event)
{
    (void)method;
    return take_answer(connection, number, REQUEST_BIND_EXCHANGE, CHANNEL_BIND_OK, event);
}

static const struct {
    uint32_t id;
    unsigned states;
    int (*take)(struct connection *connection, uint16_t number, const void *method,
                struct connection_event *event);
} channel_rows[] = {
    {AMQP_BASIC_ACK_METHOD, IN(CHANNEL_OPEN), take_ack},
    {AMQP_BASIC_NACK_METHOD, IN(CHANNEL_OPEN), take_nack},
    {AMQP_BASIC_RETURN_METHOD, IN(CHANNEL_OPEN), take_return},
    {AMQP_CHANNEL_OPEN_OK_METHOD, IN(CHANNEL_OPENING), take_channel_open_ok},
    {AMQP_CHANNEL_CLOSE_METHOD, IN(CHANNEL_OPENING) | IN(CHANNEL_OPEN) | IN(CHANNEL_CLOSING),
     take_channel_close},
    {AMQP_CHANNEL_CLOSE_OK_METHOD, IN(CHANNEL_CLOSING), take_channel_close_ok},
    {AMQP_BASIC_QOS_OK_METHOD, IN(CHANNEL_OPEN), take_qos_ok},
    {AMQP_BASIC_CONSUME_OK_METHOD, IN(CHANNEL_OPEN), take_consume_ok},
    {AMQP_BASIC_CANCEL_OK_METHOD, IN(CHANNEL_OPEN), take_cancel_ok},
    {AMQP_BASIC_CANCEL_METHOD, IN(CHANNEL_OPEN), take_cancel},
    {AMQP_QUEUE_DECLARE_OK_METHOD, IN(CHANNEL_OPEN), take_declare_ok},
    {AMQP_CONFIRM_SELECT_OK_METHOD, IN(CHANNEL_OPEN), take_confirm_ok},
    {AMQP_EXCHANGE_DECLARE_OK_METHOD, IN(CHANNEL_OPEN), take_exchange_ok},
    {AMQP_QUEUE_BIND_OK_METHOD, IN(CHANNEL_OPEN), take_queue_bind_ok},
    {AMQP_EXCHANGE_BIND_OK_METHOD, IN(CHANNEL_OPEN), take_exchange_bind_ok},
};

enum {
    CONNECTION_ROWS = sizeof connection_rows / sizeof connection_rows[0],
    CHANNEL_ROWS = sizeof channel_rows / sizeof channel_rows[0],
    CONNECTION_CLASS = 10
};

/* Why a method is not taken. */
static int incoming_refuse(struct connection *connection, uint16_t number, uint32_t id)
{
    const char *name = method_name(id);
    connection->fault_class = (uint16_t)(id >> 16);
    connection->fault_method = (uint16_t)id;
    if (name == NULL)
        return inside_fault(connection, FAULT_NOT_IMPLEMENTED,
                            "the method %u,%u on channel %u, which does not exist", id >> 16,
                            id & 0xffff, number);
    if ((method_from(id) & METHOD_FROM_SERVER) == 0)
        return inside_fault(connection, FAULT_COMMAND,
                            "%s (%u,%u) on channel %u, which only a client may send", name,
                            id >> 16, id & 0xffff, number);
    if ((number == 0) != (id >> 16 == CONNECTION_CLASS))
        return inside_fault(connection, FAULT_CHANNEL, "%s (%u,%u) on channel %u", name, id >> 16,
                            id & 0xffff, number);
    if (number == 0 || connection->state != INSIDE_OPEN)
        return inside_fault(connection, FAULT_COMMAND, "%s (%u,%u) while %s", name, id >> 16,
                            id & 0xffff, incoming_connection_state(connection));
    return inside_fault(connection, FAULT_COMMAND, "%s (%u,%u) on channel %u, which %s", name,
                        id >> 16, id & 0xffff, number, incoming_channel_state(connection, number));
}

static int incoming_read(struct connection *connection, const uint8_t *payload, size_t size,
                         void **ret_method)
{
    uint32_t id = 0;
    int code = method_read(&connection->methods, payload, size, &id, ret_method);
    if (code == ACKD_E_PROTOCOL)
        connection->fault = FAULT_SYNTAX;
    return code;
}

static int incoming_on_connection(struct connection *connection, uint32_t id,
                                  const uint8_t *payload, size_t size,
                                  struct connection_event *event)
{
    bool closing = connection->state == INSIDE_CLOSING;
    for (size_t i = 0; i < CONNECTION_ROWS; i++) {
        if (connection_rows[i].id != id || (connection_rows[i].states & IN(connection->state)) == 0)
            continue;
        void *method = NULL;
        int code = incoming_read(connection, payload, size, &method);
        return code != ACKD_OK ? code : connection_rows[i].take(connection, method, event);
    }
    return closing ? TAKEN_SILENT : incoming_refuse(connection, 0, id);
}

static int incoming_on_channel(struct connection *connection, uint16_t number, uint32_t id,
                               const uint8_t *payload, size_t size, struct connection_event *event)
{
    struct channel *channel = inside_channel(connection, number);
    if (connection->state == INSIDE_CLOSING)
        return TAKEN_SILENT;
    if (channel == NULL || channel->state == CHANNEL_FREE)
        return incoming_refuse(connection, number, id);
    if (channel->expects != EXPECTS_METHOD)
        return inside_fault(
            connection, FAULT_UNEXPECTED, "%s on channel %u, in the middle of a message",
            method_name(id) == NULL ? "an unknown method" : method_name(id), number);
    if (id == AMQP_BASIC_DELIVER_METHOD && channel->state == CHANNEL_OPEN) { /* most of all */
        ACKD_TRY(content_begin_deliver(connection, channel, payload + 4, size - 4));
        return TAKEN_SILENT;
    }
    for (size_t i = 0; i < CHANNEL_ROWS; i++) {
        if (channel_rows[i].id != id || (channel_rows[i].states & IN(channel->state)) == 0)
            continue;
        void *method = NULL;
        int code = incoming_read(connection, payload, size, &method);
        return code != ACKD_OK ? code : channel_rows[i].take(connection, number, method, event);
    }
    return inside_counts(connection, channel) ? incoming_refuse(connection, number, id)
                                              : TAKEN_SILENT;
}

int incoming_method(struct connection *connection, uint16_t number, const uint8_t *payload,
                    size_t size, struct connection_event *event)
{
    if (size < 4)
        return inside_fault(connection, FAULT_SYNTAX, "a method of %zu bytes on channel %u", size,
                            number);
    uint32_t id = wire_get_32(payload);
    if (number == 0)
        return incoming_on_connection(connection, id, payload, size, event);
    return incoming_on_channel(connection, number, id, payload, size, event);
}

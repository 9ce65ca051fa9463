/* SPDX-License-Identifier: MIT */
/* rabbit_method - what the broker does with each method, and with what is published. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/method.h"
#include "amqp/wire.h"
#include "rabbit.h"

enum { RABBIT_CHANNEL_MAX = 60 };

static void rabbit_copy_name(char *name, size_t size, amqp_bytes_t bytes)
{
    size_t length = bytes.len < size - 1 ? bytes.len : size - 1;
    if (length > 0)
        memcpy(name, bytes.bytes, length);
    name[length] = '\0';
}

/* A slip that ends the channel (R3). */
static void rabbit_slip(struct rabbit_channel *channel, uint16_t code, const char *text)
{
    rabbit_violation(channel->connection->rabbit, "channel %u: %u %s", channel->number, code, text);
    rabbit_close_channel(channel, code, text);
}

/* Operators tell connections apart by their names: they must have one. */
static bool rabbit_is_named(const amqp_table_t *properties)
{
    static const char key[] = "connection_name", prefix[] = "ackd sim ";
    for (int i = 0; i < properties->num_entries; i++) {
        const amqp_table_entry_t *entry = &properties->entries[i];
        const amqp_bytes_t *text = &entry->value.value.bytes;
        if (entry->key.len == strlen(key) && memcmp(entry->key.bytes, key, strlen(key)) == 0)
            return entry->value.kind == AMQP_FIELD_KIND_UTF8 && text->len > strlen(prefix) &&
                   memcmp(text->bytes, prefix, strlen(prefix)) == 0;
    }
    return false;
}

static void rabbit_tune(struct rabbit_connection *connection,
                        const amqp_connection_start_ok_t *start_ok)
{
    if (!rabbit_is_named(&start_ok->client_properties))
        rabbit_violation(connection->rabbit, "a connection without its name");
    connection->step = RABBIT_TUNE;
    connection->mute = connection->rabbit->mute_from <= RABBIT_TUNE;
    amqp_connection_tune_t tune = {
        .channel_max = RABBIT_CHANNEL_MAX, .frame_max = 131072, .heartbeat = 60};
    rabbit_send(connection, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
}

static void rabbit_tuned(struct rabbit_connection *connection,
                         const amqp_connection_tune_ok_t *tune_ok)
{
    connection->step = RABBIT_OPENING;
    connection->mute = connection->rabbit->mute_from <= RABBIT_OPENING;
    connection->heartbeat_s = tune_ok->heartbeat;
    if (connection->heartbeat_s > 0)
        sim_after_ns(&connection->heartbeat, NS_PER_S * connection->heartbeat_s / 2);
}

static void rabbit_opened(struct rabbit_connection *connection)
{
    amqp_connection_open_ok_t open_ok = {.known_hosts = rabbit_bytes("")};
    connection->step = RABBIT_OPEN;
    connection->rabbit->logins++;
    rabbit_send(connection, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &open_ok);
}

static void rabbit_closed(struct rabbit_connection *connection)
{
    amqp_connection_close_ok_t close_ok = {.dummy = 0};
    for (uint16_t i = 0; i < RABBIT_CHANNELS; i++) {
        if (connection->channels[i] != NULL && connection->channels[i]->open)
            rabbit_channel_end(connection->channels[i]);
    }
    rabbit_send(connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &close_ok);
    connection->step = RABBIT_GONE;
    sim_wire_shut(connection->wire);
}

static void rabbit_connection_method(struct rabbit_connection *connection, uint32_t method,
                                     const void *arguments)
{
    if (method == AMQP_CONNECTION_CLOSE_OK_METHOD && connection->step == RABBIT_CLOSING) {
        connection->step = RABBIT_GONE;
        sim_wire_shut(connection->wire);
    } else if (method == AMQP_CONNECTION_CLOSE_METHOD) {
        rabbit_closed(connection);
    } else if (connection->step == RABBIT_CLOSING) {
        return;
    } else if (method == AMQP_CONNECTION_START_OK_METHOD && connection->step == RABBIT_START) {
        rabbit_tune(connection, arguments);
    } else if (method == AMQP_CONNECTION_TUNE_OK_METHOD && connection->step == RABBIT_TUNE) {
        rabbit_tuned(connection, arguments);
    } else if (method == AMQP_CONNECTION_OPEN_METHOD && connection->step == RABBIT_OPENING) {
        rabbit_opened(connection);
    } else {
        rabbit_violation(connection->rabbit, "%s in step %d", method_name(method),
                         connection->step);
    }
}

static void rabbit_declared(struct rabbit_channel *channel, const amqp_queue_declare_t *declare)
{
    struct rabbit *rabbit = channel->connection->rabbit;
    char name[RABBIT_NAME_SIZE];
    rabbit_copy_name(name, sizeof name, declare->queue);
    struct rabbit_queue *queue = rabbit_find(rabbit, name);
    if (queue == NULL && declare->passive) {
        rabbit_close_channel(channel, 404, "NOT_FOUND - no such queue");
        return;
    }
    if (queue == NULL)
        queue = rabbit_declare(rabbit, name);
    uint32_t consumers = 0;
    list_for_each (node, &queue->consumers)
        consumers++;
    amqp_queue_declare_ok_t declare_ok = {.queue = rabbit_bytes(name),
                                          .message_count = (uint32_t)queue->ready_count,
                                          .consumer_count = consumers};
    rabbit_send(channel->connection, channel->number, AMQP_QUEUE_DECLARE_OK_METHOD, &declare_ok);
}

static void rabbit_consumed(struct rabbit_channel *channel, const amqp_basic_consume_t *consume)
{
    struct rabbit *rabbit = channel->connection->rabbit;
    char name[RABBIT_NAME_SIZE];
    rabbit_copy_name(name, sizeof name, consume->queue);
    struct rabbit_queue *queue = rabbit_find(rabbit, name);
    if (queue == NULL) {
        rabbit_close_channel(channel, 404, "NOT_FOUND - no such queue");
        return;
    }
    if (channel->prefetch == 0 || channel->queue != NULL || consume->no_ack) {
        rabbit_slip(channel, 530, "a consumer too many, or without a limit");
        return;
    }
    rabbit_copy_name(channel->consumer_tag, sizeof channel->consumer_tag, consume->consumer_tag);
    channel->queue = queue;
    list_append(&queue->consumers, &channel->consuming);
    rabbit->subscriptions++;
    amqp_basic_consume_ok_t consume_ok = {.consumer_tag = consume->consumer_tag};
    rabbit_send(channel->connection, channel->number, AMQP_BASIC_CONSUME_OK_METHOD, &consume_ok);
}

static void rabbit_settle_one(struct rabbit_channel *channel, struct rabbit_message *message,
                              enum rabbit_answer answer)
{
    struct rabbit *rabbit = channel->connection->rabbit;
    if (rabbit->settled != NULL)
        rabbit->settled(message, answer, rabbit->arg);
    if (answer == RABBIT_NACK || answer == RABBIT_REJECT) {
        rabbit_requeue(channel, message);
        return;
    }
    channel->unacked_count--;
    rabbit_message_free(message);
}

static void rabbit_settled(struct rabbit_channel *channel, uint64_t tag, bool multiple,
                           enum rabbit_answer answer)
{
    size_t count = 0;
    bool found = false;
    struct list *node = channel->unacked.next;
    while (node != &channel->unacked) {
        struct rabbit_message *message = LIST_ITEM(node, rabbit_message, node);
        node = node->next;
        if (message->tag > tag)
            break;
        found = found || message->tag == tag;
        if (message->tag != tag && !multiple)
            continue;
        count++;
    }
    if (!found) {
        rabbit_slip(channel, 406, "PRECONDITION_FAILED - unknown delivery tag");
        return;
    }
    while (count-- > 0) {
        node = channel->unacked.next;
        while (!multiple && LIST_ITEM(node, rabbit_message, node)->tag != tag)
            node = node->next;
        rabbit_settle_one(channel, LIST_ITEM(node, rabbit_message, node), answer);
    }
}

static void rabbit_settle_method(struct rabbit_channel *channel, uint32_t method,
                                 const void *arguments)
{
    if (method == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = arguments;
        rabbit_settled(channel, ack->delivery_tag, ack->multiple, RABBIT_ACK);
    } else if (method == AMQP_BASIC_NACK_METHOD) {
        const amqp_basic_nack_t *nack = arguments;
        rabbit_settled(channel, nack->delivery_tag, nack->multiple,
                       nack->requeue ? RABBIT_NACK : RABBIT_DISCARD);
    } else {
        const amqp_basic_reject_t *reject = arguments;
        rabbit_settled(channel, reject->delivery_tag, false,
                       reject->requeue ? RABBIT_REJECT : RABBIT_DISCARD);
    }
}

static void rabbit_canceled(struct rabbit_channel *channel, const amqp_basic_cancel_t *cancel)
{
    amqp_basic_cancel_ok_t cancel_ok = {.consumer_tag = cancel->consumer_tag};
    if (channel->queue != NULL)
        rabbit_consumer_end(channel);
    rabbit_send(channel->connection, channel->number, AMQP_BASIC_CANCEL_OK_METHOD, &cancel_ok);
}

static void rabbit_published(struct rabbit_channel *channel, const amqp_basic_publish_t *publish)
{
    struct rabbit_connection *connection = channel->connection;
    if (channel->content.stage != 0 || !publish->mandatory || publish->exchange.len > 0) {
        rabbit_slip(channel, 505, "UNEXPECTED_FRAME");
        return;
    }
    rabbit_copy_name(channel->content.routing_key, sizeof channel->content.routing_key,
                     publish->routing_key);
    channel->content.stage = 1;
    connection->published = true;
}

static bool rabbit_other_method(struct rabbit_channel *channel, uint32_t method,
                                const void *arguments)
{
    struct rabbit_connection *connection = channel->connection;
    if (method == AMQP_BASIC_QOS_METHOD) {
        const amqp_basic_qos_t *qos = arguments;
        amqp_basic_qos_ok_t qos_ok = {.dummy = 0};
        channel->prefetch = qos->prefetch_count;
        rabbit_send(connection, channel->number, AMQP_BASIC_QOS_OK_METHOD, &qos_ok);
    } else if (method == AMQP_CONFIRM_SELECT_METHOD) {
        amqp_confirm_select_ok_t select_ok = {.dummy = 0};
        channel->confirms = true;
        rabbit_send(connection, channel->number, AMQP_CONFIRM_SELECT_OK_METHOD, &select_ok);
    } else if (method == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_ok_t close_ok = {.dummy = 0};
        rabbit_channel_end(channel);
        rabbit_send(connection, channel->number, AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok);
    } else {
        return false;
    }
    return true;
}

static void rabbit_channel_method(struct rabbit_channel *channel, uint32_t method,
                                  const void *arguments)
{
    if (method == AMQP_BASIC_ACK_METHOD || method == AMQP_BASIC_NACK_METHOD ||
        method == AMQP_BASIC_REJECT_METHOD)
        rabbit_settle_method(channel, method, arguments);
    else if (method == AMQP_BASIC_PUBLISH_METHOD)
        rabbit_published(channel, arguments);
    else if (method == AMQP_QUEUE_DECLARE_METHOD)
        rabbit_declared(channel, arguments);
    else if (method == AMQP_BASIC_CONSUME_METHOD)
        rabbit_consumed(channel, arguments);
    else if (method == AMQP_BASIC_CANCEL_METHOD)
        rabbit_canceled(channel, arguments);
    else if (!rabbit_other_method(channel, method, arguments))
        rabbit_slip(channel, 540, method_name(method));
}

/* The server closed it: close-ok frees the number, a close of the client's own is answered. */
static void rabbit_closing_method(struct rabbit_channel *channel, uint32_t method)
{
    amqp_channel_close_ok_t close_ok = {.dummy = 0};
    if (method == AMQP_CHANNEL_CLOSE_METHOD)
        rabbit_send(channel->connection, channel->number, AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok);
    if (method == AMQP_CHANNEL_CLOSE_OK_METHOD)
        channel->closing = false;
}

void rabbit_method(struct rabbit_connection *connection, uint16_t number, uint32_t method,
                   void *arguments)
{
    if (number == 0) {
        rabbit_connection_method(connection, method, arguments);
        return;
    }
    if (connection->step == RABBIT_CLOSING)
        return;
    if (connection->step != RABBIT_OPEN || number >= RABBIT_CHANNELS) {
        rabbit_violation(connection->rabbit, "%s on channel %u", method_name(method), number);
        return;
    }
    struct rabbit_channel *channel = connection->channels[number];
    if (channel != NULL && channel->closing) {
        rabbit_closing_method(channel, method);
    } else if (channel != NULL && channel->open) {
        rabbit_channel_method(channel, method, arguments);
    } else if (method == AMQP_CHANNEL_OPEN_METHOD) {
        amqp_channel_open_ok_t open_ok = {.channel_id = rabbit_bytes("")};
        rabbit_channel_open(connection, number);
        rabbit_send(connection, number, AMQP_CHANNEL_OPEN_OK_METHOD, &open_ok);
    } else {
        rabbit_violation(connection->rabbit, "504 %s on channel %u, which is not open",
                         method_name(method), number);
        rabbit_close_connection(connection, 504, "CHANNEL_ERROR - expected 'channel.open'");
    }
}

static void rabbit_tell_confirmed(const struct rabbit_channel *channel, uint64_t first,
                                  uint64_t last)
{
    const struct rabbit *rabbit = channel->connection->rabbit;
    for (uint64_t i = first; i <= last && rabbit->confirmed != NULL; i++) {
        if (channel->numbers[i % RABBIT_CONFIRMS] != 0)
            rabbit->confirmed(channel->numbers[i % RABBIT_CONFIRMS], rabbit->arg);
    }
}

void rabbit_confirm_due(struct timer *timer)
{
    struct rabbit_channel *channel = LIST_ITEM(timer, rabbit_channel, confirm);
    bool multiple = sim_chance(50);
    while (channel->confirmed < channel->publishes) {
        uint64_t first = ++channel->confirmed;
        uint64_t tag = first;
        bool refused = channel->nacks[tag % RABBIT_CONFIRMS];
        while (multiple && channel->confirmed < channel->publishes &&
               channel->nacks[(channel->confirmed + 1) % RABBIT_CONFIRMS] == refused)
            tag = ++channel->confirmed;
        amqp_basic_ack_t ack = {.delivery_tag = tag, .multiple = multiple};
        amqp_basic_nack_t nack = {.delivery_tag = tag, .multiple = multiple};
        if (refused)
            rabbit_send(channel->connection, channel->number, AMQP_BASIC_NACK_METHOD, &nack);
        else
            rabbit_send(channel->connection, channel->number, AMQP_BASIC_ACK_METHOD, &ack);
        if (!refused)
            rabbit_tell_confirmed(channel, first, tag);
    }
}

/* A whole message was published: to its queue, or back. */
static void rabbit_publish(struct rabbit_channel *channel)
{
    struct rabbit *rabbit = channel->connection->rabbit;
    struct rabbit_message *message = channel->content.message;
    struct rabbit_queue *queue = rabbit_find(rabbit, channel->content.routing_key);
    channel->content.stage = 0;
    channel->content.message = NULL;
    uint64_t sequence = ++channel->publishes;
    sim_that(channel->publishes - channel->confirmed < RABBIT_CONFIRMS);
    channel->numbers[sequence % RABBIT_CONFIRMS] = 0;
    channel->nacks[sequence % RABBIT_CONFIRMS] = queue != NULL && queue->refuses;
    if (queue == NULL) {
        amqp_basic_return_t returned = {.reply_code = 312,
                                        .reply_text = rabbit_bytes("NO_ROUTE"),
                                        .exchange = rabbit_bytes(""),
                                        .routing_key = rabbit_bytes(channel->content.routing_key)};
        rabbit_send(channel->connection, channel->number, AMQP_BASIC_RETURN_METHOD, &returned);
        rabbit_send_content(channel, message);
        rabbit_message_free(message);
    } else if (queue->refuses) {
        rabbit_message_free(message);
    } else {
        rabbit_put(rabbit, queue, message);
        channel->numbers[sequence % RABBIT_CONFIRMS] = message->number;
        if (rabbit->published != NULL)
            rabbit->published(queue, message, rabbit->arg);
    }
    if (channel->confirms && !timer_armed(&channel->confirm))
        sim_after_ns(&channel->confirm, sim_between(0, rabbit->confirm_max_ms * NS_PER_MS));
}

static void rabbit_content_header(struct rabbit_channel *channel, const uint8_t *bytes, size_t size)
{
    struct rabbit_message *message = calloc(1, sizeof *message);
    sim_that(message != NULL && size >= 14);
    list_init(&message->node);
    message->body_size = wire_get_64(bytes + 4);
    message->header_size = size - 12;
    message->header = malloc(message->header_size);
    message->body = malloc(message->body_size + 1);
    sim_that(message->header != NULL && message->body != NULL);
    memcpy(message->header, bytes + 12, message->header_size);
    channel->content.message = message;
    channel->content.left = message->body_size;
    channel->content.stage = 2;
}

void rabbit_content(struct rabbit_connection *connection, uint16_t number, bool header,
                    const uint8_t *bytes, size_t size)
{
    struct rabbit_channel *channel = number < RABBIT_CHANNELS ? connection->channels[number] : NULL;
    if (connection->step == RABBIT_CLOSING || (channel != NULL && channel->closing))
        return;
    if (channel == NULL || !channel->open || channel->content.stage != (header ? 1 : 2)) {
        rabbit_violation(connection->rabbit, "505 content that nobody expects");
        rabbit_close_connection(connection, 505, "UNEXPECTED_FRAME");
        return;
    }
    if (header) {
        rabbit_content_header(channel, bytes, size);
    } else {
        struct rabbit_message *message = channel->content.message;
        sim_that(size <= channel->content.left);
        memcpy(message->body + message->body_size - channel->content.left, bytes, size);
        channel->content.left -= size;
    }
    if (channel->content.left == 0)
        rabbit_publish(channel);
    if (connection->rabbit->alarm && !connection->blocked) {
        connection->blocked = true;
        amqp_connection_blocked_t blocked = {.reason = rabbit_bytes("low on memory")};
        rabbit_send(connection, 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked);
    }
}

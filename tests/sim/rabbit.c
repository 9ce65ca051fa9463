/* SPDX-License-Identifier: MIT */
/* rabbit - queues, connections and their ends. What methods do is in rabbit_method.c. */
#include <config.h>

#include "rabbit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/frame.h"
#include "amqp/method.h"
#include "amqp/wire.h"

enum { RABBIT_FRAME_MAX = 131072, RABBIT_SERVER_POOL = 4096 };

void rabbit_violation(struct rabbit *rabbit, const char *format, ...)
{
    if (rabbit->violations++ > 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(rabbit->violation, sizeof rabbit->violation, format, args);
    va_end(args);
}

amqp_bytes_t rabbit_bytes(const char *text)
{
    union {
        const char *given;
        void *wanted;
    } pointer = {.given = text};
    return (amqp_bytes_t){.len = strlen(text), .bytes = pointer.wanted};
}

uint8_t *rabbit_header(const struct rabbit_message *message, const char *name)
{
    size_t size = strlen(name);
    uint8_t *found = memmem(message->header, message->header_size, name, size);
    if (found == NULL || found[size] != 'l')
        return NULL;
    return found + size + 1;
}

uint64_t rabbit_header_value(const struct rabbit_message *message, const char *name)
{
    const uint8_t *at = rabbit_header(message, name);
    return at == NULL ? 0 : wire_get_64(at);
}

void rabbit_message_free(struct rabbit_message *message)
{
    list_remove(&message->node);
    free(message->header);
    free(message->body);
    free(message);
}

void rabbit_send(struct rabbit_connection *connection, uint16_t channel, uint32_t method,
                 const void *arguments)
{
    if (connection->mute || connection->step == RABBIT_GONE)
        return;
    int code = method_write(&connection->output, channel, method, arguments, METHOD_ROOM);
    sim_that(code == ACKD_OK);
    sim_wire_kick(connection->wire);
}

static void rabbit_send_frame(struct rabbit_connection *connection, enum frame_type type,
                              uint16_t channel, const uint8_t *bytes, size_t size)
{
    uint8_t *at = NULL;
    int code = buffer_reserve(&connection->output, size + FRAME_OVERHEAD, &at);
    sim_that(code == ACKD_OK);
    at = frame_put_head(at, type, channel, (uint32_t)size);
    if (size > 0)
        memcpy(at, bytes, size);
    frame_put_end(at + size);
    buffer_commit(&connection->output, size + FRAME_OVERHEAD);
    sim_wire_kick(connection->wire);
}

void rabbit_send_content(struct rabbit_channel *channel, const struct rabbit_message *message)
{
    size_t size = message->header_size + 12;
    uint8_t *header = malloc(size);
    sim_that(header != NULL);
    uint8_t *at = wire_put_16(wire_put_16(header, 60), 0);
    at = wire_put_64(at, message->body_size);
    memcpy(at, message->header, message->header_size);
    rabbit_send_frame(channel->connection, FRAME_HEADER, channel->number, header, size);
    free(header);
    for (size_t done = 0; done < message->body_size;) {
        size_t piece = message->body_size - done;
        if (piece > RABBIT_FRAME_MAX - FRAME_OVERHEAD)
            piece = RABBIT_FRAME_MAX - FRAME_OVERHEAD;
        rabbit_send_frame(channel->connection, FRAME_BODY, channel->number, message->body + done,
                          piece);
        done += piece;
    }
}

static void rabbit_deliver(struct rabbit_channel *channel, struct rabbit_message *message)
{
    struct rabbit *rabbit = channel->connection->rabbit;
    list_remove(&message->node);
    message->queue->ready_count--;
    message->tag = ++channel->tags;
    message->serial = ++rabbit->serials;
    uint8_t *at = rabbit_header(message, "x-sim-serial");
    if (at != NULL)
        wire_put_64(at, message->serial);
    list_append(&channel->unacked, &message->node);
    channel->unacked_count++;
    if (channel->connection->mute)
        return;
    amqp_basic_deliver_t deliver = {.consumer_tag = rabbit_bytes(channel->consumer_tag),
                                    .delivery_tag = message->tag,
                                    .redelivered = message->redelivered,
                                    .exchange = rabbit_bytes(""),
                                    .routing_key = rabbit_bytes(message->queue->name)};
    rabbit_send(channel->connection, channel->number, AMQP_BASIC_DELIVER_METHOD, &deliver);
    rabbit_send_content(channel, message);
}

/* The next consumer that may have a message, in turn. */
static struct rabbit_channel *rabbit_next_consumer(const struct rabbit *rabbit,
                                                   struct rabbit_queue *queue)
{
    list_for_each (node, &queue->consumers) {
        struct rabbit_channel *channel = LIST_ITEM(node, rabbit_channel, consuming);
        if (channel->unacked_count >= channel->prefetch && !rabbit->floods)
            continue;
        list_remove(node);
        list_append(&queue->consumers, node);
        return channel;
    }
    return NULL;
}

void rabbit_pump(struct rabbit *rabbit)
{
    list_for_each (node, &rabbit->queues) {
        struct rabbit_queue *queue = LIST_ITEM(node, rabbit_queue, node);
        while (!list_empty(&queue->ready)) {
            struct rabbit_channel *channel = rabbit_next_consumer(rabbit, queue);
            if (channel == NULL)
                break;
            rabbit_deliver(channel, LIST_ITEM(queue->ready.next, rabbit_message, node));
        }
    }
}

struct rabbit_queue *rabbit_find(struct rabbit *rabbit, const char *name)
{
    list_for_each (node, &rabbit->queues) {
        struct rabbit_queue *queue = LIST_ITEM(node, rabbit_queue, node);
        if (strcmp(queue->name, name) == 0)
            return queue;
    }
    return NULL;
}

struct rabbit_queue *rabbit_declare(struct rabbit *rabbit, const char *name)
{
    struct rabbit_queue *queue = rabbit_find(rabbit, name);
    if (queue != NULL)
        return queue;
    queue = calloc(1, sizeof *queue);
    sim_that(queue != NULL);
    snprintf(queue->name, sizeof queue->name, "%s", name);
    list_init(&queue->ready);
    list_init(&queue->consumers);
    list_append(&rabbit->queues, &queue->node);
    return queue;
}

void rabbit_put(struct rabbit *rabbit, struct rabbit_queue *queue, struct rabbit_message *message)
{
    message->queue = queue;
    message->position = ++queue->positions;
    message->number = rabbit_header_value(message, "x-sim-number");
    list_append(&queue->ready, &message->node);
    queue->ready_count++;
    (void)rabbit;
}

/* R2 */
void rabbit_requeue(struct rabbit_channel *channel, struct rabbit_message *message)
{
    struct rabbit_queue *queue = message->queue;
    list_remove(&message->node);
    channel->unacked_count--;
    message->redelivered = true;
    if (queue == NULL) {
        rabbit_message_free(message);
        return;
    }
    struct list *place = &queue->ready;
    list_for_each (node, &queue->ready) {
        if (LIST_ITEM(node, rabbit_message, node)->position > message->position)
            break;
        place = node;
    }
    list_insert(place, &message->node);
    queue->ready_count++;
}

void rabbit_consumer_end(struct rabbit_channel *channel)
{
    list_remove(&channel->consuming);
    channel->queue = NULL;
    channel->consumer_tag[0] = '\0';
}

static void rabbit_channel_forget_content(struct rabbit_channel *channel)
{
    if (channel->content.message != NULL)
        rabbit_message_free(channel->content.message);
    channel->content.message = NULL;
    channel->content.stage = 0;
}

void rabbit_channel_end(struct rabbit_channel *channel)
{
    rabbit_consumer_end(channel);
    while (!list_empty(&channel->unacked))
        rabbit_requeue(channel, LIST_ITEM(channel->unacked.next, rabbit_message, node));
    rabbit_channel_forget_content(channel);
    timer_stop(&channel->confirm);
    channel->open = false;
}

struct rabbit_channel *rabbit_channel_open(struct rabbit_connection *connection, uint16_t number)
{
    struct rabbit_channel *channel = connection->channels[number];
    if (channel == NULL) {
        channel = calloc(1, sizeof *channel);
        sim_that(channel != NULL);
        connection->channels[number] = channel;
    }
    memset(channel, 0, sizeof *channel);
    channel->connection = connection;
    channel->number = number;
    channel->open = true;
    list_init(&channel->unacked);
    list_init(&channel->consuming);
    timer_init(&channel->confirm, rabbit_confirm_due);
    return channel;
}

static void rabbit_end_channels(struct rabbit_connection *connection)
{
    for (size_t i = 0; i < RABBIT_CHANNELS; i++) {
        struct rabbit_channel *channel = connection->channels[i];
        if (channel != NULL && channel->open)
            rabbit_channel_end(channel);
    }
}

void rabbit_close_channel(struct rabbit_channel *channel, uint16_t code, const char *text)
{
    amqp_channel_close_t close = {.reply_code = code, .reply_text = rabbit_bytes(text)};
    rabbit_channel_end(channel);
    channel->closing = true;
    rabbit_send(channel->connection, channel->number, AMQP_CHANNEL_CLOSE_METHOD, &close);
}

void rabbit_close_connection(struct rabbit_connection *connection, uint16_t code, const char *text)
{
    amqp_connection_close_t close = {.reply_code = code, .reply_text = rabbit_bytes(text)};
    rabbit_end_channels(connection);
    connection->step = RABBIT_CLOSING;
    rabbit_send(connection, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
}

void rabbit_cancel(struct rabbit_channel *channel)
{
    char tag[RABBIT_TAG_SIZE];
    snprintf(tag, sizeof tag, "%s", channel->consumer_tag);
    rabbit_consumer_end(channel);
    amqp_basic_cancel_t cancel = {.consumer_tag = rabbit_bytes(tag), .nowait = true};
    rabbit_send(channel->connection, channel->number, AMQP_BASIC_CANCEL_METHOD, &cancel);
}

void rabbit_delete(struct rabbit *rabbit, struct rabbit_queue *queue)
{
    while (!list_empty(&queue->consumers))
        rabbit_cancel(LIST_ITEM(queue->consumers.next, rabbit_channel, consuming));
    while (!list_empty(&queue->ready))
        rabbit_message_free(LIST_ITEM(queue->ready.next, rabbit_message, node));
    list_for_each (node, &rabbit->connections) {
        struct rabbit_connection *connection = LIST_ITEM(node, rabbit_connection, node);
        for (size_t i = 0; i < RABBIT_CHANNELS; i++) {
            const struct rabbit_channel *channel = connection->channels[i];
            if (channel == NULL || !channel->open)
                continue;
            list_for_each (unacked, &channel->unacked) {
                struct rabbit_message *message = LIST_ITEM(unacked, rabbit_message, node);
                message->queue = message->queue == queue ? NULL : message->queue;
            }
        }
    }
    list_remove(&queue->node);
    free(queue);
}

/* Every half interval: a heartbeat, and a look at the client's. */
static void rabbit_heartbeat_due(struct timer *timer)
{
    struct rabbit_connection *connection = LIST_ITEM(timer, rabbit_connection, heartbeat);
    uint64_t patience_ns = 3 * NS_PER_S * connection->heartbeat_s;
    if (sim_now_ns() - connection->heard_ns > patience_ns) {
        connection->mute = true;
        rabbit_end_channels(connection);
        buffer_clear(&connection->output);
        sim_wire_shut(connection->wire);
        return;
    }
    if (!connection->mute)
        rabbit_send_frame(connection, FRAME_HEARTBEAT, 0, NULL, 0);
    sim_after_ns(timer, NS_PER_S * connection->heartbeat_s / 2);
}

static void *rabbit_accept(struct sim_wire *wire, void *arg)
{
    struct rabbit *rabbit = arg;
    struct rabbit_connection *connection = calloc(1, sizeof *connection);
    sim_that(connection != NULL);
    connection->rabbit = rabbit;
    connection->wire = wire;
    connection->mute = rabbit->mute_from == RABBIT_GREETING;
    buffer_init(&connection->input, SIZE_MAX);
    buffer_init(&connection->output, SIZE_MAX);
    init_amqp_pool(&connection->pool, RABBIT_SERVER_POOL);
    timer_init(&connection->heartbeat, rabbit_heartbeat_due);
    connection->heartbeat_s = 60;
    connection->heard_ns = sim_now_ns();
    list_append(&rabbit->connections, &connection->node);
    return connection;
}

static void rabbit_greeted(struct rabbit_connection *connection)
{
    static const char greeting[8] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
    if (buffer_size(&connection->input) < sizeof greeting)
        return;
    if (memcmp(buffer_bytes(&connection->input), greeting, sizeof greeting) != 0)
        rabbit_violation(connection->rabbit, "a wrong protocol header");
    buffer_consume(&connection->input, sizeof greeting);
    connection->step = RABBIT_START;
    connection->mute = connection->rabbit->mute_from <= RABBIT_START;
    amqp_connection_start_t start = {.version_major = 0,
                                     .version_minor = 9,
                                     .mechanisms = rabbit_bytes("PLAIN AMQPLAIN"),
                                     .locales = rabbit_bytes("en_US")};
    rabbit_send(connection, 0, AMQP_CONNECTION_START_METHOD, &start);
}

static void rabbit_frame(struct rabbit_connection *connection, const struct frame *frame,
                         const uint8_t *payload)
{
    if (frame->type == FRAME_METHOD) {
        uint32_t method = 0;
        void *arguments = NULL;
        if (method_read(&connection->pool, payload, frame->size, &method, &arguments) != ACKD_OK)
            rabbit_violation(connection->rabbit, "a method that cannot be read");
        else
            rabbit_method(connection, frame->channel, method, arguments);
    } else if (frame->type != FRAME_HEARTBEAT) {
        rabbit_content(connection, frame->channel, frame->type == FRAME_HEADER, payload,
                       frame->size);
    }
}

static void rabbit_read(struct rabbit_connection *connection)
{
    const struct frame_limits limits = {.method_max = RABBIT_FRAME_MAX,
                                        .header_max = RABBIT_FRAME_MAX,
                                        .body_max = RABBIT_FRAME_MAX,
                                        .channel_max = 2047};
    if (connection->step == RABBIT_GREETING)
        rabbit_greeted(connection);
    while (connection->step != RABBIT_GREETING && connection->step != RABBIT_GONE &&
           !connection->blocked && !connection->mute) {
        struct frame frame;
        size_t taken = 0;
        const uint8_t *at = buffer_bytes(&connection->input);
        if (frame_take(at, buffer_size(&connection->input), &limits, &frame, &taken) != ACKD_OK) {
            rabbit_violation(connection->rabbit, "a frame that is none");
            connection->step = RABBIT_GONE;
            return;
        }
        if (taken == 0)
            break;
        rabbit_frame(connection, &frame, at + FRAME_HEAD_SIZE);
        buffer_consume(&connection->input, taken);
    }
    rabbit_pump(connection->rabbit);
}

static void rabbit_received(void *arg, const uint8_t *bytes, size_t size)
{
    struct rabbit_connection *connection = arg;
    connection->heard_ns = sim_now_ns();
    if (connection->mute)
        return;
    int code = buffer_append(&connection->input, bytes, size);
    sim_that(code == ACKD_OK);
    rabbit_read(connection);
}

static struct buffer *rabbit_output(void *arg)
{
    struct rabbit_connection *connection = arg;
    return &connection->output;
}

static void rabbit_lost(void *arg)
{
    struct rabbit_connection *connection = arg;
    struct rabbit *rabbit = connection->rabbit;
    rabbit_end_channels(connection);
    connection->step = RABBIT_GONE;
    timer_stop(&connection->heartbeat);
    list_remove(&connection->node);
    for (size_t i = 0; i < RABBIT_CHANNELS; i++)
        free(connection->channels[i]);
    buffer_fini(&connection->input);
    buffer_fini(&connection->output);
    empty_amqp_pool(&connection->pool);
    free(connection);
    rabbit_pump(rabbit);
}

void rabbit_set_alarm(struct rabbit *rabbit, bool alarm)
{
    rabbit->alarm = alarm;
    if (alarm)
        return;
    list_for_each (node, &rabbit->connections) {
        struct rabbit_connection *connection = LIST_ITEM(node, rabbit_connection, node);
        if (!connection->blocked)
            continue;
        connection->blocked = false;
        amqp_connection_unblocked_t unblocked = {.dummy = 0};
        rabbit_send(connection, 0, AMQP_CONNECTION_UNBLOCKED_METHOD, &unblocked);
        rabbit_read(connection);
    }
}

void rabbit_init(struct rabbit *rabbit)
{
    memset(rabbit, 0, sizeof *rabbit);
    list_init(&rabbit->queues);
    list_init(&rabbit->connections);
    rabbit->mute_from = RABBIT_GONE;
    rabbit->confirm_max_ms = 5;
    struct sim_server server = {.accept = rabbit_accept,
                                .received = rabbit_received,
                                .output = rabbit_output,
                                .lost = rabbit_lost,
                                .arg = rabbit};
    sim_set_server(&server);
}

void rabbit_fini(struct rabbit *rabbit)
{
    sim_that(list_empty(&rabbit->connections));
    while (!list_empty(&rabbit->queues))
        rabbit_delete(rabbit, LIST_ITEM(rabbit->queues.next, rabbit_queue, node));
}

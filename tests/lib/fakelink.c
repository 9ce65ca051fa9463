/* SPDX-License-Identifier: MIT */
/*
 * fakelink - the broker's side of one connection: what the client says, and what is answered.
 *
 * What a client does wrong is answered as RabbitMQ answers it, because tests look for exactly that.
 */
#include <config.h>

#include "fakelink.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

static char *text_of(amqp_bytes_t bytes)
{
    return fakebroker_strdup(bytes.bytes, bytes.len);
}

static bool is_answer(uint32_t id)
{
    switch (id) {
    case AMQP_CONNECTION_OPEN_OK_METHOD:
    case AMQP_CONNECTION_CLOSE_OK_METHOD:
    case AMQP_CHANNEL_OPEN_OK_METHOD:
    case AMQP_CHANNEL_CLOSE_OK_METHOD:
    case AMQP_QUEUE_DECLARE_OK_METHOD:
    case AMQP_QUEUE_BIND_OK_METHOD:
    case AMQP_EXCHANGE_DECLARE_OK_METHOD:
    case AMQP_BASIC_QOS_OK_METHOD:
    case AMQP_BASIC_CONSUME_OK_METHOD:
    case AMQP_BASIC_CANCEL_OK_METHOD:
    case AMQP_CONFIRM_SELECT_OK_METHOD:
        return true;
    default:
        return false;
    }
}

void fakelink_say(struct fakebroker_link *link, uint16_t channel, uint32_t id, const void *method)
{
    static const amqp_tx_select_ok_t wrong;
    enum fakebroker_mangling mangling = FAKEBROKER_AS_IT_IS;
    if (link->broker->mangling != FAKEBROKER_AS_IT_IS && is_answer(id)) {
        mangling = link->broker->mangling;
        link->broker->mangling = FAKEBROKER_AS_IT_IS;
    }
    if (mangling == FAKEBROKER_UNSAID)
        return;
    if (mangling == FAKEBROKER_WRONG) {
        id = AMQP_TX_SELECT_OK_METHOD;
        method = &wrong;
    }
    for (int times = mangling == FAKEBROKER_TWICE ? 2 : 1; times > 0; times--) {
        int code = method_write(&link->output, channel, id, method, 65536);
        ackd_assert(code == ACKD_OK);
    }
}

static void say_nothing_more(struct fakebroker_link *link, uint16_t channel, uint32_t id)
{
    uint64_t empty[8] = {0};
    fakelink_say(link, channel, id, empty);
}

struct fakelink_channel *fakelink_channel(struct fakebroker_link *link, uint16_t number)
{
    list_for_each (node, &link->channels) {
        struct fakelink_channel *channel = LIST_ITEM(node, fakelink_channel, node);
        if (channel->number == number)
            return channel;
    }
    return NULL;
}

static void end_channel(struct fakebroker_link *link, struct fakelink_channel *channel)
{
    fakelink_drop_publish(&channel->publish);
    fakelink_give_back(link, channel);
    channel->held_count = 0;
}

static void drop_channel(struct fakebroker_link *link, struct fakelink_channel *channel)
{
    end_channel(link, channel);
    list_remove(&channel->node);
    free(channel->held);
    free(channel);
}

void fakelink_drop_channels(struct fakebroker_link *link)
{
    while (!list_empty(&link->channels))
        drop_channel(link, LIST_ITEM(link->channels.next, fakelink_channel, node));
}

void fakelink_close_channel(struct fakebroker_link *link, uint16_t number, uint16_t code,
                            uint32_t method, const char *text)
{
    struct fakelink_channel *channel = fakelink_channel(link, number);
    if (channel == NULL || link->state != FAKELINK_RUNNING)
        return;
    amqp_channel_close_t close = {.reply_code = code,
                                  .reply_text = amqp_cstring_bytes(text),
                                  .class_id = (uint16_t)(method >> 16),
                                  .method_id = (uint16_t)method};
    fakelink_say(link, number, AMQP_CHANNEL_CLOSE_METHOD, &close);
    channel->closing = true;
    end_channel(link, channel);
}

void fakelink_close(struct fakebroker_link *link, uint16_t code, uint32_t method, const char *text)
{
    if (link->state >= FAKELINK_CLOSING)
        return;
    amqp_connection_close_t close = {.reply_code = code,
                                     .reply_text = amqp_cstring_bytes(text),
                                     .class_id = (uint16_t)(method >> 16),
                                     .method_id = (uint16_t)method};
    fakelink_say(link, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    link->state = FAKELINK_CLOSING;
    fakelink_drop_channels(link);
}

/* The client broke the protocol. */
__attribute__((format(printf, 4, 5))) static void fault(struct fakebroker_link *link, uint16_t code,
                                                        uint32_t method, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    link->broker->counts.faults++;
    fakebroker_note(link->broker, text);
    fakelink_close(link, code, method, text);
}

/* Closes the channel. */
__attribute__((format(printf, 5, 6))) static void refuse(struct fakebroker_link *link,
                                                         struct fakelink_channel *channel,
                                                         uint16_t code, uint32_t method,
                                                         const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fakelink_close_channel(link, channel->number, code, method, text);
}

/* Login. */

/* The login has come so far. False: it falls silent instead of saying so. */
static bool reach(struct fakebroker_link *link, enum fakelink_state state)
{
    link->state = state;
    link->silent = link->silent || (int)state >= (int)link->broker->silent_from;
    return !link->silent;
}

static void say_start(struct fakebroker_link *link)
{
    if (!reach(link, FAKELINK_START))
        return;
    amqp_table_entry_t can[] = {
        {.key = amqp_cstring_bytes("consumer_cancel_notify"),
         .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
        {.key = amqp_cstring_bytes("connection.blocked"),
         .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
    };
    amqp_table_entry_t properties[] = {
        {.key = amqp_cstring_bytes("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {2, can}}},
        {.key = amqp_cstring_bytes("product"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("RabbitMQ")}},
        {.key = amqp_cstring_bytes("version"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8,
                   .value.bytes = amqp_cstring_bytes(link->broker->version)}},
    };
    amqp_connection_start_t start = {
        .version_minor = 9,
        .server_properties = {3, properties},
        .mechanisms = amqp_cstring_bytes("AMQPLAIN PLAIN EXTERNAL"),
        .locales = amqp_cstring_bytes("en_US"),
    };
    fakelink_say(link, 0, AMQP_CONNECTION_START_METHOD, &start);
}

static bool password_is_right(const struct fakebroker *broker,
                              const amqp_connection_start_ok_t *start_ok)
{
    char expected[512];
    if (broker->refuse_logins)
        return false;
    if (broker->user == NULL || start_ok->mechanism.len != 5)
        return true;
    int size = snprintf(expected, sizeof expected, "%c%s%c%s", 0, broker->user, 0,
                        broker->password == NULL ? "" : broker->password);
    return start_ok->response.len == (size_t)size &&
           memcmp(start_ok->response.bytes, expected, (size_t)size) == 0;
}

static void take_start_ok(struct fakebroker_link *link, const amqp_connection_start_ok_t *start_ok)
{
    struct fakebroker *broker = link->broker;
    if (!password_is_right(broker, start_ok)) {
        broker->counts.logins_refused++;
        fakelink_close(link, 403, 0,
                       "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
                       "For details see the broker logfile.");
        return;
    }
    amqp_connection_tune_t tune = {.channel_max = broker->options.channel_max,
                                   .frame_max = broker->options.frame_max,
                                   .heartbeat = broker->options.heartbeat_s};
    if (reach(link, FAKELINK_TUNE))
        fakelink_say(link, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
}

static void take_open(struct fakebroker_link *link, const amqp_connection_open_t *open)
{
    char *vhost = text_of(open->virtual_host);
    if (strcmp(vhost, link->broker->vhost) != 0) {
        char text[256];
        snprintf(text, sizeof text, "NOT_ALLOWED - vhost %.200s not found", vhost);
        fakelink_close(link, 530, AMQP_CONNECTION_OPEN_METHOD, text);
    } else if (reach(link, FAKELINK_RUNNING)) {
        say_nothing_more(link, 0, AMQP_CONNECTION_OPEN_OK_METHOD);
        link->broker->counts.logins++;
    }
    free(vhost);
}

static void take_tune_ok(struct fakebroker_link *link, const amqp_connection_tune_ok_t *tune_ok)
{
    link->frame_max = tune_ok->frame_max;
    link->heartbeat_s = tune_ok->heartbeat;
    link->limits = (struct frame_limits){
        .method_max = tune_ok->frame_max - FRAME_OVERHEAD,
        .header_max = tune_ok->frame_max - FRAME_OVERHEAD,
        .body_max = tune_ok->frame_max - FRAME_OVERHEAD,
        .channel_max = link->broker->options.channel_max,
    };
    (void)reach(link, FAKELINK_OPEN);
}

static void take_on_connection(struct fakebroker_link *link, uint32_t id, const void *method)
{
    if (id == AMQP_CONNECTION_CLOSE_METHOD && link->state != FAKELINK_START) {
        say_nothing_more(link, 0, AMQP_CONNECTION_CLOSE_OK_METHOD);
        if (link->state != FAKELINK_CLOSING)
            link->state = FAKELINK_ENDED;
        fakelink_drop_channels(link);
    } else if (link->state == FAKELINK_CLOSING) {
        if (id == AMQP_CONNECTION_CLOSE_OK_METHOD)
            link->state = FAKELINK_ENDED;
    } else if (id == AMQP_CONNECTION_START_OK_METHOD && link->state == FAKELINK_START) {
        take_start_ok(link, method);
    } else if (id == AMQP_CONNECTION_TUNE_OK_METHOD && link->state == FAKELINK_TUNE) {
        take_tune_ok(link, method);
    } else if (id == AMQP_CONNECTION_OPEN_METHOD && link->state == FAKELINK_OPEN) {
        take_open(link, method);
    } else {
        fault(link, 503, id, "COMMAND_INVALID - unexpected method %s in state %d", method_name(id),
              (int)link->state);
    }
}

/* Consumers. */

static void take_consume(struct fakebroker_link *link, struct fakelink_channel *channel,
                         const amqp_basic_consume_t *method)
{
    char *name = text_of(method->queue);
    char *tag = text_of(method->consumer_tag);
    struct fakequeue *queue = fakebroker_find(link->broker, name);
    bool used = false;
    list_for_each (node, &channel->consumers) {
        used = used || strcmp(LIST_ITEM(node, fakelink_consumer, in_channel)->tag, tag) == 0;
    }
    if (queue == NULL) {
        refuse(link, channel, 404, AMQP_BASIC_CONSUME_METHOD,
               "NOT_FOUND - no queue '%s' in vhost '%s'", name, link->broker->vhost);
    } else if (used) {
        fault(link, 530, AMQP_BASIC_CONSUME_METHOD,
              "NOT_ALLOWED - attempt to reuse consumer tag '%s'", tag);
    } else {
        struct fakelink_consumer *consumer = calloc(1, sizeof *consumer);
        ackd_assert(consumer != NULL);
        *consumer = (struct fakelink_consumer){.queue = queue,
                                               .link = link,
                                               .channel = channel,
                                               .tag = tag,
                                               .prefetch = channel->prefetch,
                                               .no_ack = method->no_ack != 0};
        tag = NULL;
        list_append(&queue->consumers, &consumer->in_queue);
        list_append(&channel->consumers, &consumer->in_channel);
        link->broker->counts.consumes++;
        link->broker->counts.unbounded += consumer->prefetch == 0 || consumer->no_ack ? 1 : 0;
        amqp_basic_consume_ok_t ok = {.consumer_tag = amqp_cstring_bytes(consumer->tag)};
        if (!method->nowait)
            fakelink_say(link, channel->number, AMQP_BASIC_CONSUME_OK_METHOD, &ok);
    }
    free(tag);
    free(name);
}

static void take_cancel(struct fakebroker_link *link, struct fakelink_channel *channel,
                        const amqp_basic_cancel_t *method)
{
    char *tag = text_of(method->consumer_tag);
    list_for_each (node, &channel->consumers) {
        struct fakelink_consumer *consumer = LIST_ITEM(node, fakelink_consumer, in_channel);
        if (strcmp(consumer->tag, tag) == 0) {
            fakelink_cancel(consumer);
            break;
        }
    }
    amqp_basic_cancel_ok_t ok = {.consumer_tag = method->consumer_tag};
    if (!method->nowait)
        fakelink_say(link, channel->number, AMQP_BASIC_CANCEL_OK_METHOD, &ok);
    free(tag);
}

/* Queues. */

static bool same_name(const struct ackd_header *one, const struct ackd_header *other)
{
    return one->name_size == other->name_size &&
           memcmp(one->name, other->name, one->name_size) == 0;
}

/* The first argument of the queue's that is another number in @arguments, as RabbitMQ tells it. */
static void tell_difference(char *text, size_t size, const struct fakequeue *queue,
                            struct ackd_bytes arguments, const char *vhost)
{
    struct ackd_headers now = {.rest = {queue->arguments, queue->arguments_size}};
    struct ackd_header current, wanted;
    snprintf(text, size,
             "PRECONDITION_FAILED - inequivalent arg 'x-arguments' for queue '%s' in vhost '%s'",
             queue->name, vhost);
    while (ackd_headers_next(&now, &current)) {
        struct ackd_headers then = {.rest = arguments};
        while (ackd_headers_next(&then, &wanted)) {
            if (!same_name(&current, &wanted) || current.integer == wanted.integer)
                continue;
            snprintf(text, size,
                     "PRECONDITION_FAILED - inequivalent arg '%.*s' for queue '%s' in vhost '%s': "
                     "received '%" PRId64 "' but current is '%" PRId64 "'",
                     (int)current.name_size, current.name, queue->name, vhost, wanted.integer,
                     current.integer);
            return;
        }
    }
}

static void take_delete(struct fakebroker_link *link, const struct fakelink_channel *channel,
                        const amqp_queue_delete_t *method)
{
    char *name = text_of(method->queue);
    const struct fakequeue *queue = fakebroker_find(link->broker, name);
    amqp_queue_delete_ok_t ok = {.message_count = queue == NULL ? 0 : (uint32_t)queue->depth};
    if (queue != NULL)
        fakebroker_delete(link->broker, name);
    fakelink_say(link, channel->number, AMQP_QUEUE_DELETE_OK_METHOD, &ok);
    free(name);
}

static void take_declare(struct fakebroker_link *link, struct fakelink_channel *channel,
                         const amqp_queue_declare_t *method, const uint8_t *payload, size_t size)
{
    char *name = text_of(method->queue);
    size_t prefix = 4 + 2 + 1 + method->queue.len + 1 + 4; /* up to the table's entries */
    struct ackd_bytes arguments = {.data = payload + prefix, .size = size - prefix};
    struct fakequeue *queue = fakebroker_find(link->broker, name);
    if (queue == NULL && method->passive) {
        refuse(link, channel, 404, AMQP_QUEUE_DECLARE_METHOD,
               "NOT_FOUND - no queue '%s' in vhost '%s'", name, link->broker->vhost);
    } else if (queue != NULL && !method->passive &&
               (queue->arguments_size != arguments.size ||
                memcmp(queue->arguments, arguments.data, arguments.size) != 0)) {
        char text[256];
        tell_difference(text, sizeof text, queue, arguments, link->broker->vhost);
        refuse(link, channel, 406, AMQP_QUEUE_DECLARE_METHOD, "%s", text);
    } else {
        if (queue == NULL)
            queue = fakebroker_add_queue(link->broker, name, arguments);
        uint32_t consumers = 0;
        list_for_each (node, &queue->consumers) {
            consumers++;
        }
        amqp_queue_declare_ok_t ok = {.queue = method->queue,
                                      .message_count = (uint32_t)queue->depth,
                                      .consumer_count = consumers};
        fakelink_say(link, channel->number, AMQP_QUEUE_DECLARE_OK_METHOD, &ok);
    }
    free(name);
}

static void take_qos(struct fakebroker_link *link, struct fakelink_channel *channel,
                     const amqp_basic_qos_t *method)
{
    if (method->prefetch_size != 0) {
        fault(link, 540, AMQP_BASIC_QOS_METHOD, "NOT_IMPLEMENTED - prefetch_size!=0 (%u)",
              method->prefetch_size);
        return;
    }
    channel->prefetch = method->prefetch_count;
    say_nothing_more(link, channel->number, AMQP_BASIC_QOS_OK_METHOD);
}

/* B3 */
static bool take_closing(struct fakebroker_link *link, struct fakelink_channel *channel,
                         uint32_t id)
{
    uint16_t number = channel->number;
    if (id == AMQP_CHANNEL_CLOSE_METHOD)
        say_nothing_more(link, number, AMQP_CHANNEL_CLOSE_OK_METHOD);
    bool ends =
        channel->closing ? id == AMQP_CHANNEL_CLOSE_OK_METHOD : id == AMQP_CHANNEL_CLOSE_METHOD;
    bool closing = channel->closing;
    if (ends)
        drop_channel(link, channel);
    return closing || ends;
}

static void take_open_channel(struct fakebroker_link *link, uint16_t number, uint32_t id)
{
    if (id != AMQP_CHANNEL_OPEN_METHOD) {
        fault(link, 504, id, "CHANNEL_ERROR - expected 'channel.open'");
        return;
    }
    struct fakelink_channel *channel = calloc(1, sizeof *channel);
    ackd_assert(channel != NULL);
    channel->number = number;
    list_init(&channel->unacked);
    list_init(&channel->consumers);
    list_append(&link->channels, &channel->node);
    say_nothing_more(link, number, AMQP_CHANNEL_OPEN_OK_METHOD);
}

static void take_on_channel(struct fakebroker_link *link, uint16_t number, uint32_t id,
                            const void *method, const uint8_t *payload, size_t size)
{
    struct fakelink_channel *channel = fakelink_channel(link, number);
    if (channel == NULL) {
        take_open_channel(link, number, id);
        return;
    }
    if (take_closing(link, channel, id))
        return;
    if (channel->publish.exchange != NULL) {
        fault(link, 505, id, "UNEXPECTED_FRAME - expected content, got %s", method_name(id));
        return;
    }
    switch (id) {
    case AMQP_BASIC_QOS_METHOD:
        take_qos(link, channel, method);
        break;
    case AMQP_BASIC_CONSUME_METHOD:
        take_consume(link, channel, method);
        break;
    case AMQP_BASIC_CANCEL_METHOD:
        take_cancel(link, channel, method);
        break;
    case AMQP_BASIC_CANCEL_OK_METHOD:
        break;
    case AMQP_QUEUE_DECLARE_METHOD:
        take_declare(link, channel, method, payload, size);
        break;
    case AMQP_QUEUE_DELETE_METHOD:
        take_delete(link, channel, method);
        break;
    case AMQP_CONFIRM_SELECT_METHOD:
        channel->confirms = true;
        say_nothing_more(link, number, AMQP_CONFIRM_SELECT_OK_METHOD);
        break;
    case AMQP_BASIC_PUBLISH_METHOD:
        fakelink_take_publish(link, channel, method);
        break;
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD:
    case AMQP_BASIC_REJECT_METHOD:
        fakelink_take_settlement(link, channel, id, method);
        break;
    case AMQP_CHANNEL_OPEN_METHOD:
        fault(link, 504, id, "CHANNEL_ERROR - second 'channel.open' seen");
        break;
    default:
        fault(link, 540, id, "NOT_IMPLEMENTED - %s", method_name(id));
    }
}

static void take_content(struct fakebroker_link *link, const struct frame *frame,
                         const uint8_t *payload)
{
    struct fakelink_channel *channel = fakelink_channel(link, frame->channel);
    if (channel != NULL && channel->closing)
        return;
    const char *wrong = channel == NULL ? "UNEXPECTED_FRAME - content on no channel"
                                        : fakelink_take_content(link, channel, frame, payload);
    if (wrong != NULL)
        fault(link, wrong[0] == 'U' ? 505 : 501, 0, "%s", wrong);
}

static void take_frame(struct fakebroker_link *link, const struct frame *frame,
                       const uint8_t *payload)
{
    if (frame->type == FRAME_HEARTBEAT) {
        link->broker->counts.heartbeats++;
        return;
    }
    if (link->state == FAKELINK_CLOSING && frame->channel != 0)
        return;
    if (frame->type != FRAME_METHOD) {
        take_content(link, frame, payload);
        return;
    }
    uint32_t id = 0;
    void *method = NULL;
    if (method_read(&link->pool, payload, frame->size, &id, &method) != ACKD_OK) {
        fault(link, 502, 0, "SYNTAX_ERROR - %.200s", ackd_error_text(ackd_error_current()));
        return;
    }
    if (frame->channel == 0)
        take_on_connection(link, id, method);
    else if (link->state == FAKELINK_RUNNING)
        take_on_channel(link, frame->channel, id, method, payload, frame->size);
    else
        fault(link, 504, id, "CHANNEL_ERROR - the connection is not open");
}

static bool read_header(struct fakebroker_link *link)
{
    if (buffer_size(&link->input) < 8)
        return false;
    if (memcmp(buffer_bytes(&link->input), "AMQP\0\0\x09\x01", 8) != 0) {
        int code = buffer_append(&link->output, "AMQP\0\0\x09\x01", 8);
        ackd_assert(code == ACKD_OK);
        link->broker->counts.faults++;
        link->state = FAKELINK_ENDED;
        return false;
    }
    buffer_consume(&link->input, 8);
    say_start(link);
    return true;
}

void fakelink_read(struct fakebroker_link *link)
{
    if (link->state == FAKELINK_HEADER && !read_header(link))
        return;
    while (link->state != FAKELINK_ENDED && !link->silent && !(link->blocked && link->publishes)) {
        struct frame frame;
        size_t taken = 0;
        if (frame_take(buffer_bytes(&link->input), buffer_size(&link->input), &link->limits, &frame,
                       &taken) != ACKD_OK) {
            fault(link, 501, 0, "FRAME_ERROR - %.200s", ackd_error_text(ackd_error_current()));
            link->state = FAKELINK_ENDED;
            return;
        }
        if (taken == 0)
            return;
        take_frame(link, &frame, buffer_bytes(&link->input) + FRAME_HEAD_SIZE);
        buffer_consume(&link->input, taken);
    }
}

/* SPDX-License-Identifier: MIT */
/* fakebroker - its queues, who gets the next message, and what a test can do to it. */
#include <config.h>

#include "fakebroker.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/properties.h"
#include "amqp/wire.h"
#include "base/assert.h"
#include "base/timer.h"
#include "fakelink.h"

enum { OUTPUT_FULL = 1024 * 1024 }; /* no delivery is added to more than so many bytes */

struct binding {
    struct list node;
    char *exchange;
    char *routing_key;
    char *queue;
};

char *fakebroker_strdup(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    ackd_assert(copy != NULL);
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

static char *copy_of(const char *text)
{
    return text == NULL ? NULL : fakebroker_strdup(text, strlen(text));
}

struct fakebroker *fakebroker_new(const struct fakebroker_options *options)
{
    struct fakebroker *broker = calloc(1, sizeof *broker);
    ackd_assert(broker != NULL);
    broker->options = *options;
    if (options->frame_max == 0)
        broker->options.frame_max = FRAME_MAX_DEFAULT;
    if (options->channel_max == 0)
        broker->options.channel_max = 2047;
    if (options->heartbeat_s == 0)
        broker->options.heartbeat_s = 60;
    broker->silent_from = FAKEBROKER_NEVER;
    broker->version = copy_of(options->version == NULL ? "3.10.8" : options->version);
    char *minor = NULL;
    unsigned long major = strtoul(broker->version, &minor, 10);
    broker->nack_counts = major < 4 || (major == 4 && strtoul(minor + 1, NULL, 10) < 3);
    broker->user = copy_of(options->user);
    broker->password = copy_of(options->password);
    broker->vhost = copy_of(options->vhost == NULL ? "/" : options->vhost);
    list_init(&broker->queues);
    list_init(&broker->bindings);
    list_init(&broker->links);
    return broker;
}

void fakebroker_free(struct fakebroker **broker)
{
    struct fakebroker *freed = *broker;
    if (freed == NULL)
        return;
    while (!list_empty(&freed->links)) {
        struct fakebroker_link *link = LIST_ITEM(freed->links.next, fakebroker_link, node);
        fakebroker_hang_up(&link);
    }
    while (!list_empty(&freed->queues))
        fakequeue_free(LIST_ITEM(freed->queues.next, fakequeue, node));
    while (!list_empty(&freed->bindings)) {
        struct binding *binding = LIST_ITEM(freed->bindings.next, binding, node);
        list_remove(&binding->node);
        free(binding->exchange);
        free(binding->routing_key);
        free(binding->queue);
        free(binding);
    }
    free(freed->version);
    free(freed->user);
    free(freed->password);
    free(freed->vhost);
    free(freed->blocked);
    free(freed);
    *broker = NULL;
}

const struct fakebroker_counts *fakebroker_counts(const struct fakebroker *broker)
{
    return &broker->counts;
}

void fakebroker_observe(struct fakebroker *broker, const struct fakebroker_observer *observer)
{
    broker->observer = *observer;
}

void fakebroker_tell(const struct fakebroker *broker, const struct fakebroker_event *event)
{
    if (broker->observer.happened != NULL && event->number != 0)
        broker->observer.happened(event, broker->observer.arg);
}

void fakebroker_happened(struct fakebroker *broker, enum fakebroker_fate fate,
                         const struct fakequeue *queue, const struct fakequeue_message *message)
{
    struct fakebroker_event event = {.fate = fate,
                                     .queue = queue == NULL ? message->routing_key : queue->name,
                                     .number = message->number,
                                     .serial = message->serial,
                                     .body = {message->body, message->body_size}};
    fakebroker_tell(broker, &event);
}

void fakebroker_note(struct fakebroker *broker, const char *text)
{
    if (broker->note[0] == '\0')
        snprintf(broker->note, sizeof broker->note, "%s", text);
}

const char *fakebroker_first_fault(const struct fakebroker *broker)
{
    return broker->note;
}

struct fakequeue *fakebroker_find(const struct fakebroker *broker, const char *name)
{
    list_for_each (node, &broker->queues) {
        struct fakequeue *queue = LIST_ITEM(node, fakequeue, node);
        if (strcmp(queue->name, name) == 0)
            return queue;
    }
    return NULL;
}

struct fakequeue *fakebroker_add_queue(struct fakebroker *broker, const char *name,
                                       struct ackd_bytes arguments)
{
    struct fakequeue *queue = fakequeue_new(name, arguments);
    bool limits = strtoul(broker->version, NULL, 10) >= 4;
    if (limits && queue->quorum && queue->delivery_limit == UINT64_MAX)
        queue->delivery_limit = 20;
    list_append(&broker->queues, &queue->node);
    return queue;
}

/* A queue that the test says is there. */
static struct fakequeue *queue_of(const struct fakebroker *broker, const char *name)
{
    struct fakequeue *queue = fakebroker_find(broker, name);
    ackd_assert(queue != NULL);
    return queue;
}

/* Delivering. */

static bool can_take(const struct fakelink_consumer *consumer)
{
    struct fakebroker_link *link = consumer->link;
    if (link->state != FAKELINK_RUNNING || link->silent || link->blocked)
        return false;
    if (buffer_size(&link->output) > OUTPUT_FULL) {
        link->was_full = true;
        return false;
    }
    if (consumer->starved)
        return false;
    return consumer->prefetch == 0 || consumer->no_ack ||
           consumer->unacked < (uint64_t)consumer->prefetch + link->broker->more;
}

/* The next consumer of the queue, in turn; NULL if none can take a message. */
static struct fakelink_consumer *next_consumer(struct fakequeue *queue)
{
    list_for_each (node, &queue->consumers) {
        struct fakelink_consumer *consumer = LIST_ITEM(node, fakelink_consumer, in_queue);
        if (can_take(consumer)) {
            if (!queue->single_active) {
                list_remove(&consumer->in_queue);
                list_append(&queue->consumers, &consumer->in_queue);
            }
            return consumer;
        }
        if (queue->single_active)
            return NULL;
    }
    return NULL;
}

static void expire(struct fakebroker *broker, struct fakequeue *queue)
{
    struct fakequeue_message *message;
    while ((message = fakequeue_take_due(queue, broker->now_ns)) != NULL) {
        broker->counts.expired++;
        fakebroker_bury(broker, queue, message);
    }
}

void fakebroker_pump(struct fakebroker *broker)
{
    list_for_each (node, &broker->queues) {
        expire(broker, LIST_ITEM(node, fakequeue, node)); /* may fill any other queue */
    }
    list_for_each (node, &broker->queues) {
        struct fakequeue *queue = LIST_ITEM(node, fakequeue, node);
        struct fakelink_consumer *consumer;
        while (queue->depth > 0 && (consumer = next_consumer(queue)) != NULL)
            fakelink_deliver(consumer, fakequeue_take(queue));
    }
}

/* Routing. */

/* Whether the queue takes one more. Where it may not refuse, the oldest makes room. */
static bool make_room(struct fakebroker *broker, struct fakequeue *queue)
{
    if (queue->depth < queue->max_length)
        return true;
    if (queue->reject_publish)
        return false;
    struct fakequeue_message *oldest = fakequeue_take(queue);
    if (oldest != NULL)
        fakebroker_bury(broker, queue, oldest);
    return true;
}

static bool store(struct fakebroker *broker, struct fakequeue *queue, const char *exchange,
                  const char *routing_key, struct ackd_bytes properties, struct ackd_bytes body)
{
    if (!make_room(broker, queue))
        return false;
    fakequeue_put(queue, fakequeue_message_new(exchange, routing_key, properties, body),
                  broker->now_ns);
    return true;
}

int fakebroker_route(struct fakebroker *broker, const char *exchange, const char *routing_key,
                     struct ackd_bytes properties, struct ackd_bytes body, bool *ret_refused)
{
    int count = 0;
    bool known = exchange[0] == '\0';
    struct fakequeue *queue = known ? fakebroker_find(broker, routing_key) : NULL;
    if (queue != NULL) {
        count++;
        *ret_refused = !store(broker, queue, exchange, routing_key, properties, body);
    }
    list_for_each (node, &broker->bindings) {
        const struct binding *binding = LIST_ITEM(node, binding, node);
        if (strcmp(binding->exchange, exchange) != 0)
            continue;
        known = true;
        queue = fakebroker_find(broker, binding->queue);
        if (queue == NULL || strcmp(binding->routing_key, routing_key) != 0)
            continue;
        count++;
        if (!store(broker, queue, exchange, routing_key, properties, body))
            *ret_refused = true;
    }
    return known ? count : -1;
}

void fakebroker_bury(struct fakebroker *broker, struct fakequeue *queue,
                     struct fakequeue_message *message)
{
    int routed = 0;
    if (queue != NULL && queue->dead_letters) {
        bool refused = false;
        struct ackd_bytes properties = {.data = message->properties,
                                        .size = message->properties_size};
        struct ackd_bytes body = {.data = message->body, .size = message->body_size};
        routed = fakebroker_route(broker, queue->dead_exchange,
                                  queue->dead_key == NULL ? message->routing_key : queue->dead_key,
                                  properties, body, &refused);
        if (refused)
            routed = 0;
    }
    if (routed > 0)
        broker->counts.dead_lettered++;
    else
        broker->counts.dropped++;
    fakebroker_happened(broker, routed > 0 ? FAKEBROKER_MOVED : FAKEBROKER_DROPPED, queue, message);
    fakequeue_message_free(message);
}

void fakebroker_requeue(struct fakebroker *broker, struct fakelink_unacked *unacked, bool counted)
{
    struct fakequeue_message *message = unacked->message;
    struct fakequeue *queue = unacked->queue;
    free(unacked);
    if (message == NULL)
        return;
    if (queue == NULL) {
        fakequeue_message_free(message);
        return;
    }
    if (queue->quorum && counted) {
        message->given_back++;
        if (message->given_back > queue->delivery_limit) {
            fakebroker_bury(broker, queue, message);
            return;
        }
        fakequeue_message_set_integer(message, "x-delivery-count", message->given_back);
    }
    fakequeue_give_back(queue, message);
}

/* Time. */

static bool beats(const struct fakebroker_link *link)
{
    return link->heartbeat_s > 0 && !link->silent &&
           (link->state == FAKELINK_RUNNING || link->state == FAKELINK_OPEN);
}

static void beat(struct fakebroker_link *link, uint64_t now_ns)
{
    uint64_t interval_ns = (uint64_t)link->heartbeat_s * NS_PER_S;
    if (!beats(link))
        return;
    if (now_ns - link->heard_ns >= 3 * interval_ns) {
        link->state = FAKELINK_ENDED;
        fakelink_drop_channels(link);
        return;
    }
    if (now_ns - link->beat_ns < interval_ns / 2)
        return;
    uint8_t bytes[FRAME_OVERHEAD];
    frame_put_end(frame_put_head(bytes, FRAME_HEARTBEAT, 0, 0));
    int code = buffer_append(&link->output, bytes, sizeof bytes);
    ackd_assert(code == ACKD_OK);
    link->beat_ns = now_ns;
}

void fakebroker_tick(struct fakebroker *broker, uint64_t now_ns)
{
    ackd_assert(now_ns >= broker->now_ns);
    broker->now_ns = now_ns;
    list_for_each (node, &broker->links) {
        beat(LIST_ITEM(node, fakebroker_link, node), now_ns);
    }
    fakebroker_pump(broker);
}

uint64_t fakebroker_next_ns(const struct fakebroker *broker)
{
    uint64_t next_ns = UINT64_MAX;
    list_for_each (node, &broker->queues) {
        uint64_t due_ns = fakequeue_due_ns(LIST_ITEM(node, fakequeue, node));
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    list_for_each (node, &broker->links) {
        const struct fakebroker_link *link = LIST_ITEM(node, fakebroker_link, node);
        uint64_t due_ns = link->beat_ns + (uint64_t)link->heartbeat_s * NS_PER_S / 2;
        if (beats(link) && due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns;
}

/* Links. */

struct fakebroker_link *fakebroker_accept(struct fakebroker *broker)
{
    struct fakebroker_link *link = calloc(1, sizeof *link);
    ackd_assert(link != NULL);
    link->broker = broker;
    link->silent = broker->silent || broker->silent_from == FAKEBROKER_GREETING;
    link->frame_max = FRAME_MAX_DEFAULT;
    link->heard_ns = broker->now_ns;
    link->beat_ns = broker->now_ns;
    link->limits = (struct frame_limits){.method_max = 4096 - FRAME_OVERHEAD};
    buffer_init(&link->input, SIZE_MAX / 2);
    buffer_init(&link->output, SIZE_MAX / 2);
    init_amqp_pool(&link->pool, METHOD_POOL_PAGE);
    list_init(&link->channels);
    list_append(&broker->links, &link->node);
    return link;
}

void fakebroker_receive(struct fakebroker_link *link, const void *bytes, size_t size)
{
    int code = buffer_append(&link->input, bytes, size);
    ackd_assert(code == ACKD_OK);
    link->heard_ns = link->broker->now_ns;
    if (link->silent)
        return;
    fakelink_read(link);
    fakebroker_pump(link->broker);
}

struct buffer *fakebroker_output(struct fakebroker_link *link)
{
    return &link->output;
}

void fakebroker_sent(struct fakebroker_link *link)
{
    if (link->was_full && buffer_size(&link->output) <= OUTPUT_FULL) {
        link->was_full = false;
        fakebroker_pump(link->broker);
    }
}

bool fakebroker_running(const struct fakebroker_link *link)
{
    return link->state == FAKELINK_RUNNING && !link->silent;
}

uint16_t fakebroker_channel(const struct fakebroker_link *link, size_t index)
{
    list_for_each (node, &link->channels) {
        const struct fakelink_channel *channel = LIST_ITEM(node, fakelink_channel, node);
        if (!channel->closing && index-- == 0)
            return channel->number;
    }
    return 0;
}

bool fakebroker_ended(const struct fakebroker_link *link)
{
    return link->state == FAKELINK_ENDED;
}

void fakebroker_hang_up(struct fakebroker_link **link)
{
    struct fakebroker_link *freed = *link;
    struct fakebroker *broker = freed->broker;
    freed->state = FAKELINK_ENDED;
    fakelink_drop_channels(freed);
    list_remove(&freed->node);
    buffer_fini(&freed->input);
    buffer_fini(&freed->output);
    empty_amqp_pool(&freed->pool);
    free(freed);
    *link = NULL;
    fakebroker_pump(broker);
}

struct fakebroker_link *fakebroker_first_link(struct fakebroker *broker)
{
    return list_empty(&broker->links) ? NULL : LIST_ITEM(broker->links.next, fakebroker_link, node);
}

struct fakebroker_link *fakebroker_next_link(struct fakebroker_link *link)
{
    return link->node.next == &link->broker->links
               ? NULL
               : LIST_ITEM(link->node.next, fakebroker_link, node);
}

/* Queues. */

static uint8_t *put_text(uint8_t *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

void fakebroker_declare(struct fakebroker *broker, const char *queue,
                        const struct fakebroker_argument *arguments, size_t count)
{
    uint8_t bytes[2048];
    uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        size_t key = strlen(arguments[i].key);
        size_t text = strlen(arguments[i].text);
        ackd_assert((size_t)(bytes + sizeof bytes - at) > key + text + 6);
        at = put_text(wire_put_8(at, (uint8_t)key), arguments[i].key, key);
        at = put_text(wire_put_32(wire_put_8(at, 'S'), (uint32_t)text), arguments[i].text, text);
    }
    ackd_assert(fakebroker_find(broker, queue) == NULL);
    struct ackd_bytes encoded = {.data = bytes, .size = (size_t)(at - bytes)};
    fakebroker_add_queue(broker, queue, encoded);
}

void fakebroker_bind(struct fakebroker *broker, const char *exchange, const char *routing_key,
                     const char *queue)
{
    struct binding *binding = calloc(1, sizeof *binding);
    ackd_assert(binding != NULL);
    binding->exchange = copy_of(exchange);
    binding->routing_key = copy_of(routing_key);
    binding->queue = copy_of(queue);
    list_append(&broker->bindings, &binding->node);
}

void fakebroker_put(struct fakebroker *broker, const char *queue,
                    const struct properties *properties, struct ackd_bytes body)
{
    static const struct properties none = {.delivery_mode = -1, .priority = -1};
    if (properties == NULL)
        properties = &none;
    size_t size = 0;
    int code = properties_measure(properties, NULL, 0, &size);
    ackd_assert(code == ACKD_OK);
    uint8_t *bytes = malloc(size);
    ackd_assert(bytes != NULL);
    properties_write(bytes, properties, NULL, 0);
    bool stored = store(broker, queue_of(broker, queue), "", queue,
                        (struct ackd_bytes){.data = bytes, .size = size}, body);
    ackd_assert(stored);
    free(bytes);
    fakebroker_pump(broker);
}

bool fakebroker_has_queue(const struct fakebroker *broker, const char *queue)
{
    return fakebroker_find(broker, queue) != NULL;
}

size_t fakebroker_depth(const struct fakebroker *broker, const char *queue)
{
    return queue_of(broker, queue)->depth;
}

size_t fakebroker_unacked(const struct fakebroker *broker, const char *queue)
{
    return queue_of(broker, queue)->unacked;
}

size_t fakebroker_consumers(const struct fakebroker *broker, const char *queue)
{
    size_t count = 0;
    list_for_each (node, &queue_of(broker, queue)->consumers) {
        count++;
    }
    return count;
}

bool fakebroker_look(const struct fakebroker *broker, const char *queue, size_t index,
                     struct arena *arena, struct ackd_bytes *ret_body,
                     struct properties *ret_properties)
{
    list_for_each (node, &queue_of(broker, queue)->ready) {
        if (index-- > 0)
            continue;
        const struct fakequeue_message *message = LIST_ITEM(node, fakequeue_message, node);
        *ret_body = (struct ackd_bytes){.data = message->body, .size = message->body_size};
        return properties_read(message->properties, message->properties_size, arena,
                               ret_properties) == ACKD_OK;
    }
    return false;
}

bool fakebroker_drop_first(struct fakebroker *broker, const char *queue)
{
    struct fakequeue_message *message = fakequeue_take(queue_of(broker, queue));
    if (message == NULL)
        return false;
    fakequeue_message_free(message);
    return true;
}

/* Faults. */

void fakebroker_close_channel(struct fakebroker_link *link, uint16_t channel, uint16_t code,
                              const char *text)
{
    fakelink_close_channel(link, channel, code, 0, text);
    fakebroker_pump(link->broker);
}

void fakebroker_close_connection(struct fakebroker_link *link, uint16_t code, const char *text)
{
    fakelink_close(link, code, 0, text);
    fakebroker_pump(link->broker);
}

void fakebroker_cancel(struct fakebroker *broker, const char *queue)
{
    struct fakequeue *canceled = queue_of(broker, queue);
    while (!list_empty(&canceled->consumers)) {
        struct fakelink_consumer *consumer =
            LIST_ITEM(canceled->consumers.next, fakelink_consumer, in_queue);
        amqp_basic_cancel_t cancel = {.consumer_tag = amqp_cstring_bytes(consumer->tag),
                                      .nowait = 1};
        fakelink_say(consumer->link, consumer->channel->number, AMQP_BASIC_CANCEL_METHOD, &cancel);
        fakelink_cancel(consumer);
    }
}

void fakebroker_forget(struct fakebroker *broker, const char *queue)
{
    struct fakequeue *forgotten = queue_of(broker, queue);
    while (!list_empty(&forgotten->consumers))
        fakelink_cancel(LIST_ITEM(forgotten->consumers.next, fakelink_consumer, in_queue));
}

void fakebroker_starve(struct fakebroker *broker, const char *queue)
{
    list_for_each (node, &queue_of(broker, queue)->consumers)
        LIST_ITEM(node, fakelink_consumer, in_queue)->starved = true;
}

void fakebroker_stray(struct fakebroker *broker, const char *queue, uint16_t count)
{
    list_for_each (node, &queue_of(broker, queue)->consumers)
        LIST_ITEM(node, fakelink_consumer, in_queue)->strays = count;
}

/* Call @visit for all that clients hold of @queue. */
static void each_unacked(struct fakebroker *broker, struct fakequeue *queue,
                         void (*visit)(struct fakebroker *broker, struct fakequeue *queue,
                                       struct fakelink_unacked *unacked))
{
    list_for_each (at_link, &broker->links) {
        list_for_each (at_channel, &LIST_ITEM(at_link, fakebroker_link, node)->channels) {
            list_for_each (node, &LIST_ITEM(at_channel, fakelink_channel, node)->unacked) {
                struct fakelink_unacked *unacked = LIST_ITEM(node, fakelink_unacked, node);
                if (unacked->queue == queue)
                    visit(broker, queue, unacked);
            }
        }
    }
}

static void orphan(struct fakebroker *broker, struct fakequeue *queue,
                   struct fakelink_unacked *unacked)
{
    (void)broker;
    (void)queue;
    unacked->queue = NULL;
}

void fakebroker_delete(struct fakebroker *broker, const char *queue)
{
    struct fakequeue *deleted = queue_of(broker, queue);
    fakebroker_cancel(broker, queue);
    each_unacked(broker, deleted, orphan);
    fakequeue_free(deleted);
}

static void give_back_twice(struct fakebroker *broker, struct fakequeue *queue,
                            struct fakelink_unacked *unacked)
{
    if (unacked->message == NULL)
        return;
    fakebroker_happened(broker, FAKEBROKER_REPEATED, queue, unacked->message);
    fakequeue_give_back(queue, unacked->message);
    unacked->message = NULL;
    queue->unacked--;
    if (unacked->consumer != NULL) {
        unacked->consumer->unacked--;
        unacked->consumer = NULL;
    }
}

void fakebroker_kill_queue(struct fakebroker *broker, const char *queue)
{
    each_unacked(broker, queue_of(broker, queue), give_back_twice);
    fakebroker_pump(broker);
}

void fakebroker_over_deliver(struct fakebroker *broker, uint16_t more)
{
    broker->more = more;
    fakebroker_pump(broker);
}

void fakebroker_silence(struct fakebroker_link *link, bool silent)
{
    link->silent = silent;
    if (!silent)
        fakebroker_receive(link, "", 0);
}

void fakebroker_silence_all(struct fakebroker *broker, bool silent)
{
    broker->silent = silent;
    list_for_each (node, &broker->links) {
        fakebroker_silence(LIST_ITEM(node, fakebroker_link, node), silent);
    }
}

void fakebroker_block(struct fakebroker *broker, const char *reason)
{
    free(broker->blocked);
    broker->blocked = copy_of(reason);
    amqp_connection_blocked_t blocked = {.reason = amqp_cstring_bytes(broker->blocked)};
    list_for_each (node, &broker->links) {
        struct fakebroker_link *link = LIST_ITEM(node, fakebroker_link, node);
        if (!link->publishes || link->blocked || link->state != FAKELINK_RUNNING)
            continue;
        link->blocked = true;
        fakelink_say(link, 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked);
    }
}

void fakebroker_unblock(struct fakebroker *broker)
{
    free(broker->blocked);
    broker->blocked = NULL;
    amqp_connection_unblocked_t unblocked = {0};
    list_for_each (node, &broker->links) {
        struct fakebroker_link *link = LIST_ITEM(node, fakebroker_link, node);
        if (!link->blocked)
            continue;
        link->blocked = false;
        if (link->state == FAKELINK_RUNNING)
            fakelink_say(link, 0, AMQP_CONNECTION_UNBLOCKED_METHOD, &unblocked);
        fakebroker_receive(link, "", 0);
    }
}

void fakebroker_refuse_publishes(struct fakebroker *broker, bool refuse)
{
    broker->refuse_publishes = refuse;
}

void fakebroker_silence_from(struct fakebroker *broker, enum fakebroker_step step)
{
    broker->silent_from = step;
}

void fakebroker_lose_routes(struct fakebroker *broker, bool lose)
{
    broker->lose_routes = lose;
}

void fakebroker_say_confirms(struct fakebroker *broker, enum fakebroker_confirming how)
{
    list_for_each (at_link, &broker->links) {
        struct fakebroker_link *link = LIST_ITEM(at_link, fakebroker_link, node);
        list_for_each (node, &link->channels) {
            fakelink_say_confirms(link, LIST_ITEM(node, fakelink_channel, node), how);
        }
    }
}

bool fakebroker_holds_confirms(const struct fakebroker *broker)
{
    list_for_each (at_link, &broker->links) {
        list_for_each (node, &LIST_ITEM(at_link, fakebroker_link, node)->channels) {
            if (LIST_ITEM(node, fakelink_channel, node)->held_count > 0)
                return true;
        }
    }
    return false;
}

void fakebroker_hold_confirms(struct fakebroker *broker, bool hold)
{
    broker->hold_confirms = hold;
    if (!hold)
        fakebroker_say_confirms(broker, FAKEBROKER_TOGETHER);
}

void fakebroker_mangle(struct fakebroker *broker, enum fakebroker_mangling mangling)
{
    broker->mangling = mangling;
}

void fakebroker_crash(struct fakebroker *broker)
{
    list_for_each (node, &broker->links) {
        struct fakebroker_link *link = LIST_ITEM(node, fakebroker_link, node);
        link->state = FAKELINK_ENDED;
        fakelink_drop_channels(link);
    }
}

void fakebroker_refuse_logins(struct fakebroker *broker, bool refuse)
{
    broker->refuse_logins = refuse;
}

/* SPDX-License-Identifier: MIT */
/* fakepublish - what a client publishes: its content, where it goes, returns and confirms. */
#include <config.h>

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "base/assert.h"
#include "fakelink.h"

void fakelink_drop_publish(struct fakelink_publish *publish)
{
    free(publish->exchange);
    free(publish->routing_key);
    free(publish->properties);
    free(publish->body);
    *publish = (struct fakelink_publish){0};
}

/* How many held confirms from @first on are alike, and may be said as one. */
static size_t run_of_confirms(const struct fakelink_channel *channel, size_t first, bool multiple)
{
    size_t count = 1;
    while (multiple && first + count < channel->held_count &&
           channel->held[first + count].taken == channel->held[first].taken)
        count++;
    return count;
}

/* Say @count held ones from @first on, which are alike, by one method. A nack is always `multiple`
 * where nothing in front of it is unsaid. */
static void say_confirm(struct fakebroker_link *link, const struct fakelink_channel *channel,
                        size_t first, size_t count, bool alone)
{
    const struct fakelink_confirm *last = &channel->held[first + count - 1];
    amqp_basic_ack_t ack = {.delivery_tag = last->tag, .multiple = count > 1};
    amqp_basic_nack_t nack = {.delivery_tag = last->tag, .multiple = !alone};
    if (last->taken)
        fakelink_say(link, channel->number, AMQP_BASIC_ACK_METHOD, &ack);
    else
        fakelink_say(link, channel->number, AMQP_BASIC_NACK_METHOD, &nack);
    for (size_t i = first; i < first + count; i++) {
        const struct fakelink_confirm *confirm = &channel->held[i];
        struct fakebroker_event event = {.fate = confirm->taken ? FAKEBROKER_CONFIRMED
                                                                : FAKEBROKER_REFUSED,
                                         .queue = confirm->routing_key,
                                         .number = confirm->number};
        fakebroker_tell(link->broker, &event);
    }
}

void fakelink_say_confirms(struct fakebroker_link *link, struct fakelink_channel *channel,
                           enum fakebroker_confirming how)
{
    if (channel->held_count > 0 && how == FAKEBROKER_LAST) {
        channel->held_count--;
        say_confirm(link, channel, channel->held_count, 1, channel->held_count > 0);
        return;
    }
    for (size_t first = 0; first < channel->held_count;) {
        size_t count = run_of_confirms(channel, first, how == FAKEBROKER_TOGETHER);
        say_confirm(link, channel, first, count, false);
        first += count;
    }
    channel->held_count = 0;
}

static void confirm(struct fakebroker_link *link, struct fakelink_channel *channel,
                    const struct fakelink_publish *publish, uint64_t number, bool taken)
{
    struct fakebroker *broker = link->broker;
    if (!channel->confirms)
        return;
    if (channel->held_count == channel->held_room) {
        channel->held_room = 2 * channel->held_room + 16;
        channel->held = realloc(channel->held, channel->held_room * sizeof *channel->held);
        ackd_assert(channel->held != NULL);
    }
    struct fakelink_confirm *held = &channel->held[channel->held_count++];
    *held =
        (struct fakelink_confirm){.tag = ++channel->next_confirm, .number = number, .taken = taken};
    snprintf(held->routing_key, sizeof held->routing_key, "%s", publish->routing_key);
    broker->counts.confirmed += taken ? 1 : 0;
    broker->counts.refused += taken ? 0 : 1;
    if (!broker->hold_confirms)
        fakelink_say_confirms(link, channel, FAKEBROKER_TOGETHER);
}

static void give_back(struct fakebroker_link *link, const struct fakelink_channel *channel,
                      const struct fakequeue_message *message)
{
    amqp_basic_return_t back = {.reply_code = 312,
                                .reply_text = amqp_cstring_bytes("NO_ROUTE"),
                                .exchange = amqp_cstring_bytes(message->exchange),
                                .routing_key = amqp_cstring_bytes(message->routing_key)};
    fakelink_say(link, channel->number, AMQP_BASIC_RETURN_METHOD, &back);
    fakelink_say_content(link, channel->number, message);
    link->broker->counts.returned++;
}

/* B4, B5 */
static void finish_publish(struct fakebroker_link *link, struct fakelink_channel *channel)
{
    struct fakebroker *broker = link->broker;
    struct fakelink_publish publish = channel->publish;
    channel->publish = (struct fakelink_publish){0};
    struct ackd_bytes properties = {.data = publish.properties, .size = publish.properties_size};
    struct ackd_bytes body = {.data = publish.body, .size = (size_t)publish.size};
    struct fakequeue_message *message =
        fakequeue_message_new(publish.exchange, publish.routing_key, properties, body);
    bool refused = broker->refuse_publishes;
    int queues = refused ? 1
                 : broker->lose_routes
                     ? 0
                     : fakebroker_route(broker, publish.exchange, publish.routing_key, properties,
                                        body, &refused);
    broker->counts.published++;
    if (queues < 0) {
        char text[256];
        snprintf(text, sizeof text, "NOT_FOUND - no exchange '%.99s' in vhost '%.99s'",
                 publish.exchange, broker->vhost);
        fakelink_close_channel(link, channel->number, 404, AMQP_BASIC_PUBLISH_METHOD, text);
    } else {
        if (queues == 0 && publish.mandatory)
            give_back(link, channel, message);
        if (queues > 0 && !refused)
            fakebroker_happened(broker, FAKEBROKER_STORED, NULL, message);
        confirm(link, channel, &publish, queues > 0 ? message->number : 0, !refused);
    }
    fakequeue_message_free(message);
    fakelink_drop_publish(&publish);
}

void fakelink_take_publish(struct fakebroker_link *link, struct fakelink_channel *channel,
                           const amqp_basic_publish_t *method)
{
    channel->publish = (struct fakelink_publish){
        .exchange = fakebroker_strdup(method->exchange.bytes, method->exchange.len),
        .routing_key = fakebroker_strdup(method->routing_key.bytes, method->routing_key.len),
        .mandatory = method->mandatory != 0};
    if (link->broker->blocked != NULL && !link->publishes) {
        amqp_connection_blocked_t blocked = {.reason = amqp_cstring_bytes(link->broker->blocked)};
        fakelink_say(link, 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked);
        link->blocked = true;
    }
    link->publishes = true;
}

const char *fakelink_take_content(struct fakebroker_link *link, struct fakelink_channel *channel,
                                  const struct frame *frame, const uint8_t *payload)
{
    struct fakelink_publish *publish = &channel->publish;
    if (publish->exchange == NULL || publish->header != (frame->type == FRAME_BODY))
        return "UNEXPECTED_FRAME - content that nobody expects";
    if (frame->type == FRAME_HEADER) {
        publish->header = true;
        publish->size = publish->left = wire_get_64(payload + 4);
        publish->properties_size = frame->size - 12;
        publish->properties =
            (uint8_t *)fakebroker_strdup((const char *)payload + 12, publish->properties_size);
        publish->body = malloc((size_t)publish->size + 1);
        ackd_assert(publish->body != NULL);
    } else if (frame->size > publish->left) {
        return "FRAME_ERROR - more body than announced";
    } else {
        memcpy(publish->body + (publish->size - publish->left), payload, frame->size);
        publish->left -= frame->size;
    }
    if (publish->left == 0)
        finish_publish(link, channel);
    return NULL;
}

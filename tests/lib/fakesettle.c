/* SPDX-License-Identifier: MIT */
/* fakesettle - what a client holds: delivered to it, settled by it, given back when its channel ends. */
#include <config.h>

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "base/assert.h"
#include "fakelink.h"

/* The content frames of a message. The header is never split, whatever frame_max is. */
void fakelink_say_content(struct fakebroker_link *link, uint16_t channel,
                          const struct fakequeue_message *message)
{
    size_t part_max = link->frame_max - FRAME_OVERHEAD;
    size_t parts = (message->body_size + part_max - 1) / part_max;
    size_t header = 12 + message->properties_size;
    size_t size = header + message->body_size + (1 + parts) * FRAME_OVERHEAD;
    uint8_t *at = NULL;
    int code = buffer_reserve(&link->output, size, &at);
    ackd_assert(code == ACKD_OK);
    at = frame_put_head(at, FRAME_HEADER, channel, (uint32_t)header);
    at = wire_put_64(wire_put_16(wire_put_16(at, 60), 0), message->body_size);
    memcpy(at, message->properties, message->properties_size);
    at += message->properties_size;
    frame_put_end(at++);
    for (size_t done = 0; done < message->body_size; done += part_max) {
        size_t part = message->body_size - done;
        part = part < part_max ? part : part_max;
        at = frame_put_head(at, FRAME_BODY, channel, (uint32_t)part);
        memcpy(at, message->body + done, part);
        at += part;
        frame_put_end(at++);
    }
    buffer_commit(&link->output, size);
}

void fakelink_deliver(struct fakelink_consumer *consumer, struct fakequeue_message *message)
{
    struct fakelink_channel *channel = consumer->channel;
    struct fakebroker *broker = consumer->link->broker;
    bool stray = consumer->strays > 0;
    consumer->strays -= stray;
    amqp_basic_deliver_t deliver = {
        .consumer_tag = amqp_cstring_bytes(stray ? "another" : consumer->tag),
        .delivery_tag = ++channel->next_tag,
        .redelivered = message->redelivered,
        .exchange = amqp_cstring_bytes(message->exchange),
        .routing_key = amqp_cstring_bytes(message->routing_key),
    };
    fakequeue_message_set_serial(message, ++broker->serials);
    fakebroker_happened(broker, FAKEBROKER_DELIVERED, consumer->queue, message);
    fakelink_say(consumer->link, channel->number, AMQP_BASIC_DELIVER_METHOD, &deliver);
    fakelink_say_content(consumer->link, channel->number, message);
    broker->counts.delivered++;
    broker->counts.redelivered += message->redelivered ? 1 : 0;
    if (consumer->no_ack) {
        broker->counts.acked++;
        fakequeue_message_free(message);
        return;
    }
    struct fakelink_unacked *unacked = calloc(1, sizeof *unacked);
    ackd_assert(unacked != NULL);
    *unacked = (struct fakelink_unacked){.tag = deliver.delivery_tag,
                                         .number = message->number,
                                         .serial = message->serial,
                                         .message = message,
                                         .queue = consumer->queue,
                                         .consumer = consumer};
    list_append(&channel->unacked, &unacked->node);
    consumer->unacked++;
    consumer->queue->unacked++;
}

/* The broker holds it no longer: whatever becomes of its message. */
static void forget_unacked(struct fakebroker *broker, struct fakelink_unacked *unacked,
                           enum fakebroker_fate fate)
{
    struct fakebroker_event event = {.fate = fate,
                                     .queue = unacked->queue == NULL ? "" : unacked->queue->name,
                                     .number = unacked->number,
                                     .serial = unacked->serial,
                                     .held = unacked->message != NULL};
    fakebroker_tell(broker, &event);
    if (unacked->consumer != NULL)
        unacked->consumer->unacked--;
    if (unacked->queue != NULL && unacked->message != NULL)
        unacked->queue->unacked--;
    list_remove(&unacked->node);
}

void fakelink_cancel(struct fakelink_consumer *consumer)
{
    list_for_each (node, &consumer->channel->unacked) {
        struct fakelink_unacked *unacked = LIST_ITEM(node, fakelink_unacked, node);
        if (unacked->consumer == consumer)
            unacked->consumer = NULL;
    }
    list_remove(&consumer->in_queue);
    list_remove(&consumer->in_channel);
    free(consumer->tag);
    free(consumer);
}

/* B2 */
void fakelink_give_back(struct fakebroker_link *link, struct fakelink_channel *channel)
{
    while (!list_empty(&channel->consumers))
        fakelink_cancel(LIST_ITEM(channel->consumers.next, fakelink_consumer, in_channel));
    while (!list_empty(&channel->unacked)) {
        /* The newest first: each goes in front of the last. */
        struct list *node = channel->unacked.previous;
        struct fakelink_unacked *unacked = LIST_ITEM(node, fakelink_unacked, node);
        forget_unacked(link->broker, unacked, FAKEBROKER_GIVEN_BACK);
        link->broker->counts.given_back += unacked->message != NULL ? 1 : 0;
        fakebroker_requeue(link->broker, unacked, true);
    }
}

static void settle_one(struct fakebroker_link *link, struct fakelink_unacked *unacked,
                       enum fakebroker_fate fate)
{
    struct fakebroker *broker = link->broker;
    forget_unacked(broker, unacked, fate);
    if (fate == FAKEBROKER_RELEASED) {
        broker->counts.released++;
        fakebroker_requeue(broker, unacked, broker->nack_counts);
        return;
    }
    if (fate == FAKEBROKER_RETRIED) {
        broker->counts.retried++;
        fakebroker_requeue(broker, unacked, true);
        return;
    }
    if (fate == FAKEBROKER_ACKED) {
        broker->counts.acked++;
        if (unacked->message != NULL)
            fakequeue_message_free(unacked->message);
    } else {
        broker->counts.rejected++;
        if (unacked->message != NULL)
            fakebroker_bury(broker, unacked->queue, unacked->message);
    }
    free(unacked);
}

/* B1 */
static void settle(struct fakebroker_link *link, struct fakelink_channel *channel, uint64_t tag,
                   bool multiple, enum fakebroker_fate fate, uint32_t id)
{
    bool known = tag == 0 && multiple;
    list_for_each (node, &channel->unacked) {
        const struct fakelink_unacked *unacked = LIST_ITEM(node, fakelink_unacked, node);
        known = known || unacked->tag == tag;
        if (unacked->tag >= tag)
            break;
    }
    if (!known) {
        char text[96];
        snprintf(text, sizeof text, "PRECONDITION_FAILED - unknown delivery tag %" PRIu64, tag);
        link->broker->counts.unknown_tags++;
        fakebroker_note(link->broker, text);
        fakelink_close_channel(link, channel->number, 406, id, text);
        return;
    }
    struct list *node = channel->unacked.next;
    while (node != &channel->unacked) {
        struct fakelink_unacked *unacked = LIST_ITEM(node, fakelink_unacked, node);
        node = node->next;
        if (tag != 0 && unacked->tag > tag)
            break;
        if (multiple || unacked->tag == tag)
            settle_one(link, unacked, fate);
    }
}

void fakelink_take_settlement(struct fakebroker_link *link, struct fakelink_channel *channel,
                              uint32_t id, const void *method)
{
    if (id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = method;
        link->broker->counts.ack_frames++;
        settle(link, channel, ack->delivery_tag, ack->multiple != 0, FAKEBROKER_ACKED, id);
    } else if (id == AMQP_BASIC_NACK_METHOD) {
        const amqp_basic_nack_t *nack = method;
        settle(link, channel, nack->delivery_tag, nack->multiple != 0,
               nack->requeue ? FAKEBROKER_RELEASED : FAKEBROKER_REJECTED, id);
    } else {
        const amqp_basic_reject_t *reject = method;
        settle(link, channel, reject->delivery_tag, false,
               reject->requeue ? FAKEBROKER_RETRIED : FAKEBROKER_REJECTED, id);
    }
}

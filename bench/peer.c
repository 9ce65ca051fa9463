/* SPDX-License-Identifier: MIT */
/* peer - see the header. What it does not know it refuses by ending the connection. */
#include <config.h>

#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

/* A method that was read: what stands behind its id. */
struct peer_method {
    uint16_t channel;
    const uint8_t *at;
    size_t size;
};

struct peer *peer_new(int fd, const struct peer_offer *offer, struct peer_counts *counts)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->fd = fd;
    peer->offer = offer;
    peer->counts = counts;
    return peer;
}

static void peer_forget_consumer(struct peer *peer)
{
    peer->counts->abandoned += peer->window.open;
    peer->window.open = 0;
    peer->consuming = false;
    peer->channel = 0;
    hose_cut(&peer->hose);
}

void peer_free(struct peer **peer)
{
    struct peer *freed = *peer;
    if (freed == NULL)
        return;
    *peer = NULL;
    peer_forget_consumer(freed);
    hose_fini(&freed->hose);
    close(freed->fd);
    free(freed);
}

static void peer_fail(struct peer *peer, const char *what, uint32_t id)
{
    fprintf(stderr, "firehose: %s (%u.%u)\n", what, id >> 16, id & 0xffff);
    peer->counts->wrong++;
    peer->closed = true;
}

/* Where the next answer goes: at least 512 bytes. */
static uint8_t *peer_answer(struct peer *peer)
{
    if (peer->out_size + 512 > PEER_OUT)
        peer_write(peer);
    if (peer->out_size + 512 > PEER_OUT) {
        peer_fail(peer, "answers are not read", 0);
        peer->out_size = 0;
    }
    return peer->out + peer->out_size;
}

static void peer_answered(struct peer *peer, uint8_t *frame, uint8_t *at)
{
    peer->out_size = (size_t)(wire_end(frame, at) - peer->out);
}

/* An answer without arguments. */
static void peer_say(struct peer *peer, uint16_t channel, uint32_t id)
{
    uint8_t *frame = peer_answer(peer);
    peer_answered(peer, frame, wire_begin_method(frame, channel, id));
}

static uint8_t *peer_put_capability(uint8_t *at, const char *name)
{
    at = wire_put_short(at, name);
    at = wire_put8(at, 't');
    return wire_put8(at, 1);
}

static uint8_t *peer_put_field(uint8_t *at, const char *name, const char *text)
{
    at = wire_put_short(at, name);
    at = wire_put8(at, 'S');
    return wire_put_long(at, text, strlen(text));
}

static void peer_start(struct peer *peer)
{
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, 0, WIRE_CONNECTION_START);
    at = wire_put8(at, 0);
    at = wire_put8(at, 9);
    uint8_t *properties = at;
    at = wire_put32(at, 0);
    at = peer_put_field(at, "product", "firehose");
    at = peer_put_field(at, "version", "3.10.8");
    at = wire_put_short(at, "capabilities");
    at = wire_put8(at, 'F');
    uint8_t *capabilities = at;
    at = wire_put32(at, 0);
    at = peer_put_capability(at, "publisher_confirms");
    at = peer_put_capability(at, "basic.nack");
    at = peer_put_capability(at, "consumer_cancel_notify");
    at = peer_put_capability(at, "connection.blocked");
    wire_put32(capabilities, (uint32_t)(at - capabilities - 4));
    wire_put32(properties, (uint32_t)(at - properties - 4));
    at = wire_put_long(at, "PLAIN", 5);
    at = wire_put_long(at, "en_US", 5);
    peer_answered(peer, frame, at);
}

/* No heartbeats: a run is short, and what they cost would be counted as the consumer's. */
static void peer_tune(struct peer *peer, const struct peer_method *method)
{
    (void)method;
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, 0, WIRE_CONNECTION_TUNE);
    at = wire_put16(at, 2047);
    at = wire_put32(at, WIRE_FRAME_MAX);
    at = wire_put16(at, 0);
    peer_answered(peer, frame, at);
}

static void peer_nothing(struct peer *peer, const struct peer_method *method)
{
    (void)peer;
    (void)method;
}

static void peer_open(struct peer *peer, const struct peer_method *method)
{
    (void)method;
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, 0, WIRE_CONNECTION_OPEN_OK);
    peer_answered(peer, frame, wire_put_short(at, ""));
}

static void peer_close(struct peer *peer, const struct peer_method *method)
{
    (void)method;
    peer_forget_consumer(peer);
    peer_say(peer, 0, WIRE_CONNECTION_CLOSE_OK);
    peer_write(peer);
    peer->closed = true;
}

static void peer_open_channel(struct peer *peer, const struct peer_method *method)
{
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, method->channel, WIRE_CHANNEL_OPEN_OK);
    peer_answered(peer, frame, wire_put_long(at, "", 0));
}

static void peer_close_channel(struct peer *peer, const struct peer_method *method)
{
    if (method->channel == peer->channel)
        peer_forget_consumer(peer);
    peer_say(peer, method->channel, WIRE_CHANNEL_CLOSE_OK);
}

static void peer_qos(struct peer *peer, const struct peer_method *method)
{
    if (method->size >= 6)
        peer->prefetch = wire_get16(method->at + 4);
    peer_say(peer, method->channel, WIRE_BASIC_QOS_OK);
}

/* The short string at @offset, terminated, in @text of 256 bytes; the offset behind it, or 0. */
static size_t peer_text(const struct peer_method *method, size_t offset, char *text)
{
    if (offset >= method->size || offset + 1 + method->at[offset] > method->size)
        return 0;
    size_t size = method->at[offset];
    memcpy(text, method->at + offset + 1, size);
    text[size] = '\0';
    return offset + 1 + size;
}

static void peer_consume(struct peer *peer, const struct peer_method *method)
{
    char queue[256];
    size_t offset = peer_text(method, 2, queue);
    if (offset == 0 || peer_text(method, offset, peer->consumer_tag) == 0 || peer->consuming ||
        !hose_is_empty(&peer->hose)) {
        peer_fail(peer, "one consumer per connection", WIRE_BASIC_CONSUME);
        return;
    }
    if (peer->consumer_tag[0] == '\0')
        snprintf(peer->consumer_tag, sizeof peer->consumer_tag, "amq.ctag-bench");
    peer->channel = method->channel;
    peer->consuming = true;
    window_init(&peer->window, peer->prefetch > 0 ? peer->prefetch : peer->offer->window);
    hose_fini(&peer->hose);
    hose_init(&peer->hose, peer->channel, peer->consumer_tag, peer->offer->body_size);
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, peer->channel, WIRE_BASIC_CONSUME_OK);
    peer_answered(peer, frame, wire_put_short(at, peer->consumer_tag));
}

static void peer_cancel(struct peer *peer, const struct peer_method *method)
{
    (void)method;
    peer->consuming = false;
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, peer->channel, WIRE_BASIC_CANCEL_OK);
    peer_answered(peer, frame, wire_put_short(at, peer->consumer_tag));
}

static void peer_declare(struct peer *peer, const struct peer_method *method)
{
    char queue[256];
    if (peer_text(method, 2, queue) == 0) {
        peer_fail(peer, "a queue without a name", WIRE_QUEUE_DECLARE);
        return;
    }
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, method->channel, WIRE_QUEUE_DECLARE_OK);
    at = wire_put_short(at, queue);
    at = wire_put32(at, 0);
    at = wire_put32(at, 1);
    peer_answered(peer, frame, at);
}

static void peer_confirm_select(struct peer *peer, const struct peer_method *method)
{
    peer->confirms = true;
    peer_say(peer, method->channel, WIRE_CONFIRM_SELECT_OK);
}

static void peer_publish(struct peer *peer, const struct peer_method *method)
{
    peer->publish_channel = method->channel;
    peer->header_awaited = true;
}

static void peer_published(struct peer *peer)
{
    peer->counts->published++;
    peer->published++;
    if (!peer->confirms)
        return;
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, peer->publish_channel, WIRE_BASIC_ACK);
    at = wire_put64(at, peer->published);
    peer_answered(peer, frame, wire_put8(at, 0));
}

/* P2 */
static void peer_refuse(struct peer *peer, uint64_t tag)
{
    char text[96];
    snprintf(text, sizeof text, "PRECONDITION_FAILED - unknown delivery tag %llu",
             (unsigned long long)tag);
    fprintf(stderr, "firehose: %s\n", text);
    peer->counts->wrong++;
    uint16_t channel = peer->channel;
    peer_forget_consumer(peer);
    uint8_t *frame = peer_answer(peer);
    uint8_t *at = wire_begin_method(frame, channel, WIRE_CHANNEL_CLOSE);
    at = wire_put16(at, 406);
    at = wire_put_short(at, text);
    at = wire_put32(at, WIRE_BASIC_ACK);
    peer_answered(peer, frame, at);
}

/* Tag and bits stand alike in ack, nack and reject; only reject has no `multiple`. */
static int64_t peer_settle(struct peer *peer, const struct peer_method *method,
                           bool may_be_multiple)
{
    if (method->size != 9 || method->channel != peer->channel)
        return 0; /* of a channel that was closed meanwhile */
    uint64_t tag = wire_get64(method->at);
    int64_t count = window_answer(&peer->window, tag, may_be_multiple && (method->at[8] & 1));
    if (count < 0)
        peer_refuse(peer, tag);
    return count < 0 ? 0 : count;
}

static void peer_ack(struct peer *peer, const struct peer_method *method)
{
    peer->counts->answers++;
    peer->counts->acked += (uint64_t)peer_settle(peer, method, true);
}

static void peer_nack(struct peer *peer, const struct peer_method *method)
{
    peer->counts->returned += (uint64_t)peer_settle(peer, method, true);
}

static void peer_reject(struct peer *peer, const struct peer_method *method)
{
    peer->counts->returned += (uint64_t)peer_settle(peer, method, false);
}

static const struct {
    uint32_t id;
    void (*act)(struct peer *peer, const struct peer_method *method);
} peer_methods[] = {
    {WIRE_BASIC_ACK, peer_ack}, /* the hot one first */
    {WIRE_BASIC_NACK, peer_nack},
    {WIRE_BASIC_REJECT, peer_reject},
    {WIRE_BASIC_PUBLISH, peer_publish},
    {WIRE_CONNECTION_START_OK, peer_tune},
    {WIRE_CONNECTION_TUNE_OK, peer_nothing},
    {WIRE_CONNECTION_OPEN, peer_open},
    {WIRE_CONNECTION_CLOSE, peer_close},
    {WIRE_CHANNEL_OPEN, peer_open_channel},
    {WIRE_CHANNEL_CLOSE, peer_close_channel},
    {WIRE_CHANNEL_CLOSE_OK, peer_nothing},
    {WIRE_QUEUE_DECLARE, peer_declare},
    {WIRE_BASIC_QOS, peer_qos},
    {WIRE_BASIC_CONSUME, peer_consume},
    {WIRE_BASIC_CANCEL, peer_cancel},
    {WIRE_CONFIRM_SELECT, peer_confirm_select},
};

static void peer_act(struct peer *peer, uint16_t channel, const uint8_t *payload, size_t size)
{
    uint32_t id = size >= 4 ? wire_get32(payload) : 0;
    struct peer_method method = {.channel = channel, .at = payload + 4, .size = size - 4};
    for (size_t i = 0; i < sizeof peer_methods / sizeof peer_methods[0]; i++) {
        if (peer_methods[i].id == id) {
            peer_methods[i].act(peer, &method);
            return;
        }
    }
    peer_fail(peer, "an unknown method", id);
}

static void peer_frame(struct peer *peer, const uint8_t *frame, size_t size)
{
    const uint8_t *payload = frame + WIRE_FRAME_HEAD;
    size_t payload_size = size - WIRE_FRAME_COST;
    if (frame[size - 1] != WIRE_END) {
        peer_fail(peer, "a frame without its end", 0);
    } else if (frame[0] == WIRE_METHOD) {
        peer_act(peer, wire_get16(frame + 1), payload, payload_size);
    } else if (frame[0] == WIRE_HEADER && peer->header_awaited && payload_size >= 12) {
        peer->header_awaited = false;
        peer->body_left = wire_get64(payload + 4);
        if (peer->body_left == 0)
            peer_published(peer);
    } else if (frame[0] == WIRE_BODY && payload_size <= peer->body_left && payload_size > 0) {
        peer->body_left -= payload_size;
        if (peer->body_left == 0)
            peer_published(peer);
    } else if (frame[0] != WIRE_HEARTBEAT) {
        peer_fail(peer, "an unexpected frame", frame[0]);
    }
}

/* The frames that are whole; how many bytes they are. */
static size_t peer_take(struct peer *peer)
{
    size_t at = 0;
    if (!peer->greeted && peer->in_size >= 8) {
        peer->greeted = true;
        peer_start(peer);
        at = 8;
    }
    while (peer->greeted && !peer->closed && peer->in_size - at >= WIRE_FRAME_COST) {
        size_t size = wire_get32(peer->in + at + 3) + (size_t)WIRE_FRAME_COST;
        if (size > PEER_IN)
            peer_fail(peer, "a frame that is too large", 0);
        if (size > peer->in_size - at)
            break;
        peer_frame(peer, peer->in + at, size);
        at += size;
    }
    return at;
}

void peer_read(struct peer *peer)
{
    while (!peer->closed) {
        ssize_t size = recv(peer->fd, peer->in + peer->in_size, PEER_IN - peer->in_size, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            peer->closed = true;
            return;
        }
        peer->in_size += (size_t)size;
        bool all = peer->in_size < PEER_IN;
        size_t taken = peer_take(peer);
        memmove(peer->in, peer->in + taken, peer->in_size - taken);
        peer->in_size -= taken;
        if (all)
            return;
    }
}

static void peer_send_answers(struct peer *peer)
{
    ssize_t sent = send(peer->fd, peer->out, peer->out_size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        peer->closed = true;
    if (sent <= 0)
        return;
    memmove(peer->out, peer->out + sent, peer->out_size - (size_t)sent);
    peer->out_size -= (size_t)sent;
}

/* How many deliveries may be filled in now. */
static uint32_t peer_room(const struct peer *peer)
{
    if (!peer->consuming)
        return 0;
    uint64_t room = window_room(&peer->window);
    uint64_t left = peer->offer->deliver_max - peer->counts->delivered;
    room = room < left ? room : left;
    return (uint32_t)(room < peer->hose.slots ? room : peer->hose.slots);
}

void peer_write(struct peer *peer)
{
    if (!hose_is_empty(&peer->hose) && !hose_send(&peer->hose, peer->fd))
        peer->closed = true;
    if (!hose_is_empty(&peer->hose) || peer->closed)
        return; /* P1 */
    if (peer->out_size > 0)
        peer_send_answers(peer);
    uint32_t room;
    while (!peer->closed && peer->out_size == 0 && hose_is_empty(&peer->hose) &&
           (room = peer_room(peer)) > 0) {
        hose_fill(&peer->hose, window_deliver(&peer->window, room), room);
        peer->counts->delivered += room;
        if (!hose_send(&peer->hose, peer->fd))
            peer->closed = true;
    }
}

bool peer_is_full(const struct peer *peer)
{
    return !peer->closed && (peer->out_size > 0 || !hose_is_empty(&peer->hose));
}

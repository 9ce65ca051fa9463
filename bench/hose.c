/* SPDX-License-Identifier: MIT */
/* hose - see the header. */
#include <config.h>

#include "hose.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "wire.h"

enum { HOSE_BYTES = 512 * 1024, HOSE_HEADS = 1024 };

static const uint8_t *hose_body(size_t size)
{
    uint8_t *body = malloc(size + 1);
    if (body == NULL)
        abort();
    memset(body, 'x', size + 1);
    return body;
}

static uint8_t *hose_put_method(struct hose *hose, uint8_t *at, uint16_t channel,
                                const char *consumer_tag)
{
    uint8_t *frame = at;
    at = wire_begin_method(at, channel, WIRE_BASIC_DELIVER);
    at = wire_put_short(at, consumer_tag);
    hose->tag_offset = (size_t)(at - hose->bytes);
    at = wire_put64(at, 0);
    at = wire_put8(at, 0); /* redelivered */
    at = wire_put_short(at, "");
    at = wire_put_short(at, "bench");
    return wire_end(frame, at);
}

/* As a careful publisher sends it: persistent, with a type. */
static uint8_t *hose_put_header(uint8_t *at, uint16_t channel, size_t body_size)
{
    enum { CONTENT_TYPE = 1 << 15, DELIVERY_MODE = 1 << 12 };
    uint8_t *frame = at;
    at = wire_begin(at, WIRE_HEADER, channel);
    at = wire_put16(at, WIRE_BASIC_DELIVER >> 16);
    at = wire_put16(at, 0);
    at = wire_put64(at, body_size);
    at = wire_put16(at, CONTENT_TYPE | DELIVERY_MODE);
    at = wire_put_short(at, "application/octet-stream");
    at = wire_put8(at, 2);
    return wire_end(frame, at);
}

static uint8_t *hose_put_body(uint8_t *at, uint16_t channel, const uint8_t *body, size_t size)
{
    const size_t room = WIRE_FRAME_MAX - WIRE_FRAME_COST;
    while (size > 0) {
        size_t part = size < room ? size : room;
        uint8_t *frame = at;
        at = wire_begin(at, WIRE_BODY, channel);
        at = wire_put_bytes(at, body, part);
        at = wire_end(frame, at);
        size -= part;
    }
    return at;
}

void hose_init(struct hose *hose, uint16_t channel, const char *consumer_tag, size_t body_size)
{
    size_t frames = body_size / (WIRE_FRAME_MAX - WIRE_FRAME_COST) + 1;
    size_t room = HOSE_HEADS + body_size + frames * WIRE_FRAME_COST;
    *hose = (struct hose){.bytes = malloc(room + HOSE_BYTES)};
    if (hose->bytes == NULL)
        abort();
    const uint8_t *body = hose_body(body_size);
    uint8_t *at = hose_put_method(hose, hose->bytes, channel, consumer_tag);
    at = hose_put_header(at, channel, body_size);
    at = hose_put_body(at, channel, body, body_size);
    free((void *)(uintptr_t)body);
    hose->size = (size_t)(at - hose->bytes);
    hose->slots = (uint32_t)(HOSE_BYTES / hose->size + 1);
    for (uint32_t i = 1; i < hose->slots; i++)
        memcpy(hose->bytes + i * hose->size, hose->bytes, hose->size);
}

void hose_fini(struct hose *hose)
{
    free(hose->bytes);
    hose->bytes = NULL;
}

bool hose_is_empty(const struct hose *hose)
{
    return hose->sent == hose->filled;
}

void hose_fill(struct hose *hose, uint64_t tag, uint32_t count)
{
    assert(hose_is_empty(hose)); /* H1 */
    assert(count <= hose->slots);
    for (uint32_t i = 0; i < count; i++)
        wire_put64(hose->bytes + i * hose->size + hose->tag_offset, tag + i);
    hose->filled = count * hose->size;
    hose->sent = 0;
}

void hose_cut(struct hose *hose)
{
    if (hose->size > 0)
        hose->filled = (hose->sent + hose->size - 1) / hose->size * hose->size;
}

bool hose_send(struct hose *hose, int fd)
{
    while (!hose_is_empty(hose)) {
        ssize_t taken = send(fd, hose->bytes + hose->sent, hose->filled - hose->sent, MSG_NOSIGNAL);
        if (taken < 0)
            return errno == EAGAIN || errno == EINTR;
        hose->sent += (size_t)taken;
    }
    return true;
}

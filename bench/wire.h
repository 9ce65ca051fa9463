/* SPDX-License-Identifier: MIT */
/*
 * wire - bytes of AMQP 0-9-1 as both ends of the benchmarks write and read them (section 4.2 of the
 * specification): a frame is type, channel, size, payload and the end octet.
 *
 * It trusts its callers to have room: what they write is small and of their own making.
 */
#ifndef ACKD_BENCH_WIRE_H
#define ACKD_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    WIRE_METHOD = 1,
    WIRE_HEADER = 2,
    WIRE_BODY = 3,
    WIRE_HEARTBEAT = 8,
    WIRE_END = 0xce,
    WIRE_FRAME_HEAD = 7, /* bytes before the payload */
    WIRE_FRAME_COST = 8, /* bytes around it */
    WIRE_FRAME_MAX = 131072
};

/* Class and method in one number, as they stand on the wire. */
#define WIRE_ID(class_id, method_id) ((uint32_t)(class_id) << 16 | (method_id))

enum {
    WIRE_CONNECTION_START = WIRE_ID(10, 10),
    WIRE_CONNECTION_START_OK = WIRE_ID(10, 11),
    WIRE_CONNECTION_TUNE = WIRE_ID(10, 30),
    WIRE_CONNECTION_TUNE_OK = WIRE_ID(10, 31),
    WIRE_CONNECTION_OPEN = WIRE_ID(10, 40),
    WIRE_CONNECTION_OPEN_OK = WIRE_ID(10, 41),
    WIRE_CONNECTION_CLOSE = WIRE_ID(10, 50),
    WIRE_CONNECTION_CLOSE_OK = WIRE_ID(10, 51),
    WIRE_CHANNEL_OPEN = WIRE_ID(20, 10),
    WIRE_CHANNEL_OPEN_OK = WIRE_ID(20, 11),
    WIRE_CHANNEL_CLOSE = WIRE_ID(20, 40),
    WIRE_CHANNEL_CLOSE_OK = WIRE_ID(20, 41),
    WIRE_QUEUE_DECLARE = WIRE_ID(50, 10),
    WIRE_QUEUE_DECLARE_OK = WIRE_ID(50, 11),
    WIRE_BASIC_QOS = WIRE_ID(60, 10),
    WIRE_BASIC_QOS_OK = WIRE_ID(60, 11),
    WIRE_BASIC_CONSUME = WIRE_ID(60, 20),
    WIRE_BASIC_CONSUME_OK = WIRE_ID(60, 21),
    WIRE_BASIC_CANCEL = WIRE_ID(60, 30),
    WIRE_BASIC_CANCEL_OK = WIRE_ID(60, 31),
    WIRE_BASIC_PUBLISH = WIRE_ID(60, 40),
    WIRE_BASIC_DELIVER = WIRE_ID(60, 60),
    WIRE_BASIC_ACK = WIRE_ID(60, 80),
    WIRE_BASIC_REJECT = WIRE_ID(60, 90),
    WIRE_BASIC_NACK = WIRE_ID(60, 120),
    WIRE_CONFIRM_SELECT = WIRE_ID(85, 10),
    WIRE_CONFIRM_SELECT_OK = WIRE_ID(85, 11)
};

static inline uint8_t *wire_put8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}

static inline uint8_t *wire_put16(uint8_t *at, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *wire_put32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *wire_put64(uint8_t *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *wire_put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

/* A short string: at most 255 bytes. */
static inline uint8_t *wire_put_short(uint8_t *at, const char *text)
{
    size_t size = strlen(text);
    at = wire_put8(at, (uint8_t)size);
    return wire_put_bytes(at, text, size);
}

static inline uint8_t *wire_put_long(uint8_t *at, const void *bytes, size_t size)
{
    at = wire_put32(at, (uint32_t)size);
    return wire_put_bytes(at, bytes, size);
}

/* The head of a frame; wire_end fills in the size of what was written since. */
static inline uint8_t *wire_begin(uint8_t *at, uint8_t type, uint16_t channel)
{
    at = wire_put8(at, type);
    at = wire_put16(at, channel);
    return wire_put32(at, 0);
}

static inline uint8_t *wire_begin_method(uint8_t *at, uint16_t channel, uint32_t id)
{
    return wire_put32(wire_begin(at, WIRE_METHOD, channel), id);
}

static inline uint8_t *wire_end(uint8_t *frame, uint8_t *at)
{
    wire_put32(frame + 3, (uint32_t)(at - frame - WIRE_FRAME_HEAD));
    return wire_put8(at, WIRE_END);
}

static inline uint16_t wire_get16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t wire_get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t wire_get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

#endif

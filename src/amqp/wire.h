/* SPDX-License-Identifier: MIT */
/* wire - numbers in network byte order, at any alignment. */
#ifndef ACKD_AMQP_WIRE_H
#define ACKD_AMQP_WIRE_H

#include <stdint.h>

static inline uint16_t wire_get_16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t wire_get_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t wire_get_64(const uint8_t *at)
{
    return (uint64_t)wire_get_32(at) << 32 | wire_get_32(at + 4);
}

/* Each returns the place behind what it wrote. */
static inline uint8_t *wire_put_8(uint8_t *at, uint8_t value)
{
    at[0] = value;
    return at + 1;
}

static inline uint8_t *wire_put_16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *wire_put_32(uint8_t *at, uint32_t value)
{
    return wire_put_16(wire_put_16(at, (uint16_t)(value >> 16)), (uint16_t)value);
}

static inline uint8_t *wire_put_64(uint8_t *at, uint64_t value)
{
    return wire_put_32(wire_put_32(at, (uint32_t)(value >> 32)), (uint32_t)value);
}

#endif

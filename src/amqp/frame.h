/* SPDX-License-Identifier: MIT */
/*
 * frame - the envelope of AMQP 0-9-1, section 2.3.5: type, channel, size, payload, end octet.
 *
 * It checks what can be known of an envelope alone; it must not know connections, nor what a
 * payload means.
 */
#ifndef ACKD_AMQP_FRAME_H
#define ACKD_AMQP_FRAME_H

#include <ackd/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/wire.h"

enum frame_type { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEARTBEAT = 8 };

enum {
    FRAME_HEAD_SIZE = 7,       /* type, channel, size */
    FRAME_END_SIZE = 1,        /* the end octet */
    FRAME_OVERHEAD = 8,        /* both */
    FRAME_END = 0xCE,          /* the end octet's value */
    FRAME_MAX_DEFAULT = 131072 /* bytes, overhead included: RabbitMQ's own default */
};

struct frame {
    uint8_t type; /* enum frame_type */
    uint16_t channel;
    uint32_t size; /* of the payload */
};

/* Payload bytes that a peer may send in one frame of each type, and its highest channel. */
struct frame_limits {
    uint32_t method_max;
    uint32_t header_max; /* apart: RabbitMQ sends headers beyond the frame_max it agreed to */
    uint32_t body_max;
    uint16_t channel_max;
    uint32_t least_max; /* none of the three is smaller: such frames pass without a closer look */
};

/* ACKD_E_PROTOCOL for an unknown type, a size or channel beyond the limits, content on channel 0, a
 * heartbeat that is not empty or not on channel 0. */
ACKD_MUST_CHECK int frame_check(const struct frame *frame, const struct frame_limits *limits);

/* Read the FRAME_HEAD_SIZE bytes at @at, and check them. */
ACKD_MUST_CHECK static inline int frame_head(const uint8_t *at, const struct frame_limits *limits,
                                             struct frame *ret_frame)
{
    ret_frame->type = at[0];
    ret_frame->channel = wire_get_16(at + 1);
    ret_frame->size = wire_get_32(at + 3);
    bool plain = ret_frame->type >= FRAME_METHOD && ret_frame->type <= FRAME_BODY &&
                 ret_frame->size <= limits->least_max && ret_frame->channel != 0 &&
                 ret_frame->channel <= limits->channel_max;
    return __builtin_expect(plain, 1) ? ACKD_OK : frame_check(ret_frame, limits);
}

int frame_end_wrong(const struct frame *frame, uint8_t octet);

/* ACKD_E_PROTOCOL unless @octet ends a frame. */
ACKD_MUST_CHECK static inline int frame_end(const struct frame *frame, uint8_t octet)
{
    return __builtin_expect(octet == FRAME_END, 1) ? ACKD_OK : frame_end_wrong(frame, octet);
}

/*
 * A whole frame out of the @size bytes at @at: *ret_taken is how many bytes it has, 0 where more
 * are needed; its payload is at @at + FRAME_HEAD_SIZE. ACKD_E_PROTOCOL as above.
 */
ACKD_MUST_CHECK int frame_take(const uint8_t *at, size_t size, const struct frame_limits *limits,
                               struct frame *ret_frame, size_t *ret_taken);

/* Write a head or an end; returns the place behind it. */
uint8_t *frame_put_head(uint8_t *at, enum frame_type type, uint16_t channel, uint32_t size);
uint8_t *frame_put_end(uint8_t *at);

/* "method", "header", "body", "heartbeat". */
const char *frame_type_name(uint8_t type);

#endif

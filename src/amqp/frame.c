/* SPDX-License-Identifier: MIT */
/* frame - heads and ends of frames. It must not know connections, nor what a payload means. */
#include <config.h>

#include "amqp/frame.h"

const char *frame_type_name(uint8_t type)
{
    switch (type) {
    case FRAME_METHOD:
        return "method";
    case FRAME_HEADER:
        return "header";
    case FRAME_BODY:
        return "body";
    case FRAME_HEARTBEAT:
        return "heartbeat";
    default:
        return "unknown";
    }
}

int frame_check(const struct frame *frame, const struct frame_limits *limits)
{
    bool content = false;
    uint32_t size_max = 0;
    switch (frame->type) {
    case FRAME_METHOD:
        size_max = limits->method_max;
        break;
    case FRAME_HEADER:
        content = true;
        size_max = limits->header_max;
        break;
    case FRAME_BODY:
        content = true;
        size_max = limits->body_max;
        break;
    case FRAME_HEARTBEAT:
        if (frame->channel != 0)
            return ackd_fail(ACKD_E_PROTOCOL, "a heartbeat on channel %u, not 0", frame->channel);
        break;
    default:
        return ackd_fail(ACKD_E_PROTOCOL, "a frame of the unknown type %u", frame->type);
    }
    if (frame->size > size_max)
        return ackd_fail(ACKD_E_PROTOCOL, "a %s frame of %u bytes, the limit is %u",
                         frame_type_name(frame->type), frame->size, size_max);
    if (content && frame->channel == 0)
        return ackd_fail(ACKD_E_PROTOCOL, "a %s frame on channel 0", frame_type_name(frame->type));
    if (frame->channel > limits->channel_max)
        return ackd_fail(ACKD_E_PROTOCOL, "a frame on channel %u, the highest agreed is %u",
                         frame->channel, limits->channel_max);
    return ACKD_OK;
}

int frame_end_wrong(const struct frame *frame, uint8_t octet)
{
    return ackd_fail(ACKD_E_PROTOCOL, "a %s frame of %u bytes on channel %u ends in %02x, not ce",
                     frame_type_name(frame->type), frame->size, frame->channel, octet);
}

int frame_take(const uint8_t *at, size_t size, const struct frame_limits *limits,
               struct frame *ret_frame, size_t *ret_taken)
{
    *ret_taken = 0;
    if (size < FRAME_HEAD_SIZE)
        return ACKD_OK;
    struct frame frame;
    ACKD_TRY(frame_head(at, limits, &frame));
    size_t whole = (size_t)frame.size + FRAME_OVERHEAD;
    if (size < whole)
        return ACKD_OK;
    ACKD_TRY(frame_end(&frame, at[whole - 1]));
    *ret_frame = frame;
    *ret_taken = whole;
    return ACKD_OK;
}

uint8_t *frame_put_head(uint8_t *at, enum frame_type type, uint16_t channel, uint32_t size)
{
    at = wire_put_8(at, (uint8_t)type);
    at = wire_put_16(at, channel);
    return wire_put_32(at, size);
}

uint8_t *frame_put_end(uint8_t *at)
{
    return wire_put_8(at, FRAME_END);
}

/* SPDX-License-Identifier: MIT */
/*
 * whole - the envelopes of three frames in one look. What is in them is read by content.c, as on the
 * long way. It must not know how to complain.
 */
#include <config.h>

#include "amqp/whole.h"

#include <ackd/error.h>

#include "amqp/content.h"
#include "amqp/properties.h"
#include "amqp/wire.h"

/* Frames of one channel, one behind the other. */
struct whole_frames {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t size_max; /* of a payload */
    uint16_t number;
};

/* The payload of the next frame, if it is whole, of @type and of the channel; else NULL. */
static inline const uint8_t *whole_next(struct whole_frames *frames, enum frame_type type,
                                        uint32_t *ret_size)
{
    const uint8_t *at = frames->at;
    size_t room = (size_t)(frames->end - at);
    if (room < FRAME_OVERHEAD || at[0] != type || wire_get_16(at + 1) != frames->number)
        return NULL;
    uint32_t size = wire_get_32(at + 3);
    if (size > frames->size_max || size > room - FRAME_OVERHEAD ||
        at[FRAME_HEAD_SIZE + size] != FRAME_END)
        return NULL;
    frames->at = at + FRAME_OVERHEAD + size;
    *ret_size = size;
    return at + FRAME_HEAD_SIZE;
}

int whole_take(struct connection *connection, struct connection_event *event)
{
    const uint8_t *start = input_bytes(&connection->input);
    struct whole_frames frames = {.at = start,
                                  .end = start + input_size(&connection->input),
                                  .size_max = connection->limits.least_max};
    if (connection->state != INSIDE_OPEN || frames.end - frames.at < FRAME_OVERHEAD)
        return TAKEN_NOTHING;
    frames.number = wire_get_16(start + 1);
    struct channel *channel = inside_channel(connection, frames.number);
    uint32_t method_size = 0;
    uint32_t header_size = 0;
    uint32_t body_size = 0;
    const uint8_t *body = NULL;
    if (channel == NULL || channel->state != CHANNEL_OPEN || channel->expects != EXPECTS_METHOD)
        return TAKEN_NOTHING;
    const uint8_t *method = whole_next(&frames, FRAME_METHOD, &method_size);
    if (method == NULL || method_size < 4 || wire_get_32(method) != AMQP_BASIC_DELIVER_METHOD)
        return TAKEN_NOTHING;
    const uint8_t *header = whole_next(&frames, FRAME_HEADER, &header_size);
    if (header == NULL || header_size < PROPERTIES_PREFIX_SIZE)
        return TAKEN_NOTHING;
    uint64_t size = wire_get_64(header + 4);
    if (size > 0) {
        body = whole_next(&frames, FRAME_BODY, &body_size);
        if (body == NULL || body_size != size)
            return TAKEN_NOTHING;
    }
    event->channel = frames.number;
    const struct content_parts parts = {.arguments = method + 4,
                                        .header = header,
                                        .body = body,
                                        .arguments_size = method_size - 4,
                                        .header_size = header_size,
                                        .body_size = body_size};
    int taken = content_whole(connection, channel, &parts, event);
    if (taken == TAKEN_EVENT)
        input_take(&connection->input, (size_t)(frames.at - start));
    return taken;
}

/* SPDX-License-Identifier: MIT */
/* incoming - method frames: each is expected in some states of its connection or channel, or breaks
 * the protocol. */
#ifndef ACKD_AMQP_INCOMING_H
#define ACKD_AMQP_INCOMING_H

#include "amqp/inside.h"

/*
 * A method frame on @number with the @size bytes of payload at @payload. enum inside_taken, or an
 * error: ACKD_E_PROTOCOL, naming method and state, for one that is unknown, only for clients, or
 * not expected now.
 */
ACKD_MUST_CHECK int incoming_method(struct connection *connection, uint16_t number,
                                    const uint8_t *payload, size_t size,
                                    struct connection_event *event);

/* Copy a text for the event at hand: terminated, cut to fit. */
const char *incoming_text(struct connection *connection, const void *bytes, size_t size);

/* "is opening", "is open"...: for messages. */
const char *incoming_channel_state(const struct connection *connection, uint16_t number);

#endif

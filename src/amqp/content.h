/* SPDX-License-Identifier: MIT */
/*
 * content - method, header and body frames of one channel become one delivery.
 *
 * A message that cannot be handed on is poison, and becomes a delivery all the same, because the
 * broker wants an answer for its tag. A body that is too large is counted and dropped.
 */
#ifndef ACKD_AMQP_CONTENT_H
#define ACKD_AMQP_CONTENT_H

#include "amqp/inside.h"

/*
 * A message begins. basic.deliver is read here, and not by librabbitmq, from the @size bytes of
 * arguments at @arguments: its strings are copied at once. ACKD_E_PROTOCOL, ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int content_begin_deliver(struct connection *connection, struct channel *channel,
                                          const uint8_t *arguments, size_t size);
/* ACKD_E_NOMEM. */
ACKD_MUST_CHECK int content_begin_return(struct connection *connection, struct channel *channel,
                                         const amqp_basic_return_t *method);

/*
 * Its header, the @size bytes of payload at @payload. enum inside_taken: TAKEN_EVENT if it has no
 * body. ACKD_E_PROTOCOL unless a header is expected and is one of class basic; ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int content_header(struct connection *connection, struct channel *channel,
                                   const uint8_t *payload, size_t size,
                                   struct connection_event *event);
/* The same for a header of @size bytes, beyond the limit, of which only the first
 * PROPERTIES_PREFIX_SIZE are at @payload. What comes of it shows in content_end. */
ACKD_MUST_CHECK int content_header_oversized(struct connection *connection, struct channel *channel,
                                             const uint8_t *payload, uint32_t size);

/* A body frame of @size bytes begins. ACKD_E_PROTOCOL unless one is expected and not too long. */
ACKD_MUST_CHECK int content_body(struct connection *connection, struct channel *channel,
                                 uint32_t size);
/* @size of its bytes. @bytes: NULL where they are in their place. */
void content_fill(struct content *content, const uint8_t *bytes, size_t size);
/* A frame of the message ended: TAKEN_EVENT if it was the last one. */
int content_end(struct channel *channel, struct connection_event *event);

/* The payloads of a basic.deliver, of its header and of its body, all whole. */
struct content_parts {
    const uint8_t *arguments; /* behind class and method */
    const uint8_t *header;
    const uint8_t *body; /* NULL: none */
    size_t arguments_size, header_size, body_size;
};
/* All of the above for a message that is there at once. */
ACKD_MUST_CHECK int content_whole(struct connection *connection, struct channel *channel,
                                  const struct content_parts *parts,
                                  struct connection_event *event);

/* Forget what was begun. */
void content_drop(struct channel *channel);

#endif

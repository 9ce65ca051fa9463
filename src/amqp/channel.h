/* SPDX-License-Identifier: MIT */
/*
 * channel - what one channel of a connection can be asked to send.
 *
 * Each call writes frames into the connection's output; answers come as events of connection.h. All
 * return ACKD_E_NOT_OPEN where the channel is not in the state for it, ACKD_E_INVAL where a name is
 * longer than the 255 bytes of a short string, ACKD_E_FULL when the output is full: nothing was
 * written then.
 */
#ifndef ACKD_AMQP_CHANNEL_H
#define ACKD_AMQP_CHANNEL_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "amqp/connection.h"

/* A number that is free on this connection (N2); 0 if none is left. */
uint16_t channel_free_number(const struct connection *connection);

ACKD_MUST_CHECK int channel_open(struct connection *connection, uint16_t channel);
ACKD_MUST_CHECK int channel_close(struct connection *connection, uint16_t channel, uint16_t code,
                                  const char *text);
ACKD_MUST_CHECK int channel_qos(struct connection *connection, uint16_t channel, uint16_t prefetch);
ACKD_MUST_CHECK int channel_confirm_select(struct connection *connection, uint16_t channel);

/* One argument of a subscription, of the type that the broker wants. */
enum channel_field_kind { CHANNEL_TEXT, CHANNEL_INTEGER, CHANNEL_BOOLEAN, CHANNEL_TIMESTAMP };
struct channel_field {
    const char *key;
    enum channel_field_kind kind;
    const char *text; /* of CHANNEL_TEXT */
    int64_t number;   /* of the others; of a timestamp the seconds since 1970 */
};
enum { CHANNEL_FIELDS_MAX = 16 };
/* How to subscribe. */
struct channel_terms {
    bool exclusive; /* nobody else may consume the queue */
    const struct channel_field *arguments;
    size_t argument_count; /* at most CHANNEL_FIELDS_MAX, else ACKD_E_INVAL */
};
/* @terms: NULL for none. */
ACKD_MUST_CHECK int channel_consume(struct connection *connection, uint16_t channel,
                                    const char *queue, const char *consumer_tag,
                                    const struct channel_terms *terms);
ACKD_MUST_CHECK int channel_cancel(struct connection *connection, uint16_t channel,
                                   const char *consumer_tag);

/* One string argument of a declaration, e.g. x-queue-type = quorum. */
struct channel_argument {
    const char *key;
    const char *text;
};
enum { CHANNEL_ARGUMENTS_MAX = 16 };
/* Declare a durable queue; @passive: only ask for it. At most CHANNEL_ARGUMENTS_MAX arguments. */
ACKD_MUST_CHECK int channel_declare_queue(struct connection *connection, uint16_t channel,
                                          const char *queue, bool passive,
                                          const struct channel_argument *arguments, size_t count);

/* The hot ones: 21 bytes each. */
ACKD_MUST_CHECK int channel_ack(struct connection *connection, uint16_t channel, uint64_t tag,
                                bool multiple);
ACKD_MUST_CHECK int channel_nack(struct connection *connection, uint16_t channel, uint64_t tag,
                                 bool multiple, bool requeue);
ACKD_MUST_CHECK int channel_reject(struct connection *connection, uint16_t channel, uint64_t tag,
                                   bool requeue);

/*
 * Publish @body with @properties, mandatory. @headers_more: further string headers, appended to
 * those of the properties. ACKD_E_TOO_LARGE if both do not fit into a frame that the broker takes.
 */
ACKD_MUST_CHECK int channel_publish(struct connection *connection, uint16_t channel,
                                    const char *exchange, const char *routing_key,
                                    const struct properties *properties,
                                    const struct channel_argument *headers_more, size_t count,
                                    struct ackd_bytes body);

#endif

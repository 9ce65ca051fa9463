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
/* N4 with @message_size_max, bytes, on this channel; no effect where its connection allows less. */
void channel_limit_size(struct connection *connection, uint16_t channel, uint64_t message_size_max);
ACKD_MUST_CHECK int channel_close(struct connection *connection, uint16_t channel, uint16_t code,
                                  const char *text);
ACKD_MUST_CHECK int channel_qos(struct connection *connection, uint16_t channel, uint16_t prefetch);
ACKD_MUST_CHECK int channel_confirm_select(struct connection *connection, uint16_t channel);

/* One argument of a subscription, a declaration or a binding, of the type that the broker wants. */
enum channel_field_kind { CHANNEL_TEXT, CHANNEL_INTEGER, CHANNEL_BOOLEAN, CHANNEL_TIMESTAMP };
struct channel_field {
    const char *key;
    enum channel_field_kind kind;
    const char *text; /* of CHANNEL_TEXT */
    int64_t number;   /* of the others; of a timestamp the seconds since 1970 */
};
#define CHANNEL_FIELD_TEXT(name, value)                      \
    {                                                        \
        .key = (name), .kind = CHANNEL_TEXT, .text = (value) \
    }
#define CHANNEL_FIELD_INTEGER(name, value)                        \
    {                                                             \
        .key = (name), .kind = CHANNEL_INTEGER, .number = (value) \
    }
enum { CHANNEL_FIELDS_MAX = 32 }; /* of one table: else ACKD_E_INVAL */
/* How to subscribe. */
struct channel_terms {
    bool exclusive; /* nobody else may consume the queue */
    bool replies;   /* it is amq.rabbitmq.reply-to, whose messages are not to be acknowledged */
    const struct channel_field *arguments;
    size_t argument_count;
};
/* @terms: NULL for none. */
ACKD_MUST_CHECK int channel_consume(struct connection *connection, uint16_t channel,
                                    const char *queue, const char *consumer_tag,
                                    const struct channel_terms *terms);
ACKD_MUST_CHECK int channel_cancel(struct connection *connection, uint16_t channel,
                                   const char *consumer_tag);

/* How a queue or an exchange is declared: 0, or some of these together. */
enum channel_declare {
    CHANNEL_PASSIVE = 1,   /* only ask for it by its name */
    CHANNEL_TRANSIENT = 2, /* gone with the broker; else it is durable */
    CHANNEL_INTERNAL = 4   /* of an exchange: only other exchanges may publish to it */
};
/* Answered by CHANNEL_DECLARE_OK. */
ACKD_MUST_CHECK int channel_declare_queue(struct connection *connection, uint16_t channel,
                                          const char *queue, unsigned how,
                                          const struct channel_field *arguments, size_t count);
/* @type: direct, fanout, topic, headers, or a plugin's. Answered by CHANNEL_EXCHANGE_OK. */
ACKD_MUST_CHECK int channel_declare_exchange(struct connection *connection, uint16_t channel,
                                             const char *exchange, const char *type, unsigned how,
                                             const struct channel_field *arguments, size_t count);

/* What goes from @source by @routing_key to @destination. */
struct channel_binding {
    const char *source;      /* an exchange */
    const char *destination; /* a queue, or an exchange */
    const char *routing_key;
    const struct channel_field *arguments;
    size_t argument_count;
};
/* Answered by CHANNEL_BIND_OK. */
ACKD_MUST_CHECK int channel_bind_queue(struct connection *connection, uint16_t channel,
                                       const struct channel_binding *binding);
ACKD_MUST_CHECK int channel_bind_exchange(struct connection *connection, uint16_t channel,
                                          const struct channel_binding *binding);

/* A further string header of a message that is published. */
struct channel_argument {
    const char *key;
    const char *text;
};

/* The hot ones: 21 bytes each. */
ACKD_MUST_CHECK int channel_ack(struct connection *connection, uint16_t channel, uint64_t tag,
                                bool multiple);
ACKD_MUST_CHECK int channel_nack(struct connection *connection, uint16_t channel, uint64_t tag,
                                 bool multiple, bool requeue);
ACKD_MUST_CHECK int channel_reject(struct connection *connection, uint16_t channel, uint64_t tag,
                                   bool requeue);

/* How a message is published: 0, or this. */
enum channel_publish {
    CHANNEL_OPTIONAL = 1 /* that no queue takes it is no failure; else it is mandatory */
};
/*
 * Publish @body with @properties. @headers_more: further string headers, appended to
 * those of the properties. ACKD_E_TOO_LARGE if both do not fit into a frame that the broker takes.
 */
ACKD_MUST_CHECK int channel_publish(struct connection *connection, uint16_t channel,
                                    const char *exchange, const char *routing_key,
                                    const struct properties *properties,
                                    const struct channel_argument *headers_more, size_t count,
                                    struct ackd_bytes body);
/* The same, @how of enum channel_publish. */
ACKD_MUST_CHECK int channel_publish_how(struct connection *connection, uint16_t channel,
                                        unsigned how, const char *exchange, const char *routing_key,
                                        const struct properties *properties,
                                        const struct channel_argument *headers_more, size_t count,
                                        struct ackd_bytes body);

#endif

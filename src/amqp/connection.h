/* SPDX-License-Identifier: MIT */
/*
 * connection - the client's side of one AMQP 0-9-1 connection, without a socket, a loop or a clock.
 *
 * Bytes go in where connection_space says; connection_next takes one event at a time out of them;
 * what has to be sent gathers in connection_output. One structure for one connection: after CLOSED,
 * CLOSE_OK or FAILED it is only good for connection_free.
 *
 *   N1  Nothing but close-ok is written after a close was written or read (A5 of the promises).
 *
 *   N2  A channel number that was closed by the server is not used again on this connection until
 *       every other one has been; whatever else comes for it is ignored. Its close-ok is written
 *       once.
 *
 *   N3  Memory before the login is done is bounded by 16 KiB of input; after that by the limits
 *       given.
 *
 *   N4  A message larger than message_size_max, or whose properties break the bounds, is a delivery
 *       with `poison` set; the connection stays up. The bytes of the too large one are counted and
 *       dropped, the other one has its body and no properties.
 */
#ifndef ACKD_AMQP_CONNECTION_H
#define ACKD_AMQP_CONNECTION_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/delivery.h"
#include "base/buffer.h"

struct connection;

enum connection_mechanism { CONNECTION_PLAIN, CONNECTION_EXTERNAL };

/* Strings are copied. */
struct connection_options {
    enum connection_mechanism mechanism;
    const char *user;
    const char *password;
    const char *vhost;
    const char *name;     /* connection_name, as the broker's lists show it */
    const char *version;  /* ours */
    uint16_t heartbeat_s; /* wanted; the smaller of ours and the server's counts, 0 of one is the
                             other's */
    uint32_t header_frame_max; /* bytes; 0: 1 MiB */
    uint64_t message_size_max; /* bytes; 0: 64 MiB */
    size_t output_max;         /* bytes that may wait to be sent; 0: 256 MiB */
};

ACKD_MUST_CHECK int connection_new(const struct connection_options *options,
                                   struct delivery_pool *pool, struct connection **ret_connection);
void connection_free(struct connection **connection);

/* Write the protocol header: the first thing. */
ACKD_MUST_CHECK int connection_start(struct connection *connection);

/*
 * Where the next bytes from the peer belong: into the input buffer, or straight into a large body.
 * At least one byte. The place is good until the next call of any function of this connection, so
 * connection_received follows at once; then connection_next until it says false.
 */
void connection_space(struct connection *connection, uint8_t **ret_at, size_t *ret_size);
void connection_received(struct connection *connection, size_t size);

/* What must be sent. The caller takes from it. */
struct buffer *connection_output(struct connection *connection);

enum connection_event_kind {
    CONNECTION_OPENED,  /* logged in, tuned and open */
    CONNECTION_BLOCKED, /* text: why; until UNBLOCKED nothing may be published */
    CONNECTION_UNBLOCKED,
    CONNECTION_CLOSED,   /* by the server: code, text; close-ok is in the output */
    CONNECTION_CLOSE_OK, /* ours was answered */
    /* The peer broke the protocol, or memory is out: the error is current, code the reply code that
     * fits. Where the peer can be told, connection.close is in the output. */
    CONNECTION_FAILED,
    CHANNEL_OPENED,
    /* By the server: code, text; close-ok is in the output. It ends a channel that was closing,
     * too: each channel ends by one of these two. */
    CHANNEL_CLOSED,
    CHANNEL_CLOSE_OK,
    CHANNEL_QOS_OK,
    CHANNEL_CONSUME_OK,  /* text: the consumer tag */
    CHANNEL_CANCELED,    /* by the server; text: the consumer tag */
    CHANNEL_CANCEL_OK,   /* text: the consumer tag */
    CHANNEL_DECLARE_OK,  /* text: the queue; messages, consumers */
    CHANNEL_EXCHANGE_OK, /* exchange.declare-ok */
    CHANNEL_BIND_OK,     /* queue.bind-ok, exchange.bind-ok */
    CHANNEL_CONFIRM_OK,  /* confirm.select-ok */
    CHANNEL_DELIVERY,    /* delivery: the caller's from now on */
    CHANNEL_RETURNED,    /* delivery: a message that could not be routed, before its confirm */
    CHANNEL_CONFIRMED,   /* tag, multiple: published messages that the broker took */
    CHANNEL_REFUSED      /* tag, multiple: published messages that it did not take */
};

struct connection_event {
    enum connection_event_kind kind;
    uint16_t channel;             /* 0: the connection */
    uint16_t code;                /* reply code of a close */
    uint16_t class_id, method_id; /* what a close complains of; 0: nothing */
    bool multiple;
    uint32_t messages, consumers;
    uint64_t tag;
    const char *text; /* borrowed until the next call; "" if none */
    struct delivery *delivery;
};

/* The next event in what was received; false when it takes more bytes. */
bool connection_next(struct connection *connection, struct connection_event *ret_event);

/* What was agreed, after OPENED. */
uint32_t connection_frame_max(const struct connection *connection);
uint16_t connection_heartbeat_s(const struct connection *connection);
uint16_t connection_channel_max(const struct connection *connection);
const char *connection_server(const struct connection *connection); /* "RabbitMQ 3.10.8" */
/* The step that a login waits in, for messages: "connection.start", "connection.tune", ... */
const char *connection_step(const struct connection *connection);

ACKD_MUST_CHECK int connection_heartbeat(struct connection *connection);
ACKD_MUST_CHECK int connection_close(struct connection *connection, uint16_t code,
                                     const char *text);

#endif

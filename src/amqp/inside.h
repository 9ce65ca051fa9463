/* SPDX-License-Identifier: MIT */
/*
 * inside - what the files that make a connection share: its structure and its states.
 *
 *   I1  A channel's slot exists from its first channel.open to the end of the connection.
 *   I2  `content.delivery` of a channel is there exactly while `expects` is not EXPECTS_METHOD.
 *   I3  A fragment is open from the head of a body frame to its end octet; meanwhile nothing else
 * is read. It belongs to a message only while its channel is open; else its bytes are dropped.
 */
#ifndef ACKD_AMQP_INSIDE_H
#define ACKD_AMQP_INSIDE_H

#include "amqp/connection.h"
#include "amqp/frame.h"
#include "amqp/input.h"
#include "amqp/librabbitmq.h"

enum inside_state {
    INSIDE_NEW,      /* nothing was sent */
    INSIDE_STARTING, /* the protocol header was sent; connection.start is awaited */
    INSIDE_TUNING,   /* start-ok was sent; connection.tune is awaited */
    INSIDE_OPENING,  /* tune-ok and open were sent; connection.open-ok is awaited */
    INSIDE_OPEN,
    INSIDE_CLOSING, /* close was sent; only close-ok and close count */
    INSIDE_DEAD     /* closed or failed: nothing is read any more */
};

enum inside_channel_state {
    CHANNEL_FREE, /* never opened */
    CHANNEL_OPENING,
    CHANNEL_OPEN,
    CHANNEL_CLOSING, /* our close was sent; only close-ok and close count */
    CHANNEL_ENDED,   /* our close was answered: the number may be used again */
    CHANNEL_RETIRED  /* closed by the server: whatever still comes is ignored (N2) */
};

/* Requests whose answer is awaited, by what they ask. */
enum inside_request {
    REQUEST_QOS,
    REQUEST_CONSUME,
    REQUEST_CANCEL,
    REQUEST_DECLARE,
    REQUEST_CONFIRM,
    REQUEST_EXCHANGE,
    REQUEST_BIND_QUEUE,
    REQUEST_BIND_EXCHANGE,
    REQUEST_COUNT
};

enum { INSIDE_TEXT_SIZE = 512 }; /* a short string, or the text of a failure */

enum inside_expects { EXPECTS_METHOD, EXPECTS_HEADER, EXPECTS_BODY };

/* A message on its way in. */
struct content {
    struct delivery *delivery; /* owned */
    uint8_t *at;               /* where the next body byte goes; NULL: it is dropped */
    uint64_t left;             /* body bytes still to come */
    bool returned;             /* by basic.return */
};

struct channel {
    uint8_t state;   /* enum inside_channel_state */
    uint8_t expects; /* enum inside_expects */
    bool confirms;   /* confirm.select was sent */
    uint16_t number; /* its own */
    uint16_t requests[REQUEST_COUNT];
    uint64_t message_size_max;
    struct content content;
};

/* A frame whose payload is taken as it comes: a body, or a header beyond header_frame_max. */
struct fragment {
    struct frame frame;
    uint32_t left; /* payload bytes still to come */
    bool open;
    bool direct; /* bytes were read straight into the body, and will be until its end */
};

struct connection {
    enum inside_state state;
    enum connection_mechanism mechanism;
    struct delivery_pool *pool; /* borrowed */
    char *user, *password, *vhost, *name, *version;
    uint32_t header_frame_max;
    uint64_t message_size_max;
    struct frame_limits limits;
    uint32_t frame_max;
    uint16_t heartbeat_s;
    uint16_t channel_max;
    struct input input;
    struct buffer output;
    amqp_pool_t methods; /* what the method at hand was decoded into */
    struct channel *channels;
    size_t channel_count;    /* slots; number 0 is there and never used */
    uint16_t channel_opened; /* the number of the last channel.open; 0: none */
    struct fragment fragment;
    bool space_is_body; /* what connection_space gave last */
    bool body_goes_on;  /* behind the fragment at hand the same body is likely to go on */
    uint16_t body_channel;
    uint16_t fault; /* reply code of the protocol error at hand; 0: none */
    uint16_t fault_class, fault_method;
    char text[INSIDE_TEXT_SIZE]; /* of the last event */
    char server[128];
};

/* The peer broke the protocol: note the reply code of section 1.2 and make the error. */
#define inside_fault(connection, reply_code, ...) \
    ((connection)->fault = (reply_code), ackd_fail(ACKD_E_PROTOCOL, __VA_ARGS__))

enum {
    FAULT_FRAME = 501,
    FAULT_SYNTAX = 502,
    FAULT_COMMAND = 503,
    FAULT_CHANNEL = 504,
    FAULT_UNEXPECTED = 505,
    FAULT_NOT_IMPLEMENTED = 540,
    FAULT_INTERNAL = 541
};

/* What became of the bytes at the front of the input. Negative: an error. */
enum inside_taken {
    TAKEN_NOTHING, /* more bytes are needed */
    TAKEN_SILENT,  /* something, and nobody need know */
    TAKEN_EVENT
};

/* NULL if the number has no slot. */
static inline struct channel *inside_channel(const struct connection *connection, uint16_t number)
{
    return number < connection->channel_count ? &connection->channels[number] : NULL;
}

/* Whether frames on this channel count. Closing, ended and retired ones are ignored, and so are all
 * when the connection is closing. */
static inline bool inside_counts(const struct connection *connection, const struct channel *channel)
{
    return connection->state == INSIDE_OPEN &&
           (channel->state == CHANNEL_OPEN || channel->state == CHANNEL_OPENING);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * fakequeue - the queues of the fake broker: order, what is given back, what runs out.
 *
 *   Q1  A message that is given back goes to the place it had, and comes again as redelivered.
 *   Q2  Only the message at the head runs out, as RabbitMQ's quorum queues have it.
 *
 * It must not know connections.
 */
#ifndef ACKD_TESTS_LIB_FAKEQUEUE_H
#define ACKD_TESTS_LIB_FAKEQUEUE_H

#include <ackd/message.h>

#include "base/list.h"

/* Integer headers by which tests know messages: one that it keeps for ever, and one, for those that
 * have it, that is written anew for each delivery. */
#define FAKEQUEUE_NUMBER "x-sim-number"
#define FAKEQUEUE_SERIAL "x-sim-serial"

struct fakequeue_message {
    struct list node;
    uint64_t position; /* in its queue */
    uint64_t due_ns;   /* when it runs out; UINT64_MAX: never */
    char *exchange;
    char *routing_key;
    uint8_t *properties; /* flags and values, as on the wire */
    size_t properties_size;
    uint8_t *body;
    size_t body_size;
    uint64_t number;     /* by its header FAKEQUEUE_NUMBER; 0: it has none */
    uint64_t serial;     /* of its last delivery */
    size_t serial_at;    /* where that is written in the properties; 0: nowhere */
    uint32_t given_back; /* how often, as far as the queue counts it */
    bool redelivered;
};

struct fakequeue {
    struct list node;
    struct list ready; /* messages by position */
    struct list consumers;
    size_t depth;   /* ready */
    size_t unacked; /* with consumers */
    uint64_t next_position;
    char *name;
    uint8_t *arguments; /* the table it was declared with */
    size_t arguments_size;
    bool quorum;
    bool single_active;
    bool reject_publish;     /* at max_length; else the oldest is dropped */
    bool dead_letters;       /* has an exchange for them */
    char *dead_exchange;     /* "" is the default exchange */
    char *dead_key;          /* NULL: the message's own */
    uint64_t ttl_ms;         /* UINT64_MAX: none */
    uint64_t max_length;     /* UINT64_MAX: none */
    uint64_t delivery_limit; /* UINT64_MAX: none */
};

/* A message with copies of what is given. Never NULL: out of memory ends the test. */
struct fakequeue_message *fakequeue_message_new(const char *exchange, const char *routing_key,
                                                struct ackd_bytes properties,
                                                struct ackd_bytes body);
void fakequeue_message_free(struct fakequeue_message *message);
/* Set the header @name to an integer. */
void fakequeue_message_set_integer(struct fakequeue_message *message, const char *name,
                                   int64_t value);

void fakequeue_message_set_serial(struct fakequeue_message *message, uint64_t serial);

/* @arguments: the encoded entries of its declaration. */
struct fakequeue *fakequeue_new(const char *name, struct ackd_bytes arguments);
/* With all that are ready. */
void fakequeue_free(struct fakequeue *queue);

/* At the end. The queue's now. */
void fakequeue_put(struct fakequeue *queue, struct fakequeue_message *message, uint64_t now_ns);
/* The first one; NULL if there is none. */
struct fakequeue_message *fakequeue_take(struct fakequeue *queue);
/* Q1 */
void fakequeue_give_back(struct fakequeue *queue, struct fakequeue_message *message);
/* The first one, if it ran out at @now_ns; else NULL. */
struct fakequeue_message *fakequeue_take_due(struct fakequeue *queue, uint64_t now_ns);
/* When that will be; UINT64_MAX: never. */
uint64_t fakequeue_due_ns(const struct fakequeue *queue);

#endif

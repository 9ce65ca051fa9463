/* SPDX-License-Identifier: MIT */
/*
 * rabbit - a broker as RabbitMQ 3.10 is one, as far as a consumer host can tell: queues that keep
 * their order, prefetch, tags, confirms, dead connections, and no patience with protocol slips.
 *
 * It is the server of a simulation. It knows what a message is called, by two integer headers:
 * "x-sim-number", which a message keeps for ever, and "x-sim-serial", which is written anew for each
 * delivery.
 *
 *   R1  A message is in one queue, or unacknowledged on one channel, until it is acknowledged.
 *   R2  What is given back goes to its old place, and is marked as redelivered.
 *   R3  A slip of the client's is counted, and answered with the close that RabbitMQ would send.
 */
#ifndef ACKD_TESTS_SIM_RABBIT_H
#define ACKD_TESTS_SIM_RABBIT_H

#include <ackd/error.h>

#include "amqp/librabbitmq.h"
#include "sim.h"

enum { RABBIT_NAME_SIZE = 64, RABBIT_TAG_SIZE = 256, RABBIT_CHANNELS = 64, RABBIT_CONFIRMS = 4096 };

struct rabbit_message {
    struct list node;
    uint64_t number;
    uint64_t serial;
    uint64_t position; /* its place in the queue */
    uint8_t *header;   /* flags and properties, encoded */
    size_t header_size;
    uint8_t *body;
    size_t body_size;
    bool redelivered;
    uint64_t tag; /* while unacknowledged */
    struct rabbit_queue *queue;
};

struct rabbit_queue {
    struct list node;
    char name[RABBIT_NAME_SIZE];
    struct list ready;
    size_t ready_count;
    uint64_t positions;
    struct list consumers;
    bool refuses; /* publishes to it are answered with basic.nack */
};

struct rabbit_channel {
    struct rabbit_connection *connection;
    uint16_t number;
    bool open;
    bool closing; /* the server closed it: only close-ok counts */
    uint16_t prefetch;
    uint64_t tags;
    struct list unacked; /* messages, by tag */
    size_t unacked_count;
    struct list consuming; /* in the queue's list of consumers */
    struct rabbit_queue *queue;
    char consumer_tag[RABBIT_TAG_SIZE];
    bool confirms;
    uint64_t publishes;
    uint64_t confirmed;
    bool nacks[RABBIT_CONFIRMS]; /* by sequence: it was not taken */
    uint64_t numbers[RABBIT_CONFIRMS];
    struct timer confirm;
    struct {
        int stage; /* 0: none, 1: header expected, 2: body */
        char routing_key[RABBIT_TAG_SIZE];
        uint64_t left;
        struct rabbit_message *message;
    } content;
};

enum rabbit_step {
    RABBIT_GREETING,
    RABBIT_START,
    RABBIT_TUNE,
    RABBIT_OPENING,
    RABBIT_OPEN,
    RABBIT_CLOSING,
    RABBIT_GONE
};

struct rabbit_connection {
    struct list node;
    struct rabbit *rabbit;
    struct sim_wire *wire;
    enum rabbit_step step;
    bool mute;    /* answers nothing any more */
    bool blocked; /* reads nothing: an alarm */
    bool published;
    struct buffer input;
    struct buffer output;
    amqp_pool_t pool;
    struct rabbit_channel *channels[RABBIT_CHANNELS];
    uint16_t heartbeat_s;
    uint64_t heard_ns;
    struct timer heartbeat;
};

enum rabbit_answer { RABBIT_ACK, RABBIT_NACK, RABBIT_REJECT, RABBIT_DISCARD };

struct rabbit {
    struct list queues;
    struct list connections;
    uint64_t serials;
    uint64_t logins;            /* connections that were opened */
    uint64_t subscriptions;     /* basic.consume that were taken */
    unsigned violations;        /* R3 */
    char violation[256];        /* the first */
    enum rabbit_step mute_from; /* connections say nothing from this step on; RABBIT_GONE: never */
    bool floods;                /* does not keep to the prefetch, now */
    bool flooded;               /* ... or ever did not */
    bool alarm;                 /* connections that publish are blocked */
    unsigned confirm_max_ms;
    /* What the test hears. */
    void (*settled)(const struct rabbit_message *message, enum rabbit_answer answer, void *arg);
    void (*published)(const struct rabbit_queue *queue, const struct rabbit_message *message,
                      void *arg);
    void (*confirmed)(uint64_t number, void *arg); /* basic.ack for it is written */
    void *arg;
};

void rabbit_init(struct rabbit *rabbit);
/* After sim_end: its connections have gone with their wires. */
void rabbit_fini(struct rabbit *rabbit);
struct rabbit_queue *rabbit_declare(struct rabbit *rabbit, const char *name);
struct rabbit_queue *rabbit_find(struct rabbit *rabbit, const char *name);
/* Delete it with what is in it; its consumers are told. */
void rabbit_delete(struct rabbit *rabbit, struct rabbit_queue *queue);
/* @message: allocated with malloc, as are its header and body; the queue's from now on. */
void rabbit_put(struct rabbit *rabbit, struct rabbit_queue *queue, struct rabbit_message *message);
void rabbit_message_free(struct rabbit_message *message);
/* Deliver what can be delivered. */
void rabbit_pump(struct rabbit *rabbit);

/* Faults. */
void rabbit_close_connection(struct rabbit_connection *connection, uint16_t code, const char *text);
void rabbit_close_channel(struct rabbit_channel *channel, uint16_t code, const char *text);
void rabbit_cancel(struct rabbit_channel *channel);
void rabbit_set_alarm(struct rabbit *rabbit, bool alarm);

/* For rabbit_*.c. */
void rabbit_violation(struct rabbit *rabbit, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void rabbit_send(struct rabbit_connection *connection, uint16_t channel, uint32_t method,
                 const void *arguments);
void rabbit_send_content(struct rabbit_channel *channel, const struct rabbit_message *message);
void rabbit_method(struct rabbit_connection *connection, uint16_t number, uint32_t method,
                   void *arguments);
void rabbit_content(struct rabbit_connection *connection, uint16_t number, bool header,
                    const uint8_t *bytes, size_t size);
struct rabbit_channel *rabbit_channel_open(struct rabbit_connection *connection, uint16_t number);
/* Its consumer ends, what is unacknowledged goes back. */
void rabbit_channel_end(struct rabbit_channel *channel);
void rabbit_consumer_end(struct rabbit_channel *channel);
void rabbit_requeue(struct rabbit_channel *channel, struct rabbit_message *message);
void rabbit_confirm_due(struct timer *timer);
/* The integer header @name in the encoded properties; NULL if it has none. */
uint8_t *rabbit_header(const struct rabbit_message *message, const char *name);
uint64_t rabbit_header_value(const struct rabbit_message *message, const char *name);
/* A string for the codec. */
amqp_bytes_t rabbit_bytes(const char *text);

#endif

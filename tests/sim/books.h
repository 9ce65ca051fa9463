/* SPDX-License-Identifier: MIT */
/*
 * books - what became of each message and of each of its deliveries, as the broker and the handlers
 * know it; and that it was right.
 *
 *   B1  What is acknowledged was handled before: its handler returned success or dropped it; or a
 *       copy of it was confirmed by the broker, and has not excused another acknowledgement; or it
 *       was handled before, and only that acknowledgement was lost.
 *   B2  What is sent back was not handled with success, unless work is given back by force.
 *   B3  No message is ever lost: it was handled to its end, or it is in a queue.
 *   B4  A message is handled to its end more than once only where an acknowledgement was lost, a copy
 *       was stored whose original came back, or the queue delivered it twice.
 *
 * Messages with numbers beyond those of the messages are what their handlers publish: the number of
 * the message, and as many as there are messages.
 */
#ifndef ACKD_TESTS_SIM_BOOKS_H
#define ACKD_TESTS_SIM_BOOKS_H

#include "fakebroker.h"
#include "sim.h"

enum books_outcome {
    BOOKS_NONE,
    BOOKS_DONE,
    BOOKS_FAILED,
    BOOKS_DEAD,
    BOOKS_DROPPED,
    BOOKS_CANCELED
};

struct books_message {
    uint32_t ends;      /* handlers that returned success, or dropped it */
    uint32_t finished;  /* acknowledged, and nothing of it is to come */
    uint32_t stored;    /* copies of it */
    uint32_t excused;   /* acknowledgements that were right because of a copy */
    uint32_t dead;      /* confirmed copies in the dead-letter queue that excuse none yet */
    uint32_t copies;    /* ... and anywhere else */
    uint32_t explained; /* reasons why it may be handled once more */
    uint32_t instances; /* that the broker has */
};

struct books_delivery {
    uint32_t number;
    uint8_t outcome; /* enum books_outcome */
    bool settled;
    bool lost; /* with its channel */
};

struct books {
    struct books_message *messages; /* by number, from 1 */
    uint32_t *products;             /* confirmed, by what handlers publish: numbers behind those */
    size_t message_count;
    struct books_delivery *deliveries; /* by serial, from 1 */
    size_t delivery_room;
    const char *dead_queue;
    uint64_t delivered; /* deliveries */
    uint64_t finished;  /* messages */
    uint64_t ended;     /* messages whose handler had success, or dropped them */
    uint64_t again;     /* ends that were not the first of their message */
    bool loose;         /* work may be given back by force */
};

void books_begin(struct books *books, size_t messages, const char *dead_queue);
void books_free(struct books *books);
/* The handler is called for a delivery: once more only if it has failed before. */
void books_started(struct books *books, uint64_t serial);
/* Whether the broker still waits for an answer to the delivery. */
bool books_is_open(const struct books *books, uint64_t serial);
/* Before the handler returns. */
void books_outcome(struct books *books, uint64_t serial, enum books_outcome outcome);
/* The broker's observer. */
void books_happened(const struct fakebroker_event *event, void *arg);
/* B3, B4: at the end. */
void books_check(const struct books *books);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * publisher - messages that count as published only when the broker has confirmed them.
 *
 *   P1  done() is called exactly once for each request, never from inside publisher_publish.
 *
 *   P2  ACKD_OK means: routed to a queue and confirmed; of an optional one only confirmed; of one
 *       that wants a reply, that the reply is there. Anything else means: not known to be safe.
 *
 *   P3  Publishes are mandatory unless they are optional; a return precedes its confirm and is
 *       matched by the header x-ackd-id, so that one returned message can never be taken for
 *       another one's confirm.
 *
 *   P4  A request waits at most its time limit, PUBLISHER_WAIT_MS if it names none, sent or not.
 *
 *   P5  Where the broker closes the channel because of one request, that one ends with the broker's
 *       reason. Those sent before it end with ACKD_E_DISCONNECTED: they may have been taken. Those
 *       sent after it were ignored by the broker: they are sent again, in their order, on the next
 *       channel. Where it cannot be told which one it was, all end with ACKD_E_DISCONNECTED.
 */
#ifndef ACKD_BROKER_PUBLISHER_H
#define ACKD_BROKER_PUBLISHER_H

#include "broker/link.h"

enum { PUBLISHER_WAIT_MS = 30000, PUBLISHER_ID_SIZE = 40 };

/* Owned by who publishes, as is all it points at, until done(). */
struct publisher_request {
    const char *exchange;
    const char *routing_key;
    const struct properties *properties;
    const struct channel_argument *headers; /* further ones; room for x-ackd-id is not needed */
    size_t header_count;
    struct ackd_bytes body;
    char id[PUBLISHER_ID_SIZE]; /* of x-ackd-id: set by the owner, unique */
    bool optional;              /* that no queue takes it is no failure */
    /* Its properties have PUBLISHER_REPLY_TO, and the id as correlation id: it ends when the reply to
     * it is in `reply`. */
    bool wants_reply;
    uint64_t timeout_ms; /* until it is done; 0: PUBLISHER_WAIT_MS */
    /* The error is current unless @code is ACKD_OK or ACKD_CANCELED: E_RETURNED, E_NACKED,
     * E_DISCONNECTED, E_TIMEOUT, E_BLOCKED, E_NOT_FOUND, E_REFUSED, E_TOO_LARGE, E_CLOSED, ... */
    void (*done)(struct publisher_request *request, int code);

    struct delivery *reply; /* the owner's from done() on; NULL unless it wanted one, and is OK */
    struct list node;       /* the publisher's, as are the rest */
    struct timer patience;
    struct publisher *publisher;
    uint64_t sequence; /* 0: not sent */
    bool returned;
    bool confirmed;
};

/* The queue that stands for the replies to whoever publishes on this channel. */
#define PUBLISHER_REPLY_TO "amq.rabbitmq.reply-to"

struct publisher;

ACKD_MUST_CHECK int publisher_new(struct link *link, struct publisher **ret_publisher);
/* Requests that are not done are forgotten without done(). */
void publisher_free(struct publisher **publisher);
void publisher_publish(struct publisher *publisher, struct publisher_request *request);
/* Nobody waits for @request any more: if it was not sent, or only its reply is missing, it ends now,
 * with ACKD_CANCELED. No effect once it is done. */
void publisher_withdraw(struct publisher *publisher, struct publisher_request *request);
/* Whether the broker takes publishes: link_events.blocked says so. */
void publisher_block(struct publisher *publisher, bool blocked);
/*
 * Wait for no confirm any more: done() is called for all that is not done, with ACKD_E_TIMEOUT if it
 * was sent. Whatever comes from here on ends with ACKD_E_CLOSED.
 */
void publisher_give_up(struct publisher *publisher);

#endif

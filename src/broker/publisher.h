/* SPDX-License-Identifier: MIT */
/*
 * publisher - messages that count as published only when the broker has confirmed them.
 *
 *   P1  done() is called exactly once for each request, never from inside publisher_publish.
 *
 *   P2  ACKD_OK means: routed to a queue and confirmed. Anything else means: not known to be safe.
 *
 *   P3  Publishes are mandatory; a return precedes its confirm and is matched by the header
 *       x-ackd-id, so that one returned message can never be taken for another one's confirm.
 *
 *   P4  A request waits at most PUBLISHER_WAIT_MS, sent or not.
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
    /* The error is current unless @code is ACKD_OK: E_RETURNED, E_NACKED, E_DISCONNECTED,
     * E_TIMEOUT, ... */
    void (*done)(struct publisher_request *request, int code);

    struct list node; /* the publisher's, as are the rest */
    uint64_t sequence;
    uint64_t deadline_ns;
    bool returned;
};

struct publisher;

ACKD_MUST_CHECK int publisher_new(struct link *link, struct publisher **ret_publisher);
/* Requests that are not done are forgotten without done(). */
void publisher_free(struct publisher **publisher);
void publisher_publish(struct publisher *publisher, struct publisher_request *request);
/* Nobody waits for @request any more: if it was not sent it ends now, with ACKD_CANCELED. */
void publisher_withdraw(struct publisher *publisher, struct publisher_request *request);
/* Whether the broker takes publishes: link_events.blocked says so. */
void publisher_block(struct publisher *publisher, bool blocked);
/* Wait for no confirm any more: done() is called for all that is not done, with ACKD_E_TIMEOUT. */
void publisher_give_up(struct publisher *publisher);

#endif

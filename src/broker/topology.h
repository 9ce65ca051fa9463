/* SPDX-License-Identifier: MIT */
/*
 * topology - queues, exchanges and bindings that must be there before consuming begins.
 *
 * A wish is a small program: steps that are done one after the other, and the first that fails ends
 * it. Works on a channel of its own, because a refused step closes its channel. One wish at a time.
 * Nothing is ever deleted or changed: what exists is taken as it is, or is a reason to refuse.
 *
 *   T1  done() is called once for each wish, unless topology_free comes first.
 *   T2  A connection that is lost does not end a wish: its step is done again on the next one;
 *       unless the broker ended it because of that step.
 *   T3  A channel that is closed without a question waits longer each time before the next.
 */
#ifndef ACKD_BROKER_TOPOLOGY_H
#define ACKD_BROKER_TOPOLOGY_H

#include "broker/link.h"

enum topology_kind {
    TOPOLOGY_FIND_QUEUE,    /* only look: it must be there, however it was declared */
    TOPOLOGY_HAVE_QUEUE,    /* look, and declare it where it is not there */
    TOPOLOGY_DECLARE_QUEUE, /* what is there must have been declared in the same way */
    TOPOLOGY_FIND_EXCHANGE,
    TOPOLOGY_DECLARE_EXCHANGE,
    TOPOLOGY_BIND_QUEUE, /* @name: the queue that @source goes to */
    TOPOLOGY_BIND_EXCHANGE
};

struct topology_step {
    enum topology_kind kind;
    unsigned how; /* of enum channel_declare, without CHANNEL_PASSIVE */
    const char *name;
    const char *type;        /* of an exchange to declare */
    const char *source;      /* of a binding: the exchange */
    const char *routing_key; /* of a binding */
    const struct channel_field *arguments;
    size_t argument_count;
};

/* Owned, with its steps, by who wishes, until done(). */
struct topology_wish {
    struct list node;
    const struct topology_step *steps;
    size_t count; /* 0: done at once */
    /*
     * ACKD_OK: all is there. Else the error is current, and says which step and why; the wish may
     * be made again, later. ACKD_E_NOT_FOUND: something it builds on is not there. ACKD_E_CONFIG:
     * it is there, but declared in another way. ACKD_E_REFUSED: not allowed, or not possible.
     * ACKD_E_INVAL: the broker does not know what that is.
     * ACKD_E_TIMEOUT: no answer.
     */
    void (*done)(struct topology_wish *wish, int code);
    size_t at; /* the topology's: the step at hand */
};

struct topology;

ACKD_MUST_CHECK int topology_new(struct link *link, struct topology **ret_topology);
/* Wishes that are not done are forgotten. */
void topology_free(struct topology **topology);
/* done() may come from inside. */
void topology_declare(struct topology *topology, struct topology_wish *wish);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * topology - queues that must be there before consuming begins: looked for, and declared where they
 * are not.
 *
 * Works on a channel of its own, because a refused declaration closes its channel. One wish at a
 * time. What exists already is taken as it is: somebody declared it on purpose.
 */
#ifndef ACKD_BROKER_TOPOLOGY_H
#define ACKD_BROKER_TOPOLOGY_H

#include "broker/link.h"

/* Owned by who wishes, until done(). */
struct topology_wish {
    struct list node;
    const char *queue;
    const struct channel_field *arguments; /* for declaring it */
    size_t count;
    /* ACKD_OK: it is there. Else the error is current; the wish may be made again. */
    void (*done)(struct topology_wish *wish, int code);
};

struct topology;

ACKD_MUST_CHECK int topology_new(struct link *link, struct topology **ret_topology);
/* Wishes that are not done are forgotten. */
void topology_free(struct topology **topology);
void topology_declare(struct topology *topology, struct topology_wish *wish);

#endif

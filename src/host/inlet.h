/* SPDX-License-Identifier: MIT */
/*
 * inlet - a connection that consumes, and how many bytes of messages it may bring in: one that the
 * consumers of a broker share, and one for each that has a buffer of its own.
 *
 *   I1  Above held_max nothing is read, at or below the half of it reading goes on; all is read while
 *       it drains.
 */
#ifndef ACKD_HOST_INLET_H
#define ACKD_HOST_INLET_H

#include "base/list.h"
#include "broker/link.h"
#include "config/config.h"

struct broker;
struct consumer;

enum { INLET_FAULTS = 3 };

struct inlet {
    struct list node; /* of its broker */
    struct broker *broker;
    const struct config_consumer *owner; /* NULL: consumers without a buffer of their own */
    struct link *link;
    size_t consumers;                 /* of this connection */
    uint64_t message_max;             /* bytes; the largest that one of them takes */
    uint64_t held;                    /* bytes of messages held now */
    uint64_t held_max;                /* bytes */
    bool draining;                    /* no consumer takes more; what comes must be read */
    struct consumer *last_active;     /* whose message came last; NULL: none yet */
    uint64_t faults_ns[INLET_FAULTS]; /* when it was last closed by a fault of ours; 0: never */
};

/* For @owner, or for all that have no buffer of their own: NULL. Without its link. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int inlet_new(struct broker *broker, const struct config_consumer *owner,
                              struct inlet **ret_inlet);
/* Its channels must have been removed. */
void inlet_free(struct inlet **inlet);
/* Whether @consumer, of its broker, consumes by it. */
bool inlet_is_of(const struct inlet *inlet, const struct config_consumer *consumer);
/* One consumer more, whose sizes count. */
void inlet_add(struct inlet *inlet, const struct config_consumer *consumer);
/* Bytes came into memory, or left it. */
void inlet_hold(struct inlet *inlet, uint64_t size);
void inlet_let_go(struct inlet *inlet, uint64_t size);
/* Read on, whatever is held: answers to a cancel stand behind what is bounded by the prefetch. */
void inlet_drain(struct inlet *inlet);
/* It was closed for what we said, at @now_ns; the reason is current. */
void inlet_fault(struct inlet *inlet, uint64_t now_ns);

#endif

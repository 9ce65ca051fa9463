/* SPDX-License-Identifier: MIT */
/*
 * broker - one configured broker as the host sees it: connections that consume and one that
 * publishes.
 *
 * They are apart because a broker under alarm stops reading a connection that has published, and
 * would then not see its acknowledgements.
 */
#ifndef ACKD_HOST_BROKER_H
#define ACKD_HOST_BROKER_H

#include "base/metric.h"
#include "broker/link.h"
#include "broker/publisher.h"
#include "broker/topology.h"
#include "config/config.h"
#include "host/inlet.h"

struct host;
struct consumer;

enum { BROKER_WHY_SIZE = 128, BROKER_ATTEMPTS_TOLD = 8, BROKER_TOLD_S = 30 };

struct broker {
    struct list node;
    struct host *host;
    const struct config_broker *config;
    struct tls *tls;
    struct link_host *hosts;
    struct delivery_pool *deliveries; /* of all links */
    struct list inlets;               /* the shared one first, if there is one */
    struct link *consuming;           /* that of the first: it speaks for the broker */
    struct link *publishing;
    struct publisher *publisher;
    struct topology *topology;
    bool any_author;               /* what ackd told itself cannot be told from what others wrote */
    char blocked[BROKER_WHY_SIZE]; /* why it takes no publishes; "": it does */
    struct metric_set metrics;     /* of the process, written by the broker thread */
    uint64_t told_ns;  /* when the log last told that it is down, of the consuming link */
    unsigned attempts; /* of that link which failed since it was up */
    bool was_up;       /* the consuming link has been up */
    bool tried;        /* ... or a try has failed */
};

/* @deliveries_max: the sum of what its consumers prefetch; so many deliveries are kept for use
 * again. */
ACKD_MUST_CHECK int broker_new(struct host *host, const struct config_broker *config,
                               size_t deliveries_max, struct broker **ret_broker);
void broker_free(struct broker **broker);
void broker_open(struct broker *broker);
void broker_close(struct broker *broker);
/* Close without waiting for answers. */
void broker_cut(struct broker *broker);
bool broker_is_closed(const struct broker *broker);
/* The connection by which @consumer, which is one of its own, consumes. */
struct inlet *broker_inlet(const struct broker *broker, const struct config_consumer *consumer);
/* Read on, whatever is held: answers to a cancel stand behind what is bounded by the prefetch. */
void broker_drain(struct broker *broker);
void broker_flush(struct broker *broker);
/*
 * The user that we publish as, where that is known for sure: others cannot name it as theirs. NULL
 * where a certificate tells it, or where the broker knows us by another name.
 */
const char *broker_user(const struct broker *broker);
/* The broker did not accept it as ours: it is not sent any more. */
void broker_distrust_user(struct broker *broker);
/* Bytes of properties and headers that a message may have; of the last connection's agreement. */
size_t broker_publish_room(const struct broker *broker);

#endif

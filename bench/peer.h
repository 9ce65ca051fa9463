/* SPDX-License-Identifier: MIT */
/*
 * peer - one client's connection, seen from a broker that knows just enough: login, channels,
 * prefetch, one consumer, declarations that always succeed, publishes that are confirmed and
 * forgotten.
 *
 *   P1  Nothing is written into the middle of a delivery.
 *   P2  A wrong acknowledgement closes the channel with 406, as RabbitMQ does, and is counted.
 */
#ifndef ACKD_BENCH_PEER_H
#define ACKD_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hose.h"
#include "window.h"

/* Over all connections. */
struct peer_counts {
    uint64_t delivered;
    uint64_t acked;     /* deliveries, not frames */
    uint64_t answers;   /* frames that acknowledge */
    uint64_t returned;  /* by basic.nack or basic.reject */
    uint64_t abandoned; /* open when their channel or connection ended */
    uint64_t published;
    uint64_t wrong; /* answers refused, and methods not known */
};

/* What is served. */
struct peer_offer {
    size_t body_size;
    uint32_t window;      /* where a consumer sets no prefetch */
    uint64_t deliver_max; /* deliveries in all; UINT64_MAX: no end */
};

enum { PEER_IN = 256 * 1024, PEER_OUT = 4096 };

struct peer {
    int fd;
    bool greeted; /* the protocol header was read */
    bool closed;
    const struct peer_offer *offer;
    struct peer_counts *counts;

    uint16_t channel; /* the consumer's */
    bool consuming;
    uint32_t prefetch; /* 0: not set */
    char consumer_tag[256];
    struct window window;
    struct hose hose;

    uint16_t publish_channel;
    bool confirms;
    uint64_t published;  /* on this connection */
    uint64_t body_left;  /* of the message being published */
    bool header_awaited; /* a basic.publish was read */

    size_t in_size, out_size;
    uint8_t in[PEER_IN];
    uint8_t out[PEER_OUT]; /* answers */
};

/* Takes @fd, which does not block. NULL when out of memory. */
struct peer *peer_new(int fd, const struct peer_offer *offer, struct peer_counts *counts);
void peer_free(struct peer **peer);

/* Read what has come, and act on it. */
void peer_read(struct peer *peer);
/* Send answers, and deliveries as far as the window allows. */
void peer_write(struct peer *peer);
/* Something waits for the socket to take more. */
bool peer_is_full(const struct peer *peer);

#endif

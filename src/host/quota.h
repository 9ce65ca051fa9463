/* SPDX-License-Identifier: MIT */
/*
 * quota - a consumer's share of the bytes that come in by a connection which it shares.
 *
 * Reading stops for all of a connection at once. So that one consumer with large messages does not
 * take it from the others, it fetches less of them: past its share its subscription is cancelled,
 * and begun again on the same channel when a quarter is left, with a prefetch that fits. The full
 * prefetch comes back, by doubling, when messages are small again.
 *
 *   E1  While it has stopped fetching, its bytes are more than a quarter of its share.
 */
#ifndef ACKD_HOST_QUOTA_H
#define ACKD_HOST_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct consumer;

struct quota {
    uint64_t held;     /* bytes of its messages */
    uint64_t share;    /* bytes; 0: it is alone on its connection, or must not cancel */
    uint32_t prefetch; /* what fits; 0: as many as are asked for */
    bool stopped;      /* it fetches nothing */
};

/* Once its connection is known with all who share it. */
void quota_init(struct consumer *consumer);
/* Stop or go on, by what it holds: at the end of each turn, where it has a share. */
void quota_look(struct consumer *consumer);
/* How many the broker may have under way, of @prefetch. */
uint32_t quota_prefetch(const struct consumer *consumer, uint32_t prefetch);

#endif

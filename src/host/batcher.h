/* SPDX-License-Identifier: MIT */
/*
 * batcher - fills the batches of a consumer, on the broker thread.
 *
 * Nothing is taken before it starts: while a batch waits to become full its messages are queued like
 * any others, and a stop or a pause finds nothing half begun.
 *
 *   W1  A batch starts when as many messages may start as it can hold, or some have been ready for
 *       `wait`; and not before it has a slot.
 *   W2  A batch takes one slot of its consumer, one place in each group and, of the rate and of the
 *       prefetch, as much as it has messages.
 *   W3  Of one key no two batches have messages at once.
 */
#ifndef ACKD_HOST_BATCHER_H
#define ACKD_HOST_BATCHER_H

#include "host/batch.h"
#include "host/consumer.h"

struct batcher {
    struct consumer *consumer;
    struct list idle;  /* batches that are not in use */
    struct timer wait; /* armed while there are messages for a batch, but not for a full one */
    bool due;          /* they have waited: the next batch takes what is there */
};

/* Whether @handler has what the configuration wants called: ACKD_E_CONFIG. */
ACKD_MUST_CHECK int batcher_check(const struct config_consumer *config,
                                  const struct ackd_consumer *handler);

/* For a consumer with 'batch:'; else NULL. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int batcher_new(struct consumer *consumer, struct batcher **ret_batcher);
/* All batches must have come back. NULL does nothing. */
void batcher_free(struct batcher **batcher);

/* Once per turn: start what is full or due. */
void batcher_go_on(struct batcher *batcher);
/* @batch came back from its runner: settle its messages, and keep it. */
void batcher_receive(struct batch *batch);

#endif

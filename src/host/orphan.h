/* SPDX-License-Identifier: MIT */
/*
 * orphan - messages whose channel died under their handlers, and what still counts of the results.
 *
 * The broker gives such a message out again. Where that comes back to this consumer, it waits for
 * the handler that still runs; where that ended well, now or before, it is acknowledged without
 * running again.
 *
 *   O1  An acknowledgement without a run stands for one run of an equal message, equal in all that
 *       its handler can see, that ended well here and whose own acknowledgement was never sent. So
 *       there are at least as many runs as acknowledged messages, whoever publishes what twice.
 *   O2  Only a redelivery is acknowledged so, and only within ORPHAN_MEMORY_MS of subscribing again
 *       or of the run's end: a message that is published later runs.
 *   O3  Where the operator says that ids are unique, a message is known by its id, and an
 *       acknowledgement that was sent and may have been lost is remembered too: of the last
 *       `prefetch` messages, since the broker would not have sent so many more without it.
 *
 * doc/decisions has the reasons, and what is not caught.
 */
#ifndef ACKD_HOST_ORPHAN_H
#define ACKD_HOST_ORPHAN_H

#include "ledger/finished.h"
#include "ledger/ledger.h"

struct consumer;
struct job;
struct station;

enum {
    ORPHAN_MEMORY_MS = 60000,
    ORPHAN_ROOM = 1024,       /* messages remembered, or four times the prefetch */
    ORPHAN_BODY_MAX = 1 << 20 /* a larger body is not compared: it runs again */
};

struct orphans {
    struct finished finished;
    struct identity_key key;
    size_t alive; /* messages in work whose channel is gone */
};

void orphan_init(struct consumer *consumer);
void orphan_fini(struct consumer *consumer);

/* The channel is gone, and nothing of it can be answered for; before idle jobs are forgotten. */
void orphan_lost(struct consumer *consumer);
/* It consumes again. */
void orphan_active(struct consumer *consumer);
/* The answer @answer for @job came too late: it is over, and will be forgotten. */
void orphan_settled(struct consumer *consumer, struct job *job, enum ledger_answer answer);
/* The acknowledgement of @job was written; for O3. */
void orphan_acked(struct consumer *consumer, struct job *job);
/*
 * A redelivery came, QUEUED. True: it is settled, or waits for what runs; else it is to run.
 */
bool orphan_claim(struct consumer *consumer, struct job *job);
/* The handlers of @station that run for a channel that is gone have been asked to stop. */
void orphan_canceled(struct consumer *consumer, struct station *station);
/* Answer for those that wait: nothing will start any more. */
void orphan_release(struct consumer *consumer);

#endif

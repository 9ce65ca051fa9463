/* SPDX-License-Identifier: MIT */
/*
 * retry - messages that are not done: to a delay queue and back, to the dead letters, or given back.
 *
 * Each consumer has delay queues by the names of ledger/ladder.h: quorum queues, whatever its own
 * queue is, whose messages run out after the delay and are routed back to it. Nothing of a message
 * is kept in memory meanwhile.
 *
 *   X1  A copy is confirmed before its original is acknowledged.
 *   X2  A copy that cannot be made, or is not confirmed, means that the original is given back, after
 *       a pause that grows with each of them: it is never lost, and never goes round in a circle
 *       without one.
 *   X3  A message is not given back where that could be once too often for its queue: a copy goes
 *       to the end of the queue instead.
 *   X4  Without its delay queues a consumer does not begin to consume.
 */
#ifndef ACKD_HOST_RETRY_H
#define ACKD_HOST_RETRY_H

#include "amqp/channel.h"
#include "broker/topology.h"
#include "config/config.h"
#include "ledger/ladder.h"
#include "ledger/retry.h"

struct consumer;
struct job;

enum { RETRY_FIELDS = 6 };

struct retry {
    struct retry_policy policy;
    struct ladder ladder;
    char *names[LADDER_STEPS_MAX]; /* owned */
    struct channel_field fields[LADDER_STEPS_MAX][RETRY_FIELDS];
    struct topology_step steps[LADDER_STEPS_MAX + 1]; /* and the dead-letter queue */
    struct topology_wish wish;
    bool ready;       /* all of these queues were there */
    uint32_t refused; /* copies in a row that could not be published */
};

/* @done is called as by topology.h: `ready` is for it to set. */
ACKD_MUST_CHECK int retry_init(struct retry *retry, const struct config_consumer *config,
                               void (*done)(struct topology_wish *wish, int code));
void retry_fini(struct retry *retry);
/* See to it that the queues are there, unless that is known or under way. */
void retry_declare(struct consumer *consumer);

/*
 * A message came: what is told about it is read. Whether it was taken care of, since it must wait
 * on, or its life has ended.
 */
bool retry_arrived(struct consumer *consumer, struct job *job);
/* Its handler failed, with the job's error: to be tried again, or dead. */
void retry_failed(struct consumer *consumer, struct job *job);
/* To the dead letters, because of @error (borrowed). */
void retry_dead(struct consumer *consumer, struct job *job, const struct ackd_error *error);
/* Give it back, at once; X3. */
void retry_give_back(struct consumer *consumer, struct job *job);
/* Give it back because of @error (borrowed), which is not the message's fault; X2. */
void retry_give_back_later(struct consumer *consumer, struct job *job,
                           const struct ackd_error *error);

#endif

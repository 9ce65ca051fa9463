/* SPDX-License-Identifier: MIT */
/*
 * settle - what becomes of a message: a verdict, and in the end one answer to the broker.
 *
 *   Z1  Whatever must be published first is confirmed before the original is acknowledged.
 *   Z2  An answer for a channel that is gone is counted and dropped.
 *   Z3  A failed message waits before it is given back, so that it cannot spin.
 */
#ifndef ACKD_HOST_SETTLE_H
#define ACKD_HOST_SETTLE_H

#include "host/consumer.h"

/* A job came back from its runner with a verdict. */
void settle_verdict(struct consumer *consumer, struct job *job);
/* Answer for @job, without further ado. */
void settle_answer(struct consumer *consumer, struct job *job, enum ledger_answer answer);
/* Copy it to the dead-letter queue because of @error (borrowed), then acknowledge it. */
void settle_dead(struct consumer *consumer, struct job *job, const struct ackd_error *error);
/* Send what the ledger has: once per turn. */
void settle_flush(struct consumer *consumer);
/* The channel is gone: nothing of it can be answered for. */
void settle_lost(struct consumer *consumer);
/* Answer at once for everything that waits for its pause to end. */
void settle_pausing(struct consumer *consumer);

#endif

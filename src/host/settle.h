/* SPDX-License-Identifier: MIT */
/*
 * settle - what becomes of a message: a verdict, and in the end one answer to the broker.
 *
 *   Z1  Whatever must be published first is confirmed before the original is acknowledged.
 *   Z2  An answer for a channel that is gone is counted and dropped.
 *   Z3  What is given back because of a failure waits before that, so that it cannot spin.
 *
 * Failed and dead messages are the business of retry.
 */
#ifndef ACKD_HOST_SETTLE_H
#define ACKD_HOST_SETTLE_H

#include "host/consumer.h"

/* A job came back from its runner with a verdict. */
void settle_verdict(struct consumer *consumer, struct job *job);
/* Answer for @job, without further ado. */
void settle_answer(struct consumer *consumer, struct job *job, enum ledger_answer answer);
/* Z3: give it back after @ms; at once where the consumer stops. */
void settle_later(struct consumer *consumer, struct job *job, uint64_t ms);
/* Send what the ledger has: once per turn. */
void settle_flush(struct consumer *consumer);
/* The channel is gone: nothing of it can be answered for. */
void settle_lost(struct consumer *consumer);
/* Give back at once everything that waits for its pause to end. */
void settle_pausing(struct consumer *consumer);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * settle - what becomes of a message: a verdict, and in the end one answer to the broker.
 *
 *   Z1  Whatever must be published first is confirmed before the original is acknowledged.
 *   Z2  An answer for a channel that is gone is counted and dropped.
 *   Z3  What is given back because of a failure waits before that, so that it cannot spin.
 *   Z4  A stream is given nothing back, and a classic queue with a single active consumer nothing at
 *       the stop: what would be stays open, or is run again.
 *
 * Failed and dead messages are the business of retry.
 */
#ifndef ACKD_HOST_SETTLE_H
#define ACKD_HOST_SETTLE_H

#include "host/consumer.h"

/* A job came back from its runner with a verdict. */
void settle_verdict(struct consumer *consumer, struct job *job);
/* Whether it must not cancel its subscription when it stops: in RabbitMQ 3.10 that leaves the next
 * consumer of a classic queue with a single active one waiting, and the queue crashes. */
bool settle_stops_by_close(const struct consumer *consumer);
/* Whether it gives nothing back while it is paused, and stays subscribed to what it has. */
bool settle_keeps(const struct consumer *consumer);
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

/* SPDX-License-Identifier: MIT */
/*
 * dispatch - what starts when: deliveries into slots.
 *
 *   Q1  A message runs only between dispatch_take and dispatch_give_back, which come in pairs.
 */
#ifndef ACKD_HOST_DISPATCH_H
#define ACKD_HOST_DISPATCH_H

#include "host/consumer.h"

struct batch;

/* A message came: open its tag and queue it, or settle it where it cannot run. @stray: it came
 * to a subscription that has ended, and goes back. */
void dispatch_delivery(struct consumer *consumer, struct delivery *delivery, bool stray);
/* A message is to run after all: first of those that wait. */
void dispatch_queue(struct consumer *consumer, struct job *job);
/* Once per turn: start what may, in order; see to what has waited for too long. */
void dispatch_go_on(struct consumer *consumer);

/*
 * Take the next message that may start, with all that it needs to run: a slot of its consumer, its
 * key, the rate and every limit. It is RUNNING, and the caller's to send; NULL: none may, for now.
 */
struct job *dispatch_take(struct consumer *consumer);
/* What dispatch_take took for @job is free again: it has come back, or was never sent. */
void dispatch_give_back(struct consumer *consumer, struct job *job);
/*
 * For batches. How many messages wait for nothing but what several can share, a slot and places in
 * groups. Take, into the empty @batch, one by dispatch_take and as many more as may start with it, in
 * order; none where not even one may.
 */
size_t dispatch_ready(const struct consumer *consumer);
void dispatch_take_batch(struct consumer *consumer, struct batch *batch);
/* It has taken something. True: others share in what it took of, and it comes to its next behind
 * them, still in this turn. */
bool dispatch_yields(struct consumer *consumer);
/* Nothing is to start yet, though something could: it stands in no line meanwhile. */
void dispatch_wait(struct consumer *consumer);
/* Nothing that waits here is to start: it goes back, in order. */
void dispatch_give_up(struct consumer *consumer);
/* The timer of what waits: a part of consumer-timeout is over. */
void dispatch_aged(struct timer *timer);
/* Where the next of its messages, or batches of messages, should run. */
struct station *dispatch_station(struct consumer *consumer);

#endif

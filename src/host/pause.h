/* SPDX-License-Identifier: MIT */
/*
 * pause - a consumer that does not consume for a while, and why.
 *
 * Its channel stays: what runs goes on, and is answered for. What has not started goes back at
 * once, in order, so that another host has it; what the broker still sends goes back as it comes.
 *
 *   P1  It is paused while any cause holds; the causes do not know of each other.
 *   P2  While it is paused nothing starts.
 */
#ifndef ACKD_HOST_PAUSE_H
#define ACKD_HOST_PAUSE_H

#include "host/consumer.h"

enum pause_cause {
#define PAUSE_CAUSE(name, text) PAUSE_##name,
#include "host/pause.def"
#undef PAUSE_CAUSE
    PAUSE_CAUSE_COUNT
};

/* @why is copied: what `reason` of the consumer says. No effect if this cause holds already. */
void pause_begin(struct consumer *consumer, enum pause_cause cause, const char *why);
/* It consumes again once no cause is left. No effect if this one does not hold. */
void pause_end(struct consumer *consumer, enum pause_cause cause);
/* Once per turn, while it is paused: a pause that is only to give back ends when that is done. */
void pause_go_on(struct consumer *consumer);
bool pause_holds(const struct consumer *consumer, enum pause_cause cause);
const char *pause_cause_name(enum pause_cause cause);

#endif

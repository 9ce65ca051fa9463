/* SPDX-License-Identifier: MIT */
/*
 * ladder - the delays for which there is a queue to wait in.
 *
 * A delay queue holds each of its messages equally long, so a delay is one of few: it is rounded up
 * to a step. The steps are the shortest and the longest delay wanted and, between them, those of a
 * series that is the same for everybody, so that a change of the configuration finds most queues
 * again. Pure: it must not know what waits, nor for whom.
 *
 *   A1  Steps grow strictly, and there are 1 to LADDER_STEPS_MAX of them.
 *   A2  The first step is the shortest delay wanted, the last one the longest.
 *   A3  A step's queue is named by queue and delay alone, and equal delays have equal names.
 */
#ifndef ACKD_LEDGER_LADDER_H
#define ACKD_LEDGER_LADDER_H

#include <stddef.h>
#include <stdint.h>

enum {
    LADDER_STEPS_MAX = 12, /* queues for each consumed one: each costs the broker memory */
    LADDER_NAME_MORE = 32  /* bytes that a name has more than its queue's, at most, with the end */
};

struct ladder {
    uint64_t ms[LADDER_STEPS_MAX];
    size_t count;
};

/* @first_ms, at least 1, to @max_ms, at least @first_ms. */
void ladder_init(struct ladder *ladder, uint64_t first_ms, uint64_t max_ms);
/* The index of the first step that is not shorter than @ms; of the last one if there is none. */
size_t ladder_step(const struct ladder *ladder, uint64_t ms);
/* Write "<queue>.retry.<delay>" into @name of @size bytes, always terminated. Returns the length of
 * the whole, like snprintf. The delay is in the largest unit that gives a whole number: "90s". */
size_t ladder_name(const char *queue, uint64_t ms, char *name, size_t size);

#endif

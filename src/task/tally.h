/* SPDX-License-Identifier: MIT */
/*
 * tally - what the roots of one name came to: a consumer's messages on this loop, a hook, a service.
 *
 * Written when a root ends, and at no other time.
 */
#ifndef ACKD_TASK_TALLY_H
#define ACKD_TASK_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "task/scheduler.h"

enum {
    TALLY_BUCKETS = 96,       /* four to an octave, from a microsecond to 16 seconds */
    TALLY_MEASURE_FIRST = 64, /* roots between two measurements, and when there were many */
    TALLY_MEASURE_LATER = 1024,
    TALLY_MAX = 32 /* names of a loop; the last takes what comes after them */
};

struct tally {
    char name[SCHEDULER_NAME_SIZE];
    const char *source; /* which @name was last found for; only compared */
    uint64_t ended, failed, cancelled;
    uint64_t longest_ns;            /* run without an await that suspended */
    size_t stack_depth, stack_size; /* where one went deep, the deepest; 0: none did */
    uint32_t runs[TALLY_BUCKETS];   /* ages at the end */
    uint32_t waits[TALLY_BUCKETS];  /* in the ready queue, the mean of each of its dispatches */
};

/* That of @name, on the loop's thread; NULL: out of memory. */
struct tally *tally_find(struct scheduler *scheduler, const char *name);
/* @task, a root, has ended. */
void tally_end(struct ackd_task *task);
/* Frames full of zeros go deep and leave no mark, so now and then a root's stack is measured: a
 * system call, which takes as long as ten messages. */
static inline bool tally_is_to_be_measured(const struct tally *tally)
{
    bool is_new = tally->ended < TALLY_MEASURE_LATER;
    return tally->ended % (is_new ? TALLY_MEASURE_FIRST : TALLY_MEASURE_LATER) == 0;
}
void tally_measure(struct ackd_task *task);
/* A task of @name was as deep as @depth in its stack. */
void tally_deepen(struct scheduler *scheduler, const char *name, size_t depth, size_t stack_size);

/* All of @scheduler's, at most TALLY_MAX; returns how many. On the loop's thread. */
size_t tally_copy(const struct scheduler *scheduler, struct tally *ret_tallies);

size_t tally_bucket(uint64_t ns);
/* The lowest time that is counted there. */
uint64_t tally_bucket_ns(size_t bucket);
/* Under which @percent of those counted in @buckets are: the low end of its bucket. */
uint64_t tally_quantile_ns(const uint32_t *buckets, unsigned percent);

#endif

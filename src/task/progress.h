/* SPDX-License-Identifier: MIT */
/*
 * progress - what a loop does now, published for the thread that watches it.
 *
 * The loop's thread writes it with relaxed stores and no locked instruction; who reads it sees
 * numbers that were each right a moment ago, and looks twice before it believes them.
 *
 *   P1  While dispatches and rounds both stand still, the loop runs one task without an await that
 *       suspended, or one piece of its own code, or waits for events.
 */
#ifndef ACKD_TASK_PROGRESS_H
#define ACKD_TASK_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

/* In place of a task's id. */
#define PROGRESS_LOOP UINT64_C(0)       /* the loop's own code */
#define PROGRESS_POLLING (~UINT64_C(0)) /* it waits for events, or is in a callback of one */

struct progress {
    _Atomic uint64_t dispatches; /* of tasks, so far */
    _Atomic uint64_t rounds;     /* of the loop: at the beginning and at the end of each */
    _Atomic uint64_t task;       /* the id of the one dispatched last; or one of the above */
};

static inline void progress_dispatch(struct progress *progress, uint64_t dispatches, uint64_t task)
{
    atomic_store_explicit(&progress->dispatches, dispatches, memory_order_relaxed);
    atomic_store_explicit(&progress->task, task, memory_order_relaxed);
}

/* @task: PROGRESS_LOOP at the beginning of a round, PROGRESS_POLLING at its end. */
static inline void progress_round(struct progress *progress, uint64_t task)
{
    uint64_t rounds = atomic_load_explicit(&progress->rounds, memory_order_relaxed);
    atomic_store_explicit(&progress->rounds, rounds + 1, memory_order_relaxed);
    atomic_store_explicit(&progress->task, task, memory_order_relaxed);
}

#endif

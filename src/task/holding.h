/* SPDX-License-Identifier: MIT */
/*
 * holding - what a task has under way, or has taken, for a structure of its caller's.
 *
 * The structure may go without a word, by an early return, so that nothing may point into it. What
 * is under way is therefore in a block of the scheduler's, which the structure only refers to, and
 * which knows where the structure was and whose it is: it is ended when the task is seen to be above
 * that place, or ends itself.
 *
 *   N1  A block is the task's from holding_take to holding_drop; afterwards its version differs.
 *   N2  What ends a holding does not suspend, and allocates nothing.
 */
#ifndef ACKD_TASK_HOLDING_H
#define ACKD_TASK_HOLDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ackd_task;
struct scheduler;
struct holding;

struct holding_kind {
    const char *name;
    /*
     * Its structure or its task has ended: give up what it is, and drop it. @gone: the structure
     * cannot be looked at any more. Nor can what else is on the task's stack below @limit.
     */
    void (*end)(struct holding *holding, bool gone, const void *limit);
};

enum { HOLDING_BYTES = 160 };

struct holding {
    struct holding *next;
    struct holding **link;  /* what points at this one */
    struct ackd_task *task; /* NULL: spare */
    const void *block;      /* the caller's structure */
    const struct holding_kind *kind;
    const char *file, *function; /* where it was begun */
    int line;
    uint32_t version;
    _Alignas(max_align_t) char bytes[HOLDING_BYTES]; /* the kind's own */
};

/* Of the running task, for @block. NULL: out of memory, without an error. */
struct holding *holding_take(struct ackd_task *task, const struct holding_kind *kind,
                             const void *block, const char *file, int line, const char *function);
void holding_drop(struct holding *holding);

/* Of @task, for @block on its stack, which is to be used again: what is still there was left. Ends
 * it. */
void holding_end_block(struct ackd_task *task, const void *block);
/* End what is for structures that @stack_now is above; what is watched only. */
void holding_sweep(struct ackd_task *task, const void *stack_now);
/* Whether @place is on the stack of the holding's task, below @limit. */
bool holding_is_below(const struct holding *holding, const void *place, const void *limit);
/* The task's function returned. */
void holding_end_all(struct ackd_task *task);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * engine - what the files of this floor share of the scheduler. Nobody else includes it.
 *
 *   G1  engine_this is set while a turn runs on this thread; its current task is NULL while a timer
 *       fires, a cancel call runs, or done() is called.
 *   G2  Where a task suspends or ends, the next one of the queue goes on at once: the loop's stack
 * is reached only when the queue or the turn is at its end. A new task takes over the stack of one
 *       that ended, without a switch. The queue is first in, first out all the same.
 */
#ifndef ACKD_TASK_ENGINE_H
#define ACKD_TASK_ENGINE_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/list.h"
#include "base/timer.h"
#include "task/overflow.h"
#include "task/progress.h"
#include "task/queue.h"
#include "task/scheduler.h"
#include "task/stack.h"

struct frame;
struct holding;
struct home;
struct tally;

enum {
    ENGINE_BUDGET = 128,      /* completions without a suspension before a task is made to yield */
    ENGINE_TURN_MAX = 256,    /* dispatches in a turn */
    ENGINE_WARNED = 32,       /* names of tasks whose deep stack was reported */
    ENGINE_TURN_NS = 5000000, /* the same in time */
    ENGINE_CLOCK_EVERY_MAX = 16,  /* dispatches between two looks at the clock, at most */
    ENGINE_CLOCK_QUICK_NS = 50000 /* under this much since the last look, the next may be later */
};

struct scheduler {
    uint32_t budget;    /* of the running task */
    uint32_t turn_left; /* dispatches */
    uint32_t clock_in;  /* dispatches to the next look at the clock */
    uint32_t clock_every;
    struct ackd_task *current;
    struct ackd_task *ready; /* first in the queue */
    struct ackd_task **ready_end;
    struct stack *running;   /* the stack in use; NULL: the loop's own */
    struct stack *retired;   /* left for good, to be given back */
    struct stack *resting;   /* waits in scheduler_run_stack for a new task (G3); NULL: none */
    struct context *left;    /* by the last switch */
    struct context context;  /* the loop's */
    struct ackd_task *spare; /* blocks to be used again */
    struct frame *spare_frames;
    struct holding *spare_holdings;
    uint64_t now_ns;    /* the last look at the clock */
    uint64_t looked_ns; /* the same, for clock_every */
    uint64_t turn_end_ns;
    struct progress progress;
    bool now_stale;            /* the loop was left since */
    uint64_t next_id, last_id; /* ids that are ours to give */
    uint64_t last_search;      /* for cycles of awaits */
    struct list tasks;         /* live, in order of creation */
    struct list failed;        /* ended, with a failure that may not have been looked at yet */
    struct queue room;         /* tasks that wait to spawn: see room.h */
    size_t granted;            /* places that were granted to such, and not yet taken up */
    struct timers timers;
    struct scheduler_counts counts;
    struct stack_pool stacks;
    _Atomic(struct ackd_task *) asked;       /* tasks that other threads want cancelled */
    _Atomic(struct scheduler_post *) posted; /* last posted first */
    atomic_uint posters;                     /* threads inside scheduler_post */
    _Atomic(const void *) thread;            /* of the turns: see engine_is_here */
    struct home *home;                       /* of calls that other threads cause */
    struct overflow overflow;
    struct tally *tallies; /* of handlers; NULL: none yet */
    size_t tally_count;
    struct scheduler *next; /* of all */
    uint32_t warned[ENGINE_WARNED];
    size_t stack_size, tasks_max;
    struct engine_chunk *chunks; /* what task blocks and frames are cut from */
    uint64_t (*now)(void *arg);
    void (*wake)(void *arg);
    void *arg;
    char name[32];
};

/* The scheduler whose turn runs on this thread. */
extern _Thread_local struct scheduler *engine_this __attribute__((tls_model("initial-exec")));

/* The address of this is the thread's identity. */
extern _Thread_local char engine_thread __attribute__((tls_model("initial-exec")));

static inline bool engine_is_here(const struct scheduler *scheduler)
{
    return atomic_load_explicit(&scheduler->thread, memory_order_relaxed) == &engine_thread;
}

/* Also before its first turn, while its thread is not known yet. */
static inline bool engine_may_touch(const struct scheduler *scheduler)
{
    const void *thread = atomic_load_explicit(&scheduler->thread, memory_order_relaxed);
    return thread == NULL || thread == &engine_thread;
}

static inline struct ackd_task *engine_task(void)
{
    struct scheduler *scheduler = engine_this;
    return scheduler == NULL ? NULL : scheduler->current;
}

static inline uint64_t engine_now(struct scheduler *scheduler)
{
    scheduler->now_stale = false;
    return scheduler->now_ns = scheduler->now(scheduler->arg);
}

/*
 * Where to go on: in the next task of the queue, which is current then, or in the loop when the
 * queue or the turn is at its end. The caller notes what it leaves, switches, and afterwards takes
 * back a stack that was left for good.
 */
struct context *scheduler_choose(struct scheduler *scheduler);
/*
 * At the end of a dispatch, every clock_every of them: the more rarely the quicker tasks are. A
 * turn that has had its time dispatches no more.
 */
void scheduler_look_at_clock(struct scheduler *scheduler);
void scheduler_take_back(struct scheduler *scheduler);

/* Make the calls that were posted, outside of tasks (G1), and leave @next in their place: NULL, or
 * engine_closed. */
void engine_serve_posts(struct scheduler *scheduler, struct scheduler_post *next);
/* Stands for posts that are not taken any more. */
extern struct scheduler_post engine_closed;

/* Fire the timers that are due now, outside of tasks (G1). */
void engine_fire(struct scheduler *scheduler);

/* @count blocks of @size bytes, zeroed, that live as long as the scheduler; NULL: out of memory. */
void *engine_cut(struct scheduler *scheduler, size_t count, size_t size);
void engine_free_chunks(struct scheduler *scheduler);

#endif

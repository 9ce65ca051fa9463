/* SPDX-License-Identifier: MIT */
/*
 * task - one activity: what it runs, where it stands, who waits for it.
 *
 *   T1  A block has one reference for running, until it has ended, and one for each handle.
 *   T2  Parked is: neither running nor in the ready queue. Only task_ready ends it.
 *   T3  A terminal state never changes.
 */
#ifndef ACKD_TASK_TASK_H
#define ACKD_TASK_TASK_H

#include <ackd/task.h>
#include <errno.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "task/cancel.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/holding.h"
#include "task/wait.h"

enum { TASK_MAGIC = 0x7a5c0ded, TASK_NAME_SIZE = SCHEDULER_NAME_SIZE };

/*
 * Where a task's time went. Together they are its age, exactly; who had how much is as precise as
 * the scheduler's clock, which is looked at every few dispatches, and at each one where tasks are
 * slow.
 */
struct task_times {
    uint64_t busy_ns, ready_ns, awaiting_ns; /* up to state_ns; the present state adds to its own */
    uint64_t longest_ns;                     /* run */
    uint32_t dispatches, yields;
};

struct ackd_task {
    uint32_t magic;
    uint32_t references;
    enum ackd_task_state state : 8;
    bool parked;
    bool observed;                       /* somebody took the failure */
    bool ending;                         /* its function returned */
    uint8_t flags;                       /* of enum ackd_task_flags */
    enum ackd_cancel_reason heeded : 8;  /* of a token's block that ended so; see task_conclude */
    enum ackd_cancel_reason awaited : 8; /* why the last that it awaited was cancelled */
    int code;
    struct ackd_task *ready_next;
    struct scheduler *scheduler;
    struct stack *stack; /* from the first dispatch on */
    ackd_task_fn *fn;
    void *arg;
    struct wait *wait;        /* what it waits for; NULL: nothing */
    struct cancel *innermost; /* &node, or the node of its innermost frame */
    struct frame *frames;     /* innermost first */
    struct section *section;  /* the innermost that it is in; NULL: it may suspend */
    struct frame *heeds;      /* the watch on the token it was spawned with; NULL: none */
    struct frame *scope;      /* the parent's, in which it was spawned; NULL: a root */
    struct holding *watched;  /* for structures on its stack */
    struct holding *kept;     /* for others */
    struct list waiters;      /* struct task_waiter */
    struct task_deferred *deferred;
    const struct ackd_error *error; /* owned: why it failed */
    const struct ackd_error *lost;  /* owned: of a scope that was left without a join */
    const struct log_context *log_context;
    const struct scheduler_root *root; /* only while it is spawned */
    void *message;
    struct tally *tally; /* of a root; NULL: it is none */
    void (*done)(struct ackd_task *task, int code, const struct ackd_error *error,
                 enum ackd_cancel_reason reason, void *arg);
    struct ackd_owner *owner; /* of its root; NULL: none */
    ackd_observe_fn *observe; /* of a detached task; NULL: it is not one */
    void *observe_arg;
    struct error_slot slot;
    struct cancel node;
    struct arena arena; /* set up at the first allocation */
    struct list all;    /* in the scheduler's tasks */
    uint64_t id, parent_id;
    size_t stack_size;
    uint64_t created_ns, state_ns;
    struct task_times times;
    const char *file, *function; /* where it was spawned */
    int line;
    struct ackd_task *search_next, *search_from; /* of a search for cycles */
    uint64_t search;
    bool search_stuck, search_queued, search_looked;
    _Atomic enum ackd_cancel_reason asked; /* by another thread */
    struct ackd_task *asked_next;
    char name[TASK_NAME_SIZE];
};

/* Waiters on several tasks that share one wait. */
struct task_group {
    size_t left;           /* ends to come until the wait is over */
    size_t any;            /* 0: it is for all of them; else for any of so many */
    uint64_t search, free; /* for cycles: see there */
    size_t search_hits;
    struct task_group *search_next;
};

/* One that waits for a task to end; on the stack of who waits. */
struct task_waiter {
    struct list link;
    struct wait *wait;
    struct task_group *group; /* NULL: it takes the result, and the failure with it */
};

/*
 * A new task with one reference. Its caller sets what it belongs to, and where it comes from; and
 * puts it into the ready queue. ACKD_E_FULL, ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int task_new(struct scheduler *scheduler, ackd_task_fn *fn, void *arg,
                             const char *name, size_t stack_size, struct cancel *parent,
                             struct ackd_task **ret_task);

/* On its own stack: run it, and all that follows from its end. It may be gone afterwards. */
void task_run(struct ackd_task *task);
/* End a task that never ran, with @code and the error in its own slot. */
void task_abandon(struct ackd_task *task, int code);

/* The failure of a scope that nobody joined: for the task's own result, or reported. Takes it. */
void task_leave_failure(struct ackd_task *task, const struct ackd_error *error);

/* Cancel the detached tasks of @owner. */
void task_cancel_detached(const struct ackd_owner *owner, enum ackd_cancel_reason reason);

/* The running task stops running; into @state. */
static inline void task_leave(struct ackd_task *task, enum ackd_task_state state)
{
    struct scheduler *scheduler = task->scheduler;
    if (--scheduler->clock_in == 0)
        scheduler_look_at_clock(scheduler);
    uint64_t ran_ns = scheduler->now_ns - task->state_ns;
    task->times.busy_ns += ran_ns;
    if (ran_ns > task->times.longest_ns)
        task->times.longest_ns = ran_ns;
    task->state = state;
    task->state_ns = scheduler->now_ns;
}

static inline void task_queue(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    task->ready_next = NULL;
    *scheduler->ready_end = task;
    scheduler->ready_end = &task->ready_next;
    scheduler->counts.ready++;
}

static inline void task_queue_first(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    task->ready_next = scheduler->ready;
    if (scheduler->ready == NULL)
        scheduler->ready_end = &task->ready_next;
    scheduler->ready = task;
    scheduler->counts.ready++;
}

/* To the end of the ready queue, if it is parked (T2). */
static inline void task_ready(struct ackd_task *task)
{
    if (!task->parked)
        return;
    task->parked = false;
    __builtin_prefetch(task->stack); /* for scheduler_foresee */
    struct scheduler *scheduler = task->scheduler;
    if (scheduler->now_stale)
        engine_now(scheduler);
    task->times.awaiting_ns += scheduler->now_ns - task->state_ns;
    task->state_ns = scheduler->now_ns;
    if (!task->ending)
        task->state = ACKD_TASK_READY;
    task_queue(task);
}

/*
 * Let others run until this task is dispatched again. Inline, as are those that call it: a
 * processor mispredicts each return on a stack it comes back to, so the fewer frames there are the
 * better.
 */
static inline void task_switch_away(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    struct context *own = &task->stack->context;
    int os_code = errno;
    task_leave(task, task->ending   ? ACKD_TASK_JOINING
                     : task->parked ? ACKD_TASK_AWAITING
                                    : ACKD_TASK_READY);
    task->log_context = log_context_use(NULL);
    struct context *next = scheduler_choose(scheduler);
    if (next != own) {
        scheduler->counts.switches++;
        scheduler->left = own;
        context_switch(own, next);
        if (scheduler->retired != NULL)
            scheduler_take_back(scheduler);
    }
    errno = os_code;
}

/* Park until task_ready. */
static inline void task_suspend(struct ackd_task *task)
{
    task->parked = true;
    task_switch_away(task);
}

/*
 * What wait_park is, and with @to_end wait_park_to_end, without a frame of its own: until it is
 * finished, or until the task is cancelled.
 */
static inline __attribute__((always_inline)) int task_wait(struct wait *wait, bool to_end)
{
    struct ackd_task *task = wait->task;
    while (!wait->finished) { /* W1 */
        if (!to_end && task->innermost->reason != ACKD_CANCEL_NONE)
            return ACKD_CANCELED;
        task->wait = wait;
        task_suspend(task);
        task->wait = NULL;
    }
    return wait->code;
}

/* The running task to the end of the ready queue. */
static inline void task_yield(struct ackd_task *task)
{
    task->times.yields++;
    task_queue(task);
    task_switch_away(task);
}

/*
 * Where the frames of this function's callers begin: what they have declared lies above, what
 * others had that were called before lies below. A frame's own address would do on x86-64, where it
 * is the highest of the frame; on aarch64 it is the lowest.
 */
#define TASK_STACK_NOW __builtin_dwarf_cfa()

/* Whether the innermost frame's block was left without its pop: @stack_now is above it. */
static inline bool task_left_frame(const struct ackd_task *task, const void *stack_now)
{
    const struct frame *frame = task->frames;
    if (frame == NULL)
        return false;
    uintptr_t low = (uintptr_t)task->stack->low;
    return (uintptr_t)frame->block - low < (uintptr_t)stack_now - low;
}

/* What task_check leaves to be done, where not all is as usual. */
int wait_check_slowly(struct ackd_task *task, const void *stack_now, const char *file, int line,
                      const char *function);

/*
 * wait_check, for functions of this floor that are called by handlers: @stack_now is
 * TASK_STACK_NOW there, so that they must not be inlined.
 */
static inline int task_check(const void *stack_now, const char *file, int line,
                             const char *function)
{
    struct ackd_task *task = engine_task();
    if (__builtin_expect(task == NULL || task->scheduler->budget == 0 || task->watched != NULL ||
                             task_left_frame(task, stack_now),
                         0))
        return wait_check_slowly(task, stack_now, file, line, function);
    task->scheduler->budget--;
    return task->innermost->reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

/* Cancel what other threads asked for. */
void task_serve_asked(struct scheduler *scheduler);

#endif

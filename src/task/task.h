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
#include "task/wait.h"

enum { TASK_MAGIC = 0x7a5c0ded, TASK_NAME_SIZE = 48 };

struct ackd_task {
    uint32_t magic;
    uint32_t references;
    enum ackd_task_state state : 8;
    bool parked;
    bool observed; /* somebody took the failure */
    bool ending;   /* its function returned */
    int code;
    struct ackd_task *ready_next;
    struct scheduler *scheduler;
    struct stack *stack; /* from the first dispatch on */
    ackd_task_fn *fn;
    void *arg;
    struct wait *wait;        /* what it waits for; NULL: nothing */
    struct cancel *innermost; /* &node, or the node of its innermost frame */
    struct frame *frames;     /* innermost first */
    struct frame *scope;      /* the parent's, in which it was spawned; NULL: a root */
    struct list waiters;      /* struct task_waiter */
    struct task_deferred *deferred;
    const struct ackd_error *error; /* owned: why it failed */
    const struct ackd_error *lost;  /* owned: of a scope that was left without a join */
    const struct log_context *log_context;
    const struct scheduler_root *root; /* only while it is spawned */
    void *message;
    void (*done)(struct ackd_task *task, int code, const struct ackd_error *error,
                 enum ackd_cancel_reason reason, void *arg);
    struct error_slot slot;
    struct cancel node;
    struct arena arena; /* set up at the first allocation */
    struct list all;    /* in the scheduler's tasks */
    uint64_t id, parent_id;
    size_t stack_size;
    uint64_t created_ns, state_ns;
    const char *file, *function; /* where it was spawned */
    int line;
    struct ackd_task *search_next, *search_from; /* of a search for cycles */
    uint64_t search;
    _Atomic enum ackd_cancel_reason asked; /* by another thread */
    struct ackd_task *asked_next;
    char name[TASK_NAME_SIZE];
};

/* One that waits for a task to end; on its own stack. */
struct task_waiter {
    struct wait wait; /* first */
    struct list link;
    struct ackd_task *target;
};

/* A new task in the ready queue, with one reference. ACKD_E_FULL, ACKD_E_NOMEM, ACKD_E_INVAL. */
ACKD_MUST_CHECK int task_new(struct scheduler *scheduler, ackd_task_fn *fn, void *arg,
                             const char *name, size_t stack_size, struct cancel *parent,
                             struct ackd_task **ret_task);

/* On its own stack: run it, and all that follows from its end. It may be gone afterwards. */
void task_run(struct ackd_task *task);
/* End a task that never ran, with @code and the current error. */
void task_abandon(struct ackd_task *task, int code);

/* The failure of a scope that nobody joined: for the task's own result, or reported. Takes it. */
void task_leave_failure(struct ackd_task *task, const struct ackd_error *error);

static inline void task_set_state(struct ackd_task *task, enum ackd_task_state state)
{
    task->state = state;
    task->state_ns = task->scheduler->now_ns;
}

static inline void task_queue(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    task->ready_next = NULL;
    *scheduler->ready_end = task;
    scheduler->ready_end = &task->ready_next;
    scheduler->counts.ready++;
}

/* To the end of the ready queue, if it is parked (T2). */
static inline void task_ready(struct ackd_task *task)
{
    if (!task->parked)
        return;
    task->parked = false;
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
    task_set_state(task, task->ending ? ACKD_TASK_JOINING : ACKD_TASK_AWAITING);
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

/* The running task to the end of the ready queue. */
static inline void task_yield(struct ackd_task *task)
{
    task_queue(task);
    task_switch_away(task);
}

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
 * wait_check, for functions of this floor that are called by handlers: @stack_now is their own
 * frame address, so that they must not be inlined.
 */
static inline int task_check(const void *stack_now, const char *file, int line,
                             const char *function)
{
    struct ackd_task *task = engine_task();
    if (__builtin_expect(
            task == NULL || task->scheduler->budget == 0 || task_left_frame(task, stack_now), 0))
        return wait_check_slowly(task, stack_now, file, line, function);
    task->scheduler->budget--;
    return task->innermost->reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

/* Cancel what other threads asked for. */
void task_serve_asked(struct scheduler *scheduler);

#endif

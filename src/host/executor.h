/* SPDX-License-Identifier: MIT */
/*
 * executor - one handler loop: a thread's event loop, the scheduler of its tasks, and the turn that
 * joins them. What there is once for each loop is here: calls posted to it, its loop-locals, and
 * the look at tasks that wait for one another.
 *
 *   X1  What was taken begins before the tasks run, a batch at a time, so that what the tasks of one
 *       batch leave in the cache serves those of the next.
 *   X2  All but executor_start, executor_join and ackd_post belongs to the loop's own thread, once
 *       that runs.
 *   X3  What ackd_post has taken is called; what comes after the close is refused.
 */
#ifndef ACKD_HOST_EXECUTOR_H
#define ACKD_HOST_EXECUTOR_H

#include <ackd/abi.h>
#include <ackd/runtime.h>

#include "io/loop.h"
#include "io/watchdog.h"
#include "task/scheduler.h"

enum { EXECUTOR_BATCH = 64 }; /* of what comes in: begun before any of it runs */

struct executor;
struct locals;

struct executor_options {
    const char *name; /* "loop 0"; copied */
    /* Begin what has come, EXECUTOR_BATCH at most; whether there may be more. NULL: nothing comes.
     */
    bool (*take)(void *arg);
    /* The end of a turn: show what has gathered. May be NULL. */
    void (*flush)(void *arg);
    /*
     * Tasks are live, none ran for deadlock_ms, and each waits for what only another of them could
     * do. Once, until some task runs again. May be NULL; so is 0 ms.
     */
    void (*deadlocked)(void *arg);
    uint64_t deadlock_ms;
    void *arg;
    /* The clock of its tasks; NULL: the loop's own. The loop does not wait for it then: see
     * executor_due_ns. */
    uint64_t (*now_ns)(void *arg);
    size_t stack_size;    /* 0: default, as for the next two */
    size_t tasks_max;     /* live at once */
    size_t stacks_cached; /* kept when idle */
    enum stack_guard guard;
    struct watchdog *watchdog; /* borrowed; NULL: nobody watches */
};

/* ACKD_E_INVAL where the kernel does not allow for tasks_max, ACKD_E_NOMEM, ACKD_E_OS. */
ACKD_MUST_CHECK int executor_new(const struct executor_options *options,
                                 struct executor **ret_executor);
/* Its loop must have ended, and no task may be live. NULL does nothing. */
void executor_free(struct executor **executor);

/* Run its loop on a thread of its own, until loop_stop; then wait for that. */
ACKD_MUST_CHECK int executor_start(struct executor *executor);
void executor_join(struct executor *executor);

/*
 * The last that runs here: destroy the loop-locals, in a task; then take no more posts, and call
 * ended(arg), outside of tasks. No task may be live, and none be made afterwards.
 */
void executor_close(struct executor *executor, void (*ended)(void *arg), void *arg);

/* The clock of its tasks. */
uint64_t executor_now_ns(const struct executor *executor);
/* With a clock of its own: when, on that clock, it has something to do; 0: at once, TIMER_NEVER. */
uint64_t executor_due_ns(const struct executor *executor);

/* How much of the time it had nothing to do: since its first turn, or since this was asked last. On
 * its thread; below 0: not known yet. */
int executor_idle_percent(struct executor *executor);

struct loop *executor_loop(const struct executor *executor);
struct scheduler *executor_scheduler(const struct executor *executor);
struct locals *executor_locals(struct executor *executor);
/* As handlers and programs know it. */
struct ackd_loop *executor_handle(struct executor *executor);
/* Whether somebody was given the handle: then posts may come from anywhere. Any thread. */
bool executor_is_known(const struct executor *executor);
/* Of the handler loop that runs on this thread; NULL elsewhere. */
struct executor *executor_current(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * scheduler - runs the tasks of one loop, one at a time.
 *
 * It owns the ready queue, the stacks, the timers of its tasks and their memory. It knows no
 * descriptor, no libuv and no clock of its own: io gives it a clock, calls scheduler_turn()
 * whenever the loop comes round, and blocks no longer than the deadline that turn returned.
 *
 *   C1  All calls but task_cancel (by handle) happen on the thread that runs the turns.
 *   C2  Completing or waking never runs a task inside the caller: it goes to the end of the ready
 * queue. C3  A turn dispatches at most 256 tasks or for 5 ms.
 */
#ifndef ACKD_TASK_SCHEDULER_H
#define ACKD_TASK_SCHEDULER_H

#include <ackd/task.h>

#include "base/log.h"

struct scheduler;

enum stack_guard { STACK_GUARD_AUTO, STACK_GUARD_MPROTECT, STACK_GUARD_REGION };

struct scheduler_options {
    const char *name;              /* for errors and dumps, e.g. "loop 0"; copied */
    uint64_t (*now_ns)(void *arg); /* the monotonic clock, read afresh at each call */
    void (*wake)(void *arg);       /* make the loop come round soon; called from any thread */
    void *arg;                     /* of both */
    size_t stack_size;             /* bytes reserved per task; 0: 256 KiB */
    size_t tasks_max;              /* live tasks; 0: 10,000 */
    size_t stacks_cached;          /* kept when idle; 0: 256 */
    enum stack_guard guard;
};

/*
 * ACKD_E_INVAL where tasks_max cannot be had because of vm.max_map_count: the text names the sysctl
 * and the value it needs. ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int scheduler_new(const struct scheduler_options *options,
                                  struct scheduler **ret_scheduler);
/* No task may be live. */
void scheduler_free(struct scheduler **scheduler);

/*
 * Fire due timers and run ready tasks within the budget. Returns when it must be called again at
 * the latest: 0 while tasks are ready, TIMER_NEVER when only an outside event can bring work.
 */
uint64_t scheduler_turn(struct scheduler *scheduler);

/* The scheduler whose turn runs on this thread; NULL outside. */
struct scheduler *scheduler_current(void);

/* A task that belongs to the host and not to a scope: a message, start(), stop(). */
struct scheduler_root {
    ackd_task_fn *fn;
    void *arg;
    const char *name;                      /* copied */
    size_t stack_size;                     /* 0: the scheduler's own */
    const struct log_context *log_context; /* borrowed until done; what its lines carry */
    void *message; /* scheduler_message() inside the task and its children */
    /*
     * Called once, on the loop, outside of any task, when the task and all its children have ended
     * and its deferred calls ran. @code: what it returned, ACKD_CANCELED only if it was cancelled.
     * @error is borrowed, NULL unless it failed. @reason: why it was asked to stop, NONE if it was
     * not.
     */
    void (*done)(struct ackd_task *task, int code, const struct ackd_error *error,
                 enum ackd_cancel_reason reason, void *arg);
};

/*
 * Queue a root task. @ret_task may be NULL; else it is borrowed until done() returns. ACKD_E_FULL
 * at tasks_max, ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int scheduler_spawn(struct scheduler *scheduler, const struct scheduler_root *root,
                                    struct ackd_task **ret_task);

/* What the root of the running task was given; NULL outside of tasks. */
void *scheduler_message(void);

struct scheduler_counts {
    uint64_t created, succeeded, failed, cancelled; /* created = the other three + live */
    uint64_t dispatched, switches;
    uint64_t live, ready, stacks_live, stacks_cached, stack_high_water; /* the last in bytes */
    uint64_t timers;
    uint64_t late; /* bodies that succeeded after their deadline */
};
void scheduler_counts(const struct scheduler *scheduler, struct scheduler_counts *ret_counts);

/* One task as a dump shows it. Strings are borrowed for the call. */
struct scheduler_view {
    uint64_t id, parent_id; /* 0: a root */
    const char *name;
    enum ackd_task_state state;
    uint64_t state_ns, age_ns;
    const char *await_kind; /* "timer", "task", "scope", "process", ...; NULL unless awaiting */
    const char *await_what; /* may be NULL */
    const char *await_file, *await_function;
    int await_line;
    const char *spawn_file;
    int spawn_line;
    enum ackd_cancel_reason cancel_reason;
    void *message;
};
/* Visit every live task, in order of creation. */
void scheduler_visit(const struct scheduler *scheduler,
                     void (*visit)(const struct scheduler_view *view, void *arg), void *arg);

#endif

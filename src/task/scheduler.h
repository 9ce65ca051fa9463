/* SPDX-License-Identifier: MIT */
/*
 * scheduler - runs the tasks of one loop, one at a time.
 *
 * It owns the ready queue, the stacks, the timers of its tasks and their memory. It knows no
 * descriptor, no libuv and no clock of its own: io gives it a clock, calls scheduler_turn()
 * whenever the loop comes round, and blocks no longer than the deadline that turn returned.
 *
 *   C1  All calls but task_cancel (by handle) and scheduler_post happen on the thread that runs the
 *       turns.
 *   C2  Completing or waking never runs a task inside the caller: it goes to the end of the ready
 *       queue.
 *   C3  A turn dispatches at most 256 tasks or for 5 ms.
 */
#ifndef ACKD_TASK_SCHEDULER_H
#define ACKD_TASK_SCHEDULER_H

#include <ackd/task.h>

#include "base/log.h"
#include "base/timer.h"
#include "task/wait.h"

struct progress;
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

/*
 * Whether tasks are live that can end only by one another, and none of them can: no turn will
 * change that, only a call from outside. Visits all tasks: for a loop that has been idle.
 */
bool scheduler_is_deadlocked(const struct scheduler *scheduler);

/* For who wants to be called on the loop's thread, outside of tasks, at a time of its clock. */
struct timers *scheduler_timers(struct scheduler *scheduler);

/* Whether a task waits for what neither a task nor time brings. Visits all tasks. */
bool scheduler_waits_outside(const struct scheduler *scheduler);
/* The same, where waits of @kind are served by the caller. */
bool scheduler_waits_outside_but(const struct scheduler *scheduler, enum wait_kind kind);

/* The scheduler whose turn runs on this thread; NULL outside. */
struct scheduler *scheduler_current(void);
const char *scheduler_name(const struct scheduler *scheduler);

/* What the loop does, for whoever watches it; its rounds are published by the loop itself. */
struct progress *scheduler_progress(struct scheduler *scheduler);

/* What runs on this thread now. Safe in a signal handler; false outside of a turn. */
enum { SCHEDULER_NAME_SIZE = 48 };
struct scheduler_glance {
    uint64_t task_id; /* 0: the loop's own code */
    uint64_t ready;   /* tasks that wait for it to end */
    char task_name[SCHEDULER_NAME_SIZE];
};
bool scheduler_glance(struct scheduler_glance *ret_glance);

/*
 * A call from any thread: run(post) happens on the loop's thread, outside of tasks, in the order of
 * posting. The memory is the caller's, and free again when run is called. False after
 * scheduler_close: it never runs.
 */
struct scheduler_post {
    struct scheduler_post *next;
    void (*run)(struct scheduler_post *post);
};
bool scheduler_post(struct scheduler *scheduler, struct scheduler_post *post);
/* On the loop's thread, outside of turns, when nothing is live: run what was posted, and take no
 * more. */
void scheduler_close(struct scheduler *scheduler);

struct tally;

/* A task that belongs to the host and not to a scope: a message, start(), stop(). */
struct scheduler_root {
    ackd_task_fn *fn;
    void *arg;
    const char *name;                      /* copied */
    size_t stack_size;                     /* 0: the scheduler's own */
    const struct log_context *log_context; /* borrowed until done; what its lines carry */
    void *message;            /* scheduler_message() inside the task and its children */
    struct tally **tally;     /* where roots of this name keep what it was found as, on this
                                 scheduler; NULL: it is looked for each time */
    struct ackd_owner *owner; /* of what it detaches, and its children do; see task/owner.h; NULL:
                                 it has none */
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
    uint64_t late;       /* bodies that succeeded after their deadline */
    uint64_t unobserved; /* failures that nobody looked at */
};
void scheduler_counts(const struct scheduler *scheduler, struct scheduler_counts *ret_counts);

/*
 * At shutdown: report failures that nobody looked at and whose handles are still held. Returns how
 * many there were so far in all; scheduler_counts says the same. On the loop's thread, or after it
 * has ended.
 */
uint64_t scheduler_report_unobserved(struct scheduler *scheduler);

/* One task as a dump shows it. Strings are borrowed for the call. */
struct scheduler_view {
    uint64_t id, parent_id; /* 0: a root */
    const char *name;
    enum ackd_task_state state;
    bool unobserved; /* it has failed, a handle is held, and nobody has looked yet */
    uint64_t state_ns, age_ns;
    uint64_t busy_ns, ready_ns, awaiting_ns; /* age_ns together */
    uint64_t longest_ns;                     /* run */
    uint32_t dispatches, yields;
    uint64_t deadline_left_ns; /* TIMER_NEVER: none */
    const char *await_kind;    /* "timer", "task", "scope", "process", ...; NULL unless awaiting */
    const char *await_what;    /* may be NULL */
    const char *await_state;   /* how far it is: "queued", "running"; NULL: nobody says */
    const char *await_file, *await_function;
    int await_line;
    bool await_inside; /* for other tasks: what holds them is seen there */
    const char *spawn_file;
    int spawn_line;
    enum ackd_cancel_reason cancel_reason; /* as it sees it */
    const char *cancel_who;                /* of the token that cancelled it; may be NULL, or "" */
    enum ackd_cancel_reason cancel_asked;  /* of the task; a shield may hold it off */
    size_t stack_size, stack_used, stack_depth; /* now, and at the deepest so far; 0: no stack */
    const char *owner;                          /* its root's; NULL: none */
    void *message;
    const struct tally *tally; /* of the handler, if it is a root; may be NULL */
    const struct ackd_task *task;
};
/* Visit every live task, in order of creation. */
void scheduler_visit(const struct scheduler *scheduler,
                     void (*visit)(const struct scheduler_view *view, void *arg), void *arg);
/*
 * The same by slices: @count at most of those created after @after, 0 for the first. Returns what
 * to pass for the next slice; 0: that was all, and with it came those that have failed, are held,
 * and were not looked at.
 */
uint64_t scheduler_visit_slice(const struct scheduler *scheduler, uint64_t after, size_t count,
                               void (*visit)(const struct scheduler_view *view, void *arg),
                               void *arg);

#endif

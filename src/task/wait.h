/* SPDX-License-Identifier: MIT */
/*
 * wait - how io and the clients make something awaitable: one completion, awaited by one task.
 *
 * The wait lives on the awaiting task's stack. Start the operation, call wait_park; the completion,
 * on the same loop, calls wait_finish, which makes the task ready and never runs it.
 *
 *     struct wait wait;
 *     wait_init(&wait, WAIT_PROCESS, "resize", ACKD_HERE);
 *     ... start the operation; its callback ends in wait_finish(&wait, code) ...
 *     int code = wait_park(&wait);
 *     if (code == ACKD_CANCELED && !wait_finished(&wait))
 *         ... stop the operation, so that its callback can no more touch the wait ...
 *
 *   W1  If completion and cancellation are both pending when the task runs again, the completion
 *       counts.
 *   W2  After wait_park returned, wait_finish must not be called any more.
 */
#ifndef ACKD_TASK_WAIT_H
#define ACKD_TASK_WAIT_H

#include <ackd/task.h>
#include <stdatomic.h>

/* The kinds, as dumps print them, are in states.def: WAIT_TIMER "timer", and so on. */
enum wait_kind {
#define WAIT_KIND(name, text, inside) WAIT_##name,
#include "task/states.def"
#undef WAIT_KIND
    WAIT_KIND_COUNT
};

struct wait {
    struct ackd_task *task;
    const char *what; /* borrowed; NULL: nothing more to say */
    const char *file;
    const char *function;
    int line;
    int code;
    enum wait_kind kind;
    bool finished;
};

/*
 * A wait whose end another thread makes in steps: how far it is, for dumps. That of WAIT_OFFLOAD is
 * always one.
 */
struct wait_stated {
    struct wait wait;            /* first */
    _Atomic(const char *) state; /* lives for ever: "queued" */
};

/*
 * Whether the caller may await at all, before it starts anything: ACKD_OK, ACKD_CANCELED (cancelled
 * already), ACKD_E_NOT_IN_TASK, ACKD_E_SUSPEND.
 */
ACKD_MUST_CHECK int wait_check(const char *file, int line, const char *function);

void wait_init(struct wait *wait, enum wait_kind kind, const char *what, const char *file, int line,
               const char *function);
/* Suspend until wait_finish, or until the task is cancelled: ACKD_CANCELED. Does not suspend if
 * finished. */
ACKD_MUST_CHECK int wait_park(struct wait *wait);
/* The same, but cancellation does not end it: for what cannot be interrupted. */
ACKD_MUST_CHECK int wait_park_to_end(struct wait *wait);
/* "timer", "task", ... */
const char *wait_kind_name(enum wait_kind kind);
/* Whether only a task or a timer of the same loop can end such a wait. */
bool wait_kind_is_inside(enum wait_kind kind);

/* Complete it with @code; only the first time counts. An error in the current slot moves to the
 * task. */
void wait_finish(struct wait *wait, int code);
static inline bool wait_finished(const struct wait *wait)
{
    return wait->finished;
}

#endif

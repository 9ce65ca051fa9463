/* SPDX-License-Identifier: MIT */
/*
 * task - straight-line code that waits without holding a thread.
 *
 * A call is an await: a function that must wait parks its task's stack and the loop runs others. A
 * task object appears only where concurrency is asked for, with ackd_spawn, and always inside a
 * scope: the scope is left only after its last child ended. A task never leaves the loop on which
 * it was spawned.
 *
 * The semantics are those of .NET's tasks where the names agree, with these differences: a child
 * never runs before spawn returned; completing something never runs a waiter inside the completing
 * call; cancellation is ambient (cancel.h); a failure is never silent.
 */
#ifndef ACKD_TASK_H
#define ACKD_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/cancel.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

struct ackd_task;

/* What a task runs: 0, or a negative code with its error set. */
typedef int ackd_task_fn(void *arg);

enum ackd_task_state {
    ACKD_TASK_READY,
    ACKD_TASK_RUNNING,
    ACKD_TASK_AWAITING,
    ACKD_TASK_JOINING, /* its function returned, its children have not all ended */
    ACKD_TASK_SUCCEEDED,
    ACKD_TASK_FAULTED,
    ACKD_TASK_CANCELED
};

enum ackd_task_flags {
    ACKD_TASK_START_INLINE = 1, /* run it at once, up to its first suspension */
    ACKD_TASK_NO_BUDGET = 2,    /* never made to yield where an await completes at once */
    ACKD_TASK_WAIT_FOR_ROOM = 4 /* where the loop's bound of tasks is reached, wait; do not fail */
};

struct ackd_task_options {
    const char *name;        /* required; copied */
    size_t stack_size;       /* bytes; 0: the runtime's own */
    unsigned flags;          /* of enum ackd_task_flags */
    struct ackd_token token; /* cancels it too, beside its scope; a reference is kept; {NULL}: none
                              */
};

enum ackd_scope_policy {
    ACKD_SCOPE_FAIL_FAST, /* the first failure cancels the others; join returns it */
    ACKD_SCOPE_SUPERVISE  /* children do not disturb one another; join returns ACKD_OK */
};

/* Owned by the block it is declared in; must not be copied or moved. */
struct ackd_scope {
    void *opaque[20];
};

/*
 * Declare and open a fail-fast scope that ends with the block: leaving the block by any way cancels
 * the children that still run and waits for them. Where opening fails, spawning into it says why.
 */
#define ACKD_SCOPE(scope)                                               \
    __attribute__((cleanup(ackd_scope_close))) struct ackd_scope scope; \
    ackd_scope_open_at(&scope, ACKD_SCOPE_FAIL_FAST, ACKD_HERE)
#define ACKD_SCOPE_SUPERVISED(scope)                                    \
    __attribute__((cleanup(ackd_scope_close))) struct ackd_scope scope; \
    ackd_scope_open_at(&scope, ACKD_SCOPE_SUPERVISE, ACKD_HERE)

ACKD_API void ackd_scope_open_at(struct ackd_scope *scope, enum ackd_scope_policy policy,
                                 const char *file, int line, const char *function);

/*
 * Wait for all children, also for those spawned meanwhile; then the scope is closed to further
 * ones. Returns ACKD_OK; the first failure, with later ones as children of its error; or
 * ACKD_CANCELED where children were cancelled and none failed. Cancellation of the caller cancels
 * the children, and they are waited for.
 */
ACKD_API ACKD_SUSPENDS int ackd_scope_join(struct ackd_scope *scope);

/* Cancel all that runs in the scope, now and later. */
ACKD_API void ackd_scope_cancel(struct ackd_scope *scope, enum ackd_cancel_reason reason);

/* Cancel and join; what ACKD_SCOPE does at the end of the block. A failure nobody read is reported.
 */
ACKD_API void ackd_scope_close(struct ackd_scope *scope);

/*
 * Start fn(arg) as a child of @scope, named as @fn. It runs after the caller next suspends or
 * returns, in the order of spawning. ACKD_E_CLOSED after join, ACKD_CANCELED if the scope or the
 * token is cancelled (fn never runs), ACKD_E_FULL when the loop's bound of tasks is reached,
 * ACKD_E_NOMEM. It suspends only with ACKD_TASK_START_INLINE or ACKD_TASK_WAIT_FOR_ROOM.
 */
#define ackd_spawn(scope, fn, arg) ackd_spawn_named((scope), (fn), (arg), #fn, ACKD_HERE)
/* The same with options and, in @ret_task, a handle that the caller lets go with ackd_task_unref.
 */
#define ackd_spawn_task(scope, fn, arg, options, ret_task) \
    ackd_spawn_at((scope), (fn), (arg), (options), (ret_task), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_spawn_at(struct ackd_scope *scope, ackd_task_fn *fn, void *arg,
                                           const struct ackd_task_options *options,
                                           struct ackd_task **ret_task, const char *file, int line,
                                           const char *function);

/* What ackd_spawn stands for: C++ knows no address of a literal. */
static inline ACKD_MUST_CHECK int ackd_spawn_named(struct ackd_scope *scope, ackd_task_fn *fn,
                                                   void *arg, const char *name, const char *file,
                                                   int line, const char *function)
{
    const struct ackd_task_options options = {name, 0, 0, {NULL}};
    return ackd_spawn_at(scope, fn, arg, &options, NULL, file, line, function);
}

/*
 * Work that outlives the block that starts it. There is none without a name, an owner and an
 * observer: the owner is what ends it, at the latest when the owner itself ends (cancelled with
 * SHUTDOWN, and waited for), and the observer hears how it ended.
 *
 * The owner of a task is that of its root: of a message, its consumer on this loop; of a service,
 * the service; otherwise the runtime. A detached task has no parent: neither the caller's
 * cancellation nor its deadlines reach it.
 */
struct ackd_owner;
/* Of the running task; NULL outside of tasks. Borrowed. */
ACKD_API struct ackd_owner *ackd_owner_current(void);
/*
 * On the loop, outside of tasks, once: what it returned, and why if it failed (borrowed, else
 * NULL). What it returns says whether it took notice: with a negative code the failure is reported
 * as one that nobody looked at, and so is the observer's own.
 */
typedef int ackd_observe_fn(const struct ackd_task *task, int code, const struct ackd_error *error,
                            void *arg);
/* ACKD_E_INVAL without name, owner or observer; ACKD_E_CLOSED where the owner ends. */
#define ackd_spawn_detached(owner, fn, arg, options, observe, observe_arg) \
    ackd_spawn_detached_at((owner), (fn), (arg), (options), (observe), (observe_arg), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int
ackd_spawn_detached_at(struct ackd_owner *owner, ackd_task_fn *fn, void *arg,
                       const struct ackd_task_options *options, ackd_observe_fn *observe,
                       void *observe_arg, const char *file, int line, const char *function);

/* The running task; NULL outside of tasks. Borrowed. */
ACKD_API struct ackd_task *ackd_task_current(void);
ACKD_API struct ackd_task *ackd_task_ref(struct ackd_task *task);
/* Lets go of a handle; a running task goes on, its scope owns it. NULL does nothing. */
ACKD_API void ackd_task_unref(struct ackd_task *task);
ACKD_API uint64_t ackd_task_id(const struct ackd_task *task);
ACKD_API const char *ackd_task_name(const struct ackd_task *task);
ACKD_API enum ackd_task_state ackd_task_state(const struct ackd_task *task);
/* Why it failed; NULL if it did not. Counts as having observed the failure. */
ACKD_API const struct ackd_error *ackd_task_error(struct ackd_task *task);
/* Why it is, or was, asked to stop; NONE if nobody asked. On its loop. */
ACKD_API enum ackd_cancel_reason ackd_task_cancel_reason(const struct ackd_task *task);
/* Ask it to stop: from any thread while a handle is held. */
ACKD_API void ackd_task_cancel(struct ackd_task *task, enum ackd_cancel_reason reason);

/*
 * Wait for @task and return what it returned; any number of times, by any number of tasks of its
 * loop. A completed task does not suspend the caller. Cancellation of the caller returns
 * ACKD_CANCELED and leaves
 * @task running. ACKD_E_CYCLE if @task waits, directly or through others, for the caller;
 * ACKD_E_WRONG_LOOP.
 */
ACKD_API ACKD_SUSPENDS int ackd_await_at(struct ackd_task *task, const char *file, int line,
                                         const char *function);
#define ackd_await(task) ackd_await_at((task), ACKD_HERE)
/*
 * An await that returns ACKD_CANCELED while the caller is not cancelled says that what it awaited
 * was: why, of the last such await of this task. Of several tasks awaited at once, the first in
 * their order counts.
 */
ACKD_API enum ackd_cancel_reason ackd_awaited_reason(void);

/* Let the other ready tasks run first. */
ACKD_API ACKD_SUSPENDS int ackd_yield_at(const char *file, int line, const char *function);
#define ackd_yield() ackd_yield_at(ACKD_HERE)

/* Wait at least @ms milliseconds of the monotonic clock; 0 does not suspend. A cancelled scope is
 * told first. */
ACKD_API ACKD_SUSPENDS int ackd_delay_at(uint64_t ms, const char *file, int line,
                                         const char *function);
#define ackd_delay(ms) ackd_delay_at((ms), ACKD_HERE)

/* ACKD_CANCELED if the task is cancelled, else ACKD_OK; may let others run. For long computations.
 */
ACKD_API ACKD_SUSPENDS int ackd_checkpoint_at(const char *file, int line, const char *function);
#define ackd_checkpoint() ackd_checkpoint_at(ACKD_HERE)

/*
 * A stretch of code that must not suspend: what it relies on would not hold afterwards. In between,
 * each awaiting function returns ACKD_E_SUSPEND, having done nothing; its error names both places.
 * Stretches nest. Owned by the block; the end of the block ends it.
 */
struct ackd_no_await {
    void *opaque[6];
};
#define ACKD_NO_AWAIT(name)                                                \
    __attribute__((cleanup(ackd_no_await_end))) struct ackd_no_await name; \
    ackd_no_await_begin_at(&name, ACKD_HERE)
ACKD_API void ackd_no_await_begin_at(struct ackd_no_await *section, const char *file, int line,
                                     const char *function);
/* Also before the end of the block; a second time does nothing. */
ACKD_API void ackd_no_await_end(struct ackd_no_await *section);

ACKD_END_DECLS

#endif

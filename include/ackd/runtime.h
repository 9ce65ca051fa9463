/* SPDX-License-Identifier: MIT */
/*
 * runtime - ackd's tasks in a program of your own, without the daemon.
 *
 *     struct ackd_runtime *runtime;
 *     ACKD_TRY(ackd_runtime_new(NULL, &runtime));
 *     int code = ackd_block_on(runtime, fetch_all, &work);
 *     ackd_runtime_free(&runtime);
 *
 * A runtime is loops (a thread each), the CPU pool and the watchdog. Services are what
 * BackgroundService is to .NET: started in order, run beside one another, stopped in reverse.
 */
#ifndef ACKD_RUNTIME_H
#define ACKD_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/error.h>
#include <ackd/service.h>
#include <ackd/task.h>

ACKD_BEGIN_DECLS

struct ackd_runtime;
struct ackd_loop;

enum ackd_blocking_policy {
    ACKD_BLOCKING_WARN,   /* a blocking call in a task is done, and reported once for each place */
    ACKD_BLOCKING_REFUSE, /* it fails with EDEADLK */
    ACKD_BLOCKING_ALLOW
};

enum ackd_stack_guard { ACKD_STACK_GUARD_AUTO, ACKD_STACK_GUARD_MPROTECT, ACKD_STACK_GUARD_REGION };

/* 0 everywhere is a good start. */
struct ackd_runtime_options {
    const char *name;     /* for logs and threads; NULL: "ackd" */
    unsigned loops;       /* 0: one for each processor */
    unsigned cpu_threads; /* 0: twice the processors; more than four times is refused */
    size_t cpu_queue;     /* jobs that wait at most; 0: 1024 */
    size_t stack_size;    /* bytes; 0: 256 KiB */
    size_t tasks_max;     /* for each loop; 0: 10,000; checked against the kernel's bounds */
    size_t stacks_cached; /* for each loop; 0: 256 */
    enum ackd_stack_guard stack_guard;
    enum ackd_blocking_policy blocking; /* of the process; looked at in the program `ackd` only */
    uint64_t stall_warn_ms;             /* 0: 50 */
    uint64_t stall_error_ms;            /* 0: 1,000 */
    uint64_t stall_abort_ms;            /* 0: never */
    uint64_t shutdown_ms;               /* 0: 30,000: for all services together */
    /* ackd_runtime_run takes signals: TERM, INT and HUP stop it, a second one at once, whatever
     * still runs; QUIT logs what all tasks do. */
    bool signals;
};

/* ACKD_E_INVAL where an option is out of bounds, or the kernel does not allow for tasks_max: the
 * text names the sysctl and the value. Nothing runs yet. @options may be NULL. */
ACKD_API ACKD_MUST_CHECK int ackd_runtime_new(const struct ackd_runtime_options *options,
                                              struct ackd_runtime **ret_runtime);
/* Stops its loops if they run. What outlived a stop (ACKD_E_TIMEOUT) is left as it is, with its
 * memory: the program should end. NULL does nothing. */
ACKD_API void ackd_runtime_free(struct ackd_runtime **runtime);

/* Before it runs. @service is copied. ACKD_E_INVAL, ACKD_E_NOMEM. */
ACKD_API ACKD_MUST_CHECK int ackd_runtime_add_service(struct ackd_runtime *runtime,
                                                      const struct ackd_service *service);

/*
 * Start the loops and the services, wait for ackd_runtime_stop or a signal, and stop all. ACKD_OK
 * only for a clean stop: otherwise what failed, more than one as an aggregate; ACKD_E_TIMEOUT, with
 * the tasks that were still alive at the end of shutdown_ms and what they await. Once.
 */
ACKD_API ACKD_MUST_CHECK int ackd_runtime_run(struct ackd_runtime *runtime);
/* Any thread, and a signal handler; before run it makes run return at once. */
ACKD_API void ackd_runtime_stop(struct ackd_runtime *runtime);

/*
 * Run fn(arg) as a task of the first loop, and hold this thread until it has ended; returns its
 * code, with its error current here. ACKD_E_ON_LOOP in a task, on a loop or on the CPU pool. Starts
 * the loops if they do not run yet, not the services. ACKD_E_DEADLOCK, with the list of who waits
 * for what, where nothing can wake the loop's tasks any more: they are cancelled.
 */
#define ackd_block_on(runtime, fn, arg) ackd_block_on_at((runtime), (fn), (arg), #fn, ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_block_on_at(struct ackd_runtime *runtime, ackd_task_fn *fn,
                                              void *arg, const char *name, const char *file,
                                              int line, const char *function);
/* For ackd_spawn_detached: on the loop of the calling task, else on the first. */
ACKD_API struct ackd_owner *ackd_runtime_owner(struct ackd_runtime *runtime);

/* The loop of this thread; NULL elsewhere. Good as long as its runtime. */
ACKD_API struct ackd_loop *ackd_loop_current(void);
/* ACKD_E_INVAL beyond the last. */
ACKD_API ACKD_MUST_CHECK int ackd_runtime_loop(struct ackd_runtime *runtime, unsigned index,
                                               struct ackd_loop **ret_loop);
/*
 * Call fn(arg) on @loop, outside of tasks; from any thread, in the order of posting. Nothing else
 * crosses loops. ACKD_E_CLOSED, ACKD_E_NOMEM: fn is not called, destroy(arg) is (if not NULL).
 */
ACKD_API ACKD_MUST_CHECK int ackd_post(struct ackd_loop *loop, void (*fn)(void *arg), void *arg,
                                       void (*destroy)(void *arg));

/*
 * What there is one of on each loop, for whoever uses it there: a client's pool of connections.
 * @key is its identity. The first to ask makes it; the others wait. destroy() runs as a task before
 * the loop stops, last made first. Also in handlers of the daemon.
 */
#define ackd_loop_local(key, create, destroy, ret_value) \
    ackd_loop_local_at((key), (create), (destroy), (ret_value), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_loop_local_at(const void *key, int (*create)(void **ret_value),
                                              void (*destroy)(void *value), void **ret_value,
                                              const char *file, int line, const char *function);

ACKD_END_DECLS

#endif

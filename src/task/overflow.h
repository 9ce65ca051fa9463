/* SPDX-License-Identifier: MIT */
/*
 * overflow - the last words of a task that ran out of stack, and of a job that faulted.
 *
 * A handler for SIGSEGV and SIGBUS on a stack of its own looks where the fault was. In the guard of
 * the running task's stack: it prints the task, the size of its stack, the address, what to do, and
 * a backtrace, and the process dies of the signal. Anywhere else: the handler that was there before
 * is called, so that an ordinary fault is reported as ever.
 *
 * On a thread that runs a job for a task, each fault is one of that job: its name, the task that
 * waits for it and a backtrace are printed, then the handler from before is called. There SIGFPE,
 * SIGILL and SIGABRT count as faults too.
 */
#ifndef ACKD_TASK_OVERFLOW_H
#define ACKD_TASK_OVERFLOW_H

#include <stddef.h>
#include <stdint.h>

struct scheduler;

struct overflow {
    void *stack; /* of the signal handler; NULL: not installed */
};

/* For this thread, and once for the process. Without memory the report is missing, and no more. */
void overflow_install(struct overflow *overflow);
void overflow_remove(struct overflow *overflow);

/* What a thread does for a task of another. Strings are borrowed while it is in use. */
struct overflow_job {
    const char *name;
    uint64_t task_id;
    const char *task_name;
};
/* What this thread does from here on; NULL: nothing for a task. */
void overflow_use_job(const struct overflow_job *job);

#endif

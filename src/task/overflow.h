/* SPDX-License-Identifier: MIT */
/*
 * overflow - the last words of a task that ran out of stack.
 *
 * A handler for SIGSEGV and SIGBUS on a stack of its own looks where the fault was. In the guard of
 * the running task's stack: it prints the task, the size of its stack, the address, what to do, and
 * a backtrace, and the process dies of the signal. Anywhere else: the handler that was there before
 * is called, so that an ordinary fault is reported as ever.
 */
#ifndef ACKD_TASK_OVERFLOW_H
#define ACKD_TASK_OVERFLOW_H

#include <stddef.h>

struct scheduler;

struct overflow {
    void *stack; /* of the signal handler; NULL: not installed */
};

/* For this thread, and once for the process. Without memory the report is missing, and no more. */
void overflow_install(struct overflow *overflow);
void overflow_remove(struct overflow *overflow);

#endif

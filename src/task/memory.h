/* SPDX-License-Identifier: MIT */
/* memory - what a task does about its deferred calls when it ends. */
#ifndef ACKD_TASK_MEMORY_H
#define ACKD_TASK_MEMORY_H

struct ackd_task;

/* Last registered first, all under one shield of ACKD_DEFER_MS. May suspend. */
void memory_run_deferred(struct ackd_task *task);

#endif

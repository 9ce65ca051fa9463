/* SPDX-License-Identifier: MIT */
/*
 * cycle - whether a task that began to wait would wait for itself.
 *
 *   Y1  A task cannot end before another does, or cannot even go on before: those who await it, or
 *       join its scope, or want a mutex that is held by one that cannot go on. What the search
 *       follows is how things stand now; a cancellation may yet dissolve it.
 */
#ifndef ACKD_TASK_CYCLE_H
#define ACKD_TASK_CYCLE_H

#include <stdbool.h>

struct ackd_task;

/* Whether @target cannot end before @task goes on. */
bool cycle_keeps_from_ending(struct ackd_task *task, const struct ackd_task *target);
/* Whether @target cannot go on, and so give back what it holds, before @task does. */
bool cycle_keeps_from_going_on(struct ackd_task *task, const struct ackd_task *target);

/* ACKD_E_CYCLE, after one of these said so: with the chain from @target back to @task. */
int cycle_refuse(const struct ackd_task *task, const struct ackd_task *target, const char *file,
                 int line, const char *function);

#endif

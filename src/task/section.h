/* SPDX-License-Identifier: MIT */
/*
 * section - stretches of code in which a task must not suspend.
 *
 *   N1  While a task is in one, its budget is 0, so that each check before an await takes the slow
 *       way, where the section is seen: others pay nothing.
 *   N2  One that was left without its end is forgotten when the task is seen to be above it.
 */
#ifndef ACKD_TASK_SECTION_H
#define ACKD_TASK_SECTION_H

#include <ackd/task.h>

struct section; /* what struct ackd_no_await holds */

/* ACKD_E_SUSPEND where @task, running and now at @stack_now, is in a section; else ACKD_OK. */
ACKD_MUST_CHECK int section_check(struct ackd_task *task, const void *site, const void *stack_now,
                                  const char *file, int line, const char *function);

/* Children that the block leaves behind are waited for even in a section: tell of it. */
void section_break(struct ackd_task *task, const char *file, int line, const char *function);
/* Afterwards: keep N1. */
void section_renew(struct ackd_task *task);

/* Its function returned. */
void section_forget(struct ackd_task *task);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * unobserved - failures that nobody looked at.
 *
 * Every one is counted in the scheduler's `unobserved`, exactly; the event that tells of it,
 * "unobserved-failure", is limited by the sink.
 */
#ifndef ACKD_TASK_UNOBSERVED_H
#define ACKD_TASK_UNOBSERVED_H

#include <ackd/task.h>

struct scheduler;

/* @error, of @task or of what it left behind, will not be seen by anybody else. */
void unobserved_report(const struct ackd_task *task, const struct ackd_error *error);

/* @task has failed, and somebody holds a handle and may yet look: remember it until it is freed. */
void unobserved_keep(struct ackd_task *task);
/* Report those that nobody has looked at so far, as if their last handle had gone; returns how many
 * they were. */
uint64_t unobserved_report_pending(struct scheduler *scheduler);

/*
 * One that does not matter in the end, because something else worked or was cancelled before: in
 * the log for those who debug. Takes the reference; NULL does nothing.
 */
void unobserved_forget(const char *event, const struct ackd_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/* report - what the tasks of a loop do right now, as log lines: for SIGQUIT, and for the survivors
 * of a stop; and failures, in a line. */
#ifndef ACKD_HOST_REPORT_H
#define ACKD_HOST_REPORT_H

#include <ackd/error.h>
#include <stdbool.h>
#include <stddef.h>

#include "task/scheduler.h"

/*
 * On the scheduler's own thread. @survivors: name only what still runs at a stop, as warnings.
 * All of report_tasks is done when it returns; report_start does it by slices of the loop's turns,
 * and then calls done(arg), which may be before it returns.
 */
void report_tasks(struct scheduler *scheduler, bool survivors);
void report_start(struct scheduler *scheduler, bool survivors, void (*done)(void *arg), void *arg);

/* The same for one line: who waits for what, and where, as far as it fits. */
void report_waits(struct scheduler *scheduler, char *text, size_t size);

/* What happened and why, in one line for an operator: texts of the error and of its causes. */
void report_error_line(const struct ackd_error *error, char *line, size_t size);
/* The same for who wrote the handler: codes, places and tasks, and all that failed besides. */
void report_failure_line(const struct ackd_error *error, char *line, size_t size);

/* The same as text, a line for each task; always terminated. Returns the length of the whole. */
size_t report_dump(struct scheduler *scheduler, char *text, size_t size);

#endif

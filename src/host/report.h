/* SPDX-License-Identifier: MIT */
/* report - what the tasks of a loop do right now, as log lines: for SIGQUIT, and for the survivors
 * of a stop. */
#ifndef ACKD_HOST_REPORT_H
#define ACKD_HOST_REPORT_H

#include <stdbool.h>

#include "task/scheduler.h"

/* On the scheduler's own thread. @survivors: name only what still runs at a stop, as warnings. */
void report_tasks(const struct scheduler *scheduler, bool survivors);

#endif

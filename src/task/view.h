/* SPDX-License-Identifier: MIT */
/*
 * view - what a task shows of itself to whoever asks: nothing is noted for it while the task runs.
 */
#ifndef ACKD_TASK_VIEW_H
#define ACKD_TASK_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "task/scheduler.h"

/* @task at @now_ns; on its loop's thread, as all here. */
void view_fill(struct scheduler_view *view, const struct ackd_task *task, uint64_t now_ns);

/*
 * Where a task that does not run was left: addresses of code, innermost first, @max at most, found
 * by the chain of frame pointers on its stack, which is only read. Returns how many; 0 for one that
 * runs, or has not begun.
 */
size_t view_frames(const struct ackd_task *task, const void **frames, size_t max);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * scope - from inside: children report to it, and what is left over is shut.
 *
 *   P1  A scope's frame is left only when no child is live.
 *   P2  Its children hang below its node, wherever they are spawned from.
 */
#ifndef ACKD_TASK_SCOPE_H
#define ACKD_TASK_SCOPE_H

#include <ackd/task.h>

struct frame;

/* @task, a child, has reached its terminal state. */
void scope_child_ended(struct frame *scope, struct ackd_task *task);

/* Cancel what runs in it, wait for the end, and leave it. Suspends; cancellation does not stop it.
 */
void scope_shut(struct frame *scope);

#endif

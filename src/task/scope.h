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

/*
 * From here on @ended is told of each child that ended, in place of what the policy says, when the
 * scope's live children have become one fewer. Why not, if the scope is not open.
 */
ACKD_MUST_CHECK int scope_take_over(struct ackd_scope *scope,
                                    void (*ended)(struct frame *scope, struct ackd_task *task),
                                    struct frame **ret_frame);

/* @task, a child, has reached its terminal state. */
void scope_child_ended(struct frame *scope, struct ackd_task *task);

/* Cancel what runs in it, wait for the end, and leave it. Suspends; cancellation does not stop it.
 */
void scope_shut(struct frame *scope);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * cancel - the tree in which a request to stop runs downwards.
 *
 * A node for each task and for each scope, deadline and shield that a task has entered and not yet
 * left. The node of a child task hangs below its scope's. What a task looks at is the reason of its
 * innermost node: requests are carried to all nodes below when they are made, so a look is one
 * load.
 *
 *   K1  A node's reason is its own, or that of the node above, whichever came first; a shield takes
 *       none from above.
 *   K2  All nodes are marked before the first call runs or task is woken; the innermost come first.
 *   K3  Calls run outside of tasks: they cannot await.
 */
#ifndef ACKD_TASK_CANCEL_H
#define ACKD_TASK_CANCEL_H

#include <ackd/task.h>

#include "base/timer.h"

struct cancel_call; /* what struct ackd_cancel_call holds */

struct cancel {
    struct cancel *parent;
    struct cancel *child;              /* the first of those below */
    struct cancel *sibling;            /* the next below the same parent */
    struct cancel **link;              /* what points at this one; NULL: nothing */
    struct cancel_call *calls;         /* last registered first */
    struct cancel *swept;              /* the next in a sweep under way */
    struct ackd_cancel_source *source; /* made by ackd_token_current; NULL: not asked for */
    const char *who;                   /* cancelled it, where there is a reason; may be NULL */
    struct ackd_task *task;            /* which entered it */
    uint64_t due_ns;                   /* the nearest limit, here or above; TIMER_NEVER */
    enum ackd_cancel_reason reason : 8;
    enum ackd_cancel_reason own : 8; /* what was asked of this very node */
    bool by_own;                     /* its reason is its own */
    bool shields;
};

static inline void cancel_hang(struct cancel *node, struct cancel *parent)
{
    node->parent = parent;
    node->sibling = parent->child;
    node->link = &parent->child;
    if (parent->child != NULL)
        parent->child->link = &node->sibling;
    parent->child = node;
}

/* Below @parent, which may be NULL; the reason and the limit come from there. */
static inline void cancel_enter(struct cancel *node, struct cancel *parent, struct ackd_task *task,
                                bool shields)
{
    node->task = task;
    node->own = ACKD_CANCEL_NONE;
    node->by_own = false;
    node->shields = shields;
    node->reason = ACKD_CANCEL_NONE;
    node->due_ns = TIMER_NEVER;
    node->parent = NULL;
    node->link = NULL;
    if (parent == NULL)
        return;
    cancel_hang(node, parent);
    if (!shields) {
        node->reason = parent->reason;
        node->who = parent->who;
        node->due_ns = parent->due_ns;
    }
}

/* What cancel_leave does where anything hangs on the node. */
void cancel_leave_all(struct cancel *node);

/* Out of the tree: what is below, and calls still registered, go to the parent. */
static inline void cancel_leave(struct cancel *node)
{
    if (__builtin_expect(node->link != NULL || node->child != NULL || node->calls != NULL ||
                             node->source != NULL,
                         0))
        cancel_leave_all(node);
    node->parent = NULL;
}

/* Mark, call, wake (K2). Only the first reason counts. On the loop's thread. */
void cancel_request(struct cancel *node, enum ackd_cancel_reason reason);
/* The same, and say who asks: @who stays good until cancel_forget_who. */
void cancel_request_by(struct cancel *node, enum ackd_cancel_reason reason, const char *who);
/* @node and what is below name @who no more. */
void cancel_forget_who(struct cancel *node, const char *who);

#endif

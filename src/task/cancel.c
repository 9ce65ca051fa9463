/* SPDX-License-Identifier: MIT */
/* cancel - the tree, the sweep over it, and the calls. It must not know why anybody cancels. */
#include <config.h>

#include "task/cancel.h"

#include "base/assert.h"
#include "task/engine.h"
#include "task/home.h"
#include "task/source.h"
#include "task/task.h"

struct cancel_call {
    struct cancel_call *next;
    struct cancel_call **link; /* what points at this one; NULL: not registered */
    void (*fn)(void *arg);
    void *arg;
};

_Static_assert(sizeof(struct cancel_call) <= sizeof(struct ackd_cancel_call), "it must fit");

const char *ackd_cancel_reason_name(enum ackd_cancel_reason reason)
{
    static const char *const names[] = {
        [ACKD_CANCEL_NONE] = "none",
        [ACKD_CANCEL_REQUESTED] = "requested",
        [ACKD_CANCEL_DEADLINE] = "deadline",
        [ACKD_CANCEL_SIBLING_FAILED] = "sibling-failed",
        [ACKD_CANCEL_LOST_RACE] = "lost-race",
        [ACKD_CANCEL_PARENT] = "parent",
        [ACKD_CANCEL_CHANNEL_CLOSED] = "channel-closed",
        [ACKD_CANCEL_SHUTDOWN] = "shutdown",
        [ACKD_CANCEL_PAUSE] = "pause",
    };
    return (size_t)reason < sizeof names / sizeof names[0] ? names[reason] : "?";
}

static void cancel_call_drop(struct cancel_call *call)
{
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    call->link = NULL;
}

/* K3 */
static void cancel_run_calls(struct cancel *node)
{
    struct scheduler *scheduler = node->task->scheduler;
    struct ackd_task *current = scheduler->current;
    struct error_slot *slot = error_slot_use(NULL);
    scheduler->current = NULL;
    while (node->calls != NULL) {
        struct cancel_call *call = node->calls;
        cancel_call_drop(call);
        call->fn(call->arg);
    }
    scheduler->current = current;
    error_slot_use(slot);
}

/* Calls that outlive their node are the parent's: there, too, the last registered comes first. */
static void cancel_move_calls(struct cancel *node, struct cancel *parent)
{
    struct cancel_call *last = node->calls;
    while (last->next != NULL)
        last = last->next;
    last->next = parent->calls;
    if (parent->calls != NULL)
        parent->calls->link = &last->next;
    parent->calls = node->calls;
    parent->calls->link = &parent->calls;
    node->calls = NULL;
    if (parent->reason != ACKD_CANCEL_NONE)
        cancel_run_calls(parent);
}

void cancel_leave_all(struct cancel *node)
{
    struct cancel *parent = node->parent;
    if (node->link != NULL) {
        *node->link = node->sibling;
        if (node->sibling != NULL)
            node->sibling->link = node->link;
        node->link = NULL;
    }
    while (node->child != NULL) {
        struct cancel *child = node->child;
        ackd_assert(parent != NULL);
        node->child = child->sibling;
        cancel_hang(child, parent);
    }
    if (node->calls != NULL && parent != NULL && parent->task == node->task)
        cancel_move_calls(node, parent);
    while (node->calls != NULL)
        cancel_call_drop(node->calls);
    if (node->source != NULL) {
        ackd_cancel_source_unref(node->source);
        node->source = NULL;
    }
}

/*
 * Mark what is below @top and not marked yet, and return it as a list, newest first: as a parent is
 * marked before what is below it, the innermost come first.
 */
static struct cancel *cancel_mark(struct cancel *top, enum ackd_cancel_reason reason,
                                  const char *who)
{
    struct cancel *swept = NULL;
    struct cancel *node = top;
    for (;;) {
        bool marks = node->reason == ACKD_CANCEL_NONE && (node == top || !node->shields);
        if (marks) {
            node->reason = reason;
            node->who = who;
            if (node->source != NULL)
                source_mark(node->source, reason, who);
            node->swept = swept;
            swept = node;
            if (node->child != NULL) {
                node = node->child;
                continue;
            }
        }
        while (node != top && node->sibling == NULL)
            node = node->parent;
        if (node == top)
            return swept;
        node = node->sibling;
    }
}

void cancel_request_by(struct cancel *node, enum ackd_cancel_reason reason, const char *who)
{
    ackd_assert(reason != ACKD_CANCEL_NONE);
    if (node->own == ACKD_CANCEL_NONE)
        node->own = reason;
    if (node->reason != ACKD_CANCEL_NONE)
        return;
    node->by_own = true;
    struct cancel *swept = cancel_mark(node, reason, who); /* K2 */
    while (swept != NULL) {
        struct cancel *marked = swept;
        swept = marked->swept;
        if (marked->calls != NULL)
            cancel_run_calls(marked);
        if (marked->source != NULL)
            source_make_calls(marked->source);
        if (marked->task->innermost == marked)
            task_ready(marked->task);
    }
}

void cancel_request(struct cancel *node, enum ackd_cancel_reason reason)
{
    cancel_request_by(node, reason, NULL);
}

void cancel_forget_who(struct cancel *top, const char *who)
{
    struct cancel *node = top;
    for (;;) {
        if (node->who == who)
            node->who = NULL;
        if (node->child != NULL) {
            node = node->child;
            continue;
        }
        while (node != top && node->sibling == NULL)
            node = node->parent;
        if (node == top)
            return;
        node = node->sibling;
    }
}

/* The running task, up to date: a long computation has not let the loop look at clock and threads.
 */
static const struct ackd_task *cancel_look(void)
{
    struct ackd_task *task = engine_task();
    if (task == NULL)
        return NULL;
    struct scheduler *scheduler = task->scheduler;
    if (atomic_load_explicit(&scheduler->asked, memory_order_relaxed) != NULL)
        task_serve_asked(scheduler);
    if (home_pending(scheduler->home))
        home_serve(scheduler->home);
    if (task->innermost->due_ns != TIMER_NEVER && task->innermost->reason == ACKD_CANCEL_NONE)
        engine_fire(scheduler);
    return task;
}

bool ackd_cancellation_requested(void)
{
    return ackd_cancel_reason() != ACKD_CANCEL_NONE;
}

enum ackd_cancel_reason ackd_cancel_reason(void)
{
    const struct ackd_task *task = cancel_look();
    return task == NULL ? ACKD_CANCEL_NONE : task->innermost->reason;
}

void ackd_cancel_call_add(struct ackd_cancel_call *opaque, void (*fn)(void *arg), void *arg)
{
    struct cancel_call *call = (struct cancel_call *)opaque;
    struct ackd_task *task = engine_task();
    *call = (struct cancel_call){.fn = fn, .arg = arg};
    if (task == NULL)
        return;
    struct cancel *node = task->innermost;
    call->next = node->calls;
    call->link = &node->calls;
    if (node->calls != NULL)
        node->calls->link = &call->next;
    node->calls = call;
    if (node->reason != ACKD_CANCEL_NONE)
        cancel_run_calls(node);
}

void ackd_cancel_call_remove(struct ackd_cancel_call *opaque)
{
    struct cancel_call *call = (struct cancel_call *)opaque;
    if (call->link != NULL)
        cancel_call_drop(call);
}

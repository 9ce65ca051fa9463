/* SPDX-License-Identifier: MIT */
/* scope - children and their joining. It must not know how a task is run. */
#include <config.h>

#include "task/scope.h"

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/task.h"

/* What struct ackd_scope holds. A copy of one is known by @self. */
struct scope_place {
    struct frame *frame; /* NULL: not open */
    const void *self;
    int code; /* why it is not open */
};

_Static_assert(sizeof(struct scope_place) <= sizeof(struct ackd_scope), "it must fit");

static struct scope_place *scope_place(struct ackd_scope *scope)
{
    return (struct scope_place *)scope;
}

void ackd_scope_open_at(struct ackd_scope *scope, enum ackd_scope_policy policy, const char *file,
                        int line, const char *function)
{
    struct scope_place *place = scope_place(scope);
    struct ackd_task *task = engine_task();
    *place = (struct scope_place){.self = scope, .code = ACKD_E_NOT_IN_TASK};
    if (task == NULL)
        return;
    place->code = ACKD_E_NOMEM;
    place->frame = frame_enter(task, FRAME_SCOPE, scope, file, line, function);
    if (place->frame != NULL)
        place->frame->scope.policy = policy;
}

/* The open frame; else a code, with its error set. */
static int scope_find(struct ackd_scope *scope, struct frame **ret_frame)
{
    struct scope_place *place = scope_place(scope);
    if (place->self != scope)
        return ackd_fail(ACKD_E_INVAL, "a scope was copied or moved, or never opened");
    if (place->frame == NULL)
        return place->code == ACKD_E_NOT_IN_TASK
                   ? ackd_fail(ACKD_E_NOT_IN_TASK, "a scope is opened by a task")
                   : ackd_fail(place->code, "the scope is not open");
    struct scheduler *owner = place->frame->node.task->scheduler;
    if (owner != engine_this)
        return ackd_fail(ACKD_E_WRONG_LOOP, "the scope belongs to %s", owner->name);
    *ret_frame = place->frame;
    return ACKD_OK;
}

void ackd_scope_cancel(struct ackd_scope *scope, enum ackd_cancel_reason reason)
{
    struct scope_place *place = scope_place(scope);
    if (place->self == scope && place->frame != NULL && reason != ACKD_CANCEL_NONE)
        cancel_request(&place->frame->node, reason);
}

/* Wait for all children, also for those that come meanwhile. */
static void scope_wait(struct frame *scope)
{
    struct ackd_task *task = scope->node.task;
    ackd_assert(task == engine_task());
    while (scope->scope.live > 0) {
        struct wait wait;
        wait_init(&wait, WAIT_SCOPE, NULL, scope->file, scope->line, scope->function);
        scope->scope.joiner = &wait;
        int code = wait_park(&wait);
        if (code == ACKD_CANCELED && !wait_finished(&wait)) {
            cancel_request(&scope->node, task->innermost->reason);
            code = wait_park_to_end(&wait);
        }
        ackd_assert(code == ACKD_OK);
        scope->scope.joiner = NULL;
    }
    scope->scope.closed = true;
}

static int scope_result(struct frame *scope)
{
    const struct ackd_error *failure = scope->scope.failure;
    scope->scope.failure = NULL;
    if (failure != NULL)
        return error_give(failure);
    if (scope->scope.canceled == 0)
        return ACKD_OK;
    bool counts = scope->scope.policy == ACKD_SCOPE_FAIL_FAST ||
                  scope->node.task->innermost->reason != ACKD_CANCEL_NONE;
    return counts ? ACKD_CANCELED : ACKD_OK;
}

static void scope_close_place(struct scope_place *place)
{
    place->frame = NULL;
    place->code = ACKD_E_CLOSED;
}

int ackd_scope_join(struct ackd_scope *scope)
{
    struct frame *frame;
    ACKD_TRY(scope_find(scope, &frame));
    if (frame->node.task != engine_task())
        return ackd_fail(ACKD_E_INVAL, "a scope is joined by the task that opened it");
    scope_wait(frame);
    int code = scope_result(frame);
    frame_leave(frame);
    scope_close_place(scope_place(scope));
    return code;
}

void scope_shut(struct frame *scope)
{
    if (scope->scope.live > 0)
        cancel_request(&scope->node, ACKD_CANCEL_PARENT);
    scope_wait(scope);
    if (scope->scope.failure != NULL) {
        task_leave_failure(scope->node.task, scope->scope.failure);
        scope->scope.failure = NULL;
    }
    frame_leave(scope);
}

void ackd_scope_close(struct ackd_scope *scope)
{
    struct scope_place *place = scope_place(scope);
    if (place->self != scope || place->frame == NULL)
        return;
    ackd_assert(place->frame->node.task == engine_task());
    scope_shut(place->frame);
    scope_close_place(place);
}

/* The first failure is the scope's; it stops the others, and theirs are attached to it. */
static void scope_child_failed(struct frame *scope, struct ackd_task *task)
{
    if (scope->scope.policy != ACKD_SCOPE_FAIL_FAST)
        return;
    task->observed = true;
    const struct ackd_error *error = ackd_error_ref(task->error);
    if (scope->scope.failure != NULL) {
        scope->scope.failure = error_with_child(scope->scope.failure, error);
        return;
    }
    scope->scope.failure = error;
    cancel_request(&scope->node, ACKD_CANCEL_SIBLING_FAILED);
}

void scope_child_ended(struct frame *scope, struct ackd_task *task)
{
    ackd_assert(scope->scope.live > 0);
    if (task->state == ACKD_TASK_FAULTED)
        scope_child_failed(scope, task);
    else if (task->state == ACKD_TASK_CANCELED)
        scope->scope.canceled++;
    scope->scope.live--;
    if (scope->scope.live == 0 && scope->scope.joiner != NULL)
        wait_finish(scope->scope.joiner, ACKD_OK);
}

int ackd_spawn_at(struct ackd_scope *scope, ackd_task_fn *fn, void *arg,
                  const struct ackd_task_options *options, struct ackd_task **ret_task,
                  const char *file, int line, const char *function)
{
    struct frame *frame;
    ACKD_TRY(scope_find(scope, &frame));
    if (frame->scope.closed)
        return ackd_fail(ACKD_E_CLOSED, "the scope was joined");
    if (frame->node.reason != ACKD_CANCEL_NONE)
        return ACKD_CANCELED;
    struct ackd_task *parent = frame->node.task;
    struct ackd_task *task;
    ACKD_TRY(task_new(parent->scheduler, fn, arg, options == NULL ? NULL : options->name,
                      options == NULL ? 0 : options->stack_size, &frame->node, &task));
    task->scope = frame;
    task->parent_id = parent->id;
    task->message = parent->message;
    task->log_context = parent->log_context;
    task->done = NULL;
    task->file = file;
    task->line = line;
    task->function = function;
    frame->scope.live++;
    if (ret_task != NULL)
        *ret_task = ackd_task_ref(task);
    return ACKD_OK;
}

/* SPDX-License-Identifier: MIT */
/* scope - children and their joining. It must not know how a task is run. */
#include <config.h>

#include "task/scope.h"

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/refusal.h"
#include "task/room.h"
#include "task/section.h"
#include "task/spawn.h"
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

/* Why a scope cannot be used; @site is where the caller goes on. */
static __attribute__((noinline)) int scope_refuse(struct ackd_scope *scope, const void *site)
{
    struct scope_place *place = scope_place(scope);
    if (place->self != scope)
        return refusal_at(ACKD_E_INVAL, site, ACKD_HERE,
                          "a scope was copied or moved, or never opened");
    if (place->frame != NULL)
        return refusal_at(ACKD_E_WRONG_LOOP, site, ACKD_HERE, "the scope belongs to %s",
                          place->frame->node.task->scheduler->name);
    if (place->code == ACKD_E_NOT_IN_TASK)
        return refusal_at(ACKD_E_NOT_IN_TASK, site, ACKD_HERE, "a scope is opened by a task");
    return ackd_fail(place->code, "the scope is not open");
}

/* The open frame; or a code, with its error set. */
static inline __attribute__((always_inline)) int scope_find(struct ackd_scope *scope,
                                                            struct frame **ret_frame)
{
    struct scope_place *place = scope_place(scope);
    struct frame *frame = place->frame;
    *ret_frame = frame;
    if (__builtin_expect(
            place->self != scope || frame == NULL || frame->node.task->scheduler != engine_this, 0))
        return scope_refuse(scope, __builtin_return_address(0));
    return ACKD_OK;
}

int scope_take_over(struct ackd_scope *scope,
                    void (*ended)(struct frame *scope, struct ackd_task *task),
                    struct frame **ret_frame)
{
    int code = scope_find(scope, ret_frame);
    if (code == ACKD_OK)
        (*ret_frame)->scope.ended = ended;
    return code;
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
        section_renew(task);
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
    scope->node.task->awaited = scope->scope.reason;
    bool counts = scope->scope.policy == ACKD_SCOPE_FAIL_FAST ||
                  scope->node.task->innermost->reason != ACKD_CANCEL_NONE;
    return counts ? ACKD_CANCELED : ACKD_OK;
}

static void scope_close_place(struct scope_place *place)
{
    place->frame = NULL;
    place->code = ACKD_E_CLOSED;
}

__attribute__((noinline)) int ackd_scope_join(struct ackd_scope *scope)
{
    struct frame *frame;
    ACKD_TRY(scope_find(scope, &frame));
    if (frame->node.task != engine_task())
        return refusal_here(engine_task() == NULL ? ACKD_E_NOT_IN_TASK : ACKD_E_INVAL,
                            "a scope is joined by the task that opened it");
    ACKD_TRY(section_check(frame->node.task, __builtin_return_address(0), TASK_STACK_NOW,
                           frame->file, frame->line, frame->function));
    scope_wait(frame);
    int code = scope_result(frame);
    frame_leave(frame);
    scope_close_place(scope_place(scope));
    return code;
}

void scope_shut(struct frame *scope)
{
    if (scope->scope.live > 0) {
        section_break(scope->node.task, scope->file, scope->line, scope->function);
        cancel_request(&scope->node, ACKD_CANCEL_PARENT);
    }
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

/* One that held it has ended, or given up. */
static void scope_let_go(struct frame *scope)
{
    ackd_assert(scope->scope.live > 0);
    scope->scope.live--;
    if (scope->scope.live == 0 && scope->scope.joiner != NULL)
        wait_finish(scope->scope.joiner, ACKD_OK);
}

void scope_child_ended(struct frame *scope, struct ackd_task *task)
{
    if (scope->scope.ended != NULL) {
        scope->scope.live--;
        scope->scope.ended(scope, task);
        return;
    }
    if (task->state == ACKD_TASK_FAULTED)
        scope_child_failed(scope, task);
    else if (task->state == ACKD_TASK_CANCELED && scope->scope.canceled++ == 0)
        scope->scope.reason = task->node.reason;
    scope_let_go(scope);
}

/* Whether it takes one more child. */
static int scope_admits(const struct frame *scope)
{
    if (__builtin_expect(scope->scope.closed, 0))
        return ackd_fail(ACKD_E_CLOSED, "the scope was joined");
    return scope->node.reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

/* Wait for room; meanwhile the scope is held as by a child, so that it stays. */
static int scope_wait_for_room(struct frame *scope, const char *file, int line,
                               const char *function)
{
    struct scheduler *scheduler = scope->node.task->scheduler;
    scope->scope.live++;
    int code = spawn_wait(scheduler, file, line, function);
    bool granted = code == ACKD_OK;
    if (granted)
        code = scope_admits(scope);
    if (granted && code != ACKD_OK)
        room_offer(scheduler);
    scope_let_go(scope);
    return code;
}

int ackd_spawn_at(struct ackd_scope *scope, ackd_task_fn *fn, void *arg,
                  const struct ackd_task_options *options, struct ackd_task **ret_task,
                  const char *file, int line, const char *function)
{
    struct frame *frame;
    int code = scope_find(scope, &frame);
    if (code == ACKD_OK)
        code = spawn_check(fn, options, file, line, function);
    if (code == ACKD_OK)
        code = scope_admits(frame);
    if (code != ACKD_OK)
        return code;
    struct ackd_task *parent = frame->node.task;
    if (spawn_must_wait(options, room_is_there(parent->scheduler)))
        ACKD_TRY(scope_wait_for_room(frame, file, line, function));
    struct ackd_task *task;
    ACKD_TRY(spawn_new(parent->scheduler, fn, arg, options, &frame->node, &task));
    task->flags = (uint8_t)options->flags;
    task->scope = frame;
    task->parent_id = parent->id;
    task->message = parent->message;
    task->owner = parent->owner;
    task->log_context = parent->log_context;
    task->done = NULL;
    task->file = file;
    task->line = line;
    task->function = function;
    frame->scope.live++;
    if (ret_task != NULL)
        *ret_task = ackd_task_ref(task);
    spawn_start(task, file, line, function);
    return ACKD_OK;
}

/* SPDX-License-Identifier: MIT */
/* frame - chains of what tasks have entered. It must not know what a limit or a scope is for. */
#include <config.h>

#include "task/frame.h"

#include <ackd/log.h>
#include <stdint.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/scope.h"
#include "task/task.h"

enum { FRAME_CHUNK = 16 };

struct frame *frame_cut(struct scheduler *scheduler)
{
    if (scheduler->spare_frames == NULL) {
        struct frame *fresh = engine_cut(scheduler, FRAME_CHUNK, sizeof *fresh);
        if (fresh == NULL)
            return NULL;
        for (size_t i = 0; i < FRAME_CHUNK; i++) {
            fresh[i].outer = scheduler->spare_frames;
            scheduler->spare_frames = &fresh[i];
        }
    }
    struct frame *frame = scheduler->spare_frames;
    scheduler->spare_frames = frame->outer;
    return frame;
}

void frame_give(struct scheduler *scheduler, struct frame *frame)
{
    frame->outer = scheduler->spare_frames;
    scheduler->spare_frames = frame;
}

struct frame *frame_enter(struct ackd_task *task, enum frame_kind kind, const void *block,
                          const char *file, int line, const char *function)
{
    struct frame *frame = frame_cut(task->scheduler);
    if (frame == NULL)
        return NULL;
    *frame = (struct frame){.outer = task->frames,
                            .block = block,
                            .file = file,
                            .function = function,
                            .line = line,
                            .kind = kind};
    cancel_enter(&frame->node, task->innermost, task, kind == FRAME_SHIELD);
    task->frames = frame;
    task->innermost = &frame->node;
    return frame;
}

/* What a frame's node has to say once one further out is gone. */
static void frame_renew(struct cancel *node)
{
    enum ackd_cancel_reason reason = node->own;
    const struct cancel *own = &node->task->node;
    const struct cancel *at = node;
    while (reason == ACKD_CANCEL_NONE && !at->shields && at != own) {
        at = at->parent;
        reason = at == own ? at->reason : at->own;
    }
    node->who = at == own || at->by_own ? at->who : NULL;
    node->reason = reason;
}

static void frame_renew_limit(struct frame *frame)
{
    struct cancel *node = &frame->node;
    node->due_ns = TIMER_NEVER;
    if (frame->kind == FRAME_DEADLINE || frame->kind == FRAME_SHIELD)
        node->due_ns = frame->limit.due_ns;
    if (!node->shields && node->parent->due_ns < node->due_ns)
        node->due_ns = node->parent->due_ns;
}

void frame_leave(struct frame *frame)
{
    struct ackd_task *task = frame->node.task;
    struct frame **link = &task->frames;
    while (*link != frame) {
        ackd_assert(*link != NULL);
        link = &(*link)->outer;
    }
    *link = frame->outer;
    task->innermost = task->frames == NULL ? &task->node : &task->frames->node;
    switch (frame->kind) {
    case FRAME_SCOPE:
        ackd_assert(frame->scope.live == 0);
        ackd_error_unref(frame->scope.failure);
        break;
    case FRAME_DEADLINE:
    case FRAME_SHIELD:
        timer_stop(&frame->limit.timer);
        ackd_error_unref(frame->limit.error);
        break;
    case FRAME_TOKEN:
        token_watch_end(&frame->watch);
        break;
    }
    cancel_leave(&frame->node);
    for (struct frame *inner = task->frames; inner != frame->outer; inner = inner->outer)
        frame_renew(&inner->node);
    for (struct frame *inner = task->frames; inner != frame->outer; inner = inner->outer)
        frame_renew_limit(inner);
    frame_give(task->scheduler, frame);
}

static void frame_drop_innermost(struct ackd_task *task)
{
    static const char *const names[] = {"scope", "deadline", "shield", "token"};
    struct frame *frame = task->frames;
    ackd_log_debug("left-open", "task #%llu '%s' left the block of a %s without ending it (%s:%d)",
                   (unsigned long long)task->id, task->name, names[frame->kind], frame->file,
                   frame->line);
    if (frame->kind == FRAME_TOKEN && frame->node.own != ACKD_CANCEL_NONE)
        task->heeded = frame->node.own;
    if (frame->kind == FRAME_SCOPE)
        scope_shut(frame);
    else
        frame_leave(frame);
}

void frame_sweep(struct ackd_task *task, const void *stack_now)
{
    while (task_left_frame(task, stack_now))
        frame_drop_innermost(task);
}

void frame_sweep_all(struct ackd_task *task)
{
    while (task->frames != NULL)
        frame_drop_innermost(task);
}

/* SPDX-License-Identifier: MIT */
/* token - blocks that heed one, tasks that do, and the token of here. It must not know who cancels. */
#include <config.h>

#include "task/token.h"

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/source.h"
#include "task/task.h"

struct token_place {
    struct frame *frame; /* NULL: nothing to heed, outside of tasks, or popped */
    bool no_memory;
};

_Static_assert(sizeof(struct token_place) <= sizeof(struct ackd_token_block), "it must fit");

/* On the loop, outside of tasks. */
static void token_cancel_node(void *arg)
{
    const struct token_watch *watch = arg;
    cancel_request_by(watch->node, source_reason(watch->source), watch->source->who);
}

void token_watch_start(struct token_watch *watch, struct ackd_token token, struct cancel *node)
{
    watch->source = token.source;
    watch->node = node;
    watch->held = ackd_cancel_source_ref(token.source) != NULL;
    source_register(token.source, &watch->registration, node->task->scheduler->home,
                    token_cancel_node, watch);
}

void token_watch_end(struct token_watch *watch)
{
    registration_remove(&watch->registration);
    cancel_forget_who(watch->node, watch->source->who);
    if (watch->held)
        ackd_cancel_source_unref(watch->source);
}

void token_heed(struct ackd_task *task, struct ackd_token token, struct frame *frame)
{
    task->heeds = frame;
    token_watch_start(&frame->watch, token, &task->node);
}

void token_heed_no_more(struct ackd_task *task)
{
    token_watch_end(&task->heeds->watch);
    frame_give(task->scheduler, task->heeds);
    task->heeds = NULL;
}

void ackd_token_push_at(struct ackd_token_block *block, struct ackd_token token, const char *file,
                        int line, const char *function)
{
    struct token_place *place = (struct token_place *)block;
    struct ackd_task *task = engine_task();
    *place = (struct token_place){0};
    if (task == NULL || token.source == NULL)
        return;
    place->frame = frame_enter(task, FRAME_TOKEN, block, file, line, function);
    place->no_memory = place->frame == NULL;
    if (place->frame != NULL)
        token_watch_start(&place->frame->watch, token, &place->frame->node);
}

int ackd_token_pop(struct ackd_token_block *block, int body_code)
{
    struct token_place *place = (struct token_place *)block;
    struct frame *frame = place->frame;
    place->frame = NULL;
    if (place->no_memory && body_code == ACKD_OK)
        return ackd_fail(ACKD_E_NOMEM, "a token could not be heeded");
    if (frame == NULL)
        return body_code;
    struct ackd_task *task = frame->node.task;
    ackd_assert(task == engine_task());
    if (body_code == ACKD_CANCELED && frame->node.own != ACKD_CANCEL_NONE)
        task->heeded = frame->node.own;
    frame_leave(frame);
    return body_code;
}

struct ackd_token ackd_token_current(void)
{
    struct ackd_task *task = engine_task();
    if (task == NULL)
        return (struct ackd_token){NULL};
    struct cancel *node = task->innermost;
    if (node->source == NULL && (node->source = source_new(0)) != NULL)
        ackd_cancel(node->source, node->reason, node->who);
    return (struct ackd_token){node->source};
}

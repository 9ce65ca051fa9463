/* SPDX-License-Identifier: MIT */
/* spawn - checks before, and the start. It must not know what a task belongs to. */
#include <config.h>

#include "task/spawn.h"

#include "task/engine.h"
#include "task/refusal.h"
#include "task/room.h"
#include "task/section.h"
#include "task/task.h"

enum {
    SPAWN_SUSPENDS = ACKD_TASK_START_INLINE | ACKD_TASK_WAIT_FOR_ROOM,
    SPAWN_FLAGS = SPAWN_SUSPENDS | ACKD_TASK_NO_BUDGET
};

int spawn_check_slowly(ackd_task_fn *fn, const struct ackd_task_options *options, const char *file,
                       int line, const char *function)
{
    if (options == NULL || options->name == NULL || options->name[0] == '\0')
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function, "a task needs a name");
    if (fn == NULL)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function, "task '%s' has nothing to run",
                          options->name);
    if ((options->flags & ~(unsigned)SPAWN_FLAGS) != 0)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                          "task '%s' has unknown flags: %#x", options->name, options->flags);
    if (ackd_token_canceled(options->token))
        return ACKD_CANCELED;
    if ((options->flags & SPAWN_SUSPENDS) == 0)
        return ACKD_OK;
    struct ackd_task *task = engine_task();
    if (task == NULL)
        return refusal_at(ACKD_E_NOT_IN_TASK, NULL, file, line, function,
                          "only a task can start '%s' inline or wait for room", options->name);
    ACKD_TRY(section_check(task, NULL, TASK_STACK_NOW, file, line, function));
    return task->innermost->reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

int spawn_wait(struct scheduler *scheduler, const char *file, int line, const char *function)
{
    if (scheduler != engine_this)
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                          "room is waited for on the loop where it is wanted, %s", scheduler->name);
    int code = room_wait(scheduler, file, line, function);
    if (code == ACKD_OK)
        room_take_up(scheduler);
    return code;
}

int spawn_new_with_token(struct scheduler *scheduler, ackd_task_fn *fn, void *arg,
                         const struct ackd_task_options *options, struct cancel *parent,
                         struct ackd_task **ret_task)
{
    int code = ACKD_CANCELED; /* it may have been while there was no room */
    struct frame *frame = NULL;
    if (!ackd_token_canceled(options->token)) {
        frame = frame_cut(scheduler);
        code = frame == NULL ? ackd_fail(ACKD_E_NOMEM, "a task's token") : ACKD_OK;
    }
    if (code != ACKD_OK) {
        room_offer(scheduler);
        return code;
    }
    code = task_new(scheduler, fn, arg, options->name, options->stack_size, parent, ret_task);
    if (code == ACKD_OK)
        token_heed(*ret_task, options->token, frame);
    else
        frame_give(scheduler, frame);
    return code;
}

void spawn_start_inline(struct ackd_task *task, const char *file, int line, const char *function)
{
    struct ackd_task *self = task->scheduler->current;
    struct wait wait;
    wait_init(&wait, WAIT_SPAWN, task->name, file, line, function);
    self->wait = &wait;
    task_queue_first(self);
    task_queue_first(task);
    task_switch_away(self);
    self->wait = NULL;
}

/* SPDX-License-Identifier: MIT */
/* owner - detached tasks, their observers, and their end. It must not know what an owner is. */
#include <config.h>

#include "task/owner.h"

#include <stdio.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/refusal.h"
#include "task/room.h"
#include "task/spawn.h"
#include "task/task.h"
#include "task/unobserved.h"

void owner_init(struct ackd_owner *owner, struct scheduler *scheduler, const char *name)
{
    *owner = (struct ackd_owner){.scheduler = scheduler};
    snprintf(owner->name, sizeof owner->name, "%s", name);
}

void owner_seal(struct ackd_owner *owner)
{
    owner->sealed = true;
}

static void owner_end_if_idle(struct ackd_owner *owner)
{
    void (*ended)(struct ackd_owner * owner) = owner->ended;
    if (ended == NULL || owner->live > 0)
        return;
    owner->ended = NULL;
    ended(owner);
}

void owner_close(struct ackd_owner *owner, void (*ended)(struct ackd_owner *owner))
{
    ackd_assert(owner->ended == NULL);
    owner->sealed = true;
    if (owner->live > 0)
        task_cancel_detached(owner, ACKD_CANCEL_SHUTDOWN);
    owner->ended = ended;
    owner_end_if_idle(owner);
}

/* The end of a detached task: its observer hears of it, and what that does not take is reported. */
static void owner_observe(struct ackd_task *task, int code, const struct ackd_error *error,
                          enum ackd_cancel_reason reason, void *arg)
{
    (void)reason;
    (void)arg;
    struct ackd_owner *owner = task->owner;
    ackd_observe_fn *observe = task->observe;
    task->observe = NULL;
    error_clear();
    int taken = observe(task, code, error, task->observe_arg);
    if (taken < 0) {
        if (error != NULL)
            unobserved_report(task, error);
        const struct ackd_error *own = error_for(taken);
        if (own != error)
            unobserved_report(task, own);
    }
    error_clear();
    ackd_assert(owner->live > 0);
    owner->live--;
    owner_end_if_idle(owner); /* O2 */
}

static int owner_admits(const struct ackd_owner *owner, const char *file, int line,
                        const char *function)
{
    if (!owner->sealed)
        return ACKD_OK;
    return ackd_fail_at(ACKD_E_CLOSED, file, line, function, "'%s' ends and takes no detached task",
                        owner->name);
}

static int owner_check(const struct ackd_owner *owner, const struct ackd_task_options *options,
                       ackd_observe_fn *observe, const char *file, int line, const char *function)
{
    if (owner == NULL || observe == NULL)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                          "a detached task needs an owner and an observer");
    bool suspends = (options->flags & ~(unsigned)ACKD_TASK_NO_BUDGET) != 0;
    if (!engine_may_touch(owner->scheduler) || (suspends && owner->scheduler != engine_this))
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                          "'%s' is an owner on %s: its tasks are spawned there", owner->name,
                          owner->scheduler->name);
    return owner_admits(owner, file, line, function);
}

/* Meanwhile the owner is held as by a detached task, so that it stays. */
static int owner_wait_for_room(struct ackd_owner *owner, const char *file, int line,
                               const char *function)
{
    owner->live++;
    int code = spawn_wait(owner->scheduler, file, line, function);
    bool granted = code == ACKD_OK;
    if (granted)
        code = owner_admits(owner, file, line, function);
    if (granted && code != ACKD_OK)
        room_offer(owner->scheduler);
    owner->live--;
    if (code != ACKD_OK)
        owner_end_if_idle(owner);
    return code;
}

int ackd_spawn_detached_at(struct ackd_owner *owner, ackd_task_fn *fn, void *arg,
                           const struct ackd_task_options *options, ackd_observe_fn *observe,
                           void *observe_arg, const char *file, int line, const char *function)
{
    ACKD_TRY(spawn_check(fn, options, file, line, function));
    ACKD_TRY(owner_check(owner, options, observe, file, line, function));
    if (spawn_must_wait(options, room_is_there(owner->scheduler)))
        ACKD_TRY(owner_wait_for_room(owner, file, line, function));
    struct ackd_task *task;
    ACKD_TRY(spawn_new(owner->scheduler, fn, arg, options, NULL, &task));
    task->flags = (uint8_t)options->flags;
    task->scope = NULL;
    task->parent_id = 0;
    task->message = NULL;
    task->log_context = owner->log_context;
    task->owner = owner;
    task->done = owner_observe;
    task->observe = observe;
    task->observe_arg = observe_arg;
    task->file = file;
    task->line = line;
    task->function = function;
    owner->live++;
    spawn_start(task, file, line, function);
    return ACKD_OK;
}

struct ackd_owner *ackd_owner_current(void)
{
    const struct ackd_task *task = engine_task();
    return task == NULL ? NULL : task->owner;
}

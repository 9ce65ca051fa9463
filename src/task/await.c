/* SPDX-License-Identifier: MIT */
/* await - the waits that need nothing from outside: for a task, for time, for a turn. */
#include <config.h>

#include <ackd/task.h>

#include "base/assert.h"
#include "task/cycle.h"
#include "task/engine.h"
#include "task/refusal.h"
#include "task/task.h"
#include "task/wait.h"

static inline __attribute__((always_inline)) int await_suspended(struct ackd_task *task,
                                                                 struct ackd_task *target,
                                                                 const char *file, int line,
                                                                 const char *function)
{
    /* What has not begun waits for nobody. */
    if (target->stack != NULL && cycle_keeps_from_ending(task, target))
        return cycle_refuse(task, target, file, line, function);
    struct wait wait;
    struct task_waiter waiter = {.wait = &wait};
    wait_init(&wait, WAIT_TASK, target->name, file, line, function);
    list_append(&target->waiters, &waiter.link);
    int code = task_wait(&wait, false);
    if (!wait_finished(&wait))
        list_remove(&waiter.link);
    return code;
}

__attribute__((noinline)) int ackd_await_at(struct ackd_task *task, const char *file, int line,
                                            const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (task == NULL)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function, "no task to await");
    ackd_assert(task->magic == TASK_MAGIC);
    struct ackd_task *self = engine_this->current;
    if (task->scheduler != self->scheduler)
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                          "task '%s' belongs to %s, this is %s", task->name, task->scheduler->name,
                          self->scheduler->name);
    if (task->state < ACKD_TASK_SUCCEEDED)
        return await_suspended(self, task, file, line, function);
    if (task->code == ACKD_CANCELED)
        self->awaited = task->node.reason;
    if (task->error == NULL)
        return task->code;
    task->observed = true;
    (void)error_give(ackd_error_ref(task->error));
    return task->code;
}

__attribute__((noinline)) int ackd_yield_at(const char *file, int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct ackd_task *task = engine_this->current;
    struct wait wait;
    wait_init(&wait, WAIT_YIELD, NULL, file, line, function);
    task->wait = &wait;
    task_yield(task);
    task->wait = NULL;
    return task->innermost->reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

struct await_delay {
    struct wait wait;
    struct timer timer;
};

static void await_delay_over(struct timer *timer)
{
    wait_finish(&LIST_ITEM(timer, await_delay, timer)->wait, ACKD_OK);
}

__attribute__((noinline)) int ackd_delay_at(uint64_t ms, const char *file, int line,
                                            const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK || ms == 0)
        return code;
    struct scheduler *scheduler = engine_this;
    struct await_delay delay;
    wait_init(&delay.wait, WAIT_TIMER, NULL, file, line, function);
    timer_init(&delay.timer, await_delay_over);
    delay.timer.touches = delay.wait.task;
    timer_start(&scheduler->timers, &delay.timer, timer_after_ms(engine_now(scheduler), ms));
    code = task_wait(&delay.wait, false);
    timer_stop(&delay.timer);
    return code;
}

__attribute__((noinline)) int ackd_checkpoint_at(const char *file, int line, const char *function)
{
    (void)ackd_cancellation_requested();
    return task_check(TASK_STACK_NOW, file, line, function);
}

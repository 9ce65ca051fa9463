/* SPDX-License-Identifier: MIT */
/* await - the waits that need nothing from outside: for a task, for time, for a turn. */
#include <config.h>

#include <ackd/task.h>
#include <stdio.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/task.h"
#include "task/wait.h"

/*
 * Look for @target among those that cannot end before @task: who waits for it, its parent, and so
 * on from there. They are marked, and linked back towards @task.
 */
static bool await_would_close_cycle(struct ackd_task *task, const struct ackd_task *target)
{
    uint64_t search = ++task->scheduler->last_search;
    struct ackd_task *work = task;
    task->search = search;
    task->search_next = task->search_from = NULL;
    while (work != NULL) {
        struct ackd_task *at = work;
        work = at->search_next;
        if (at == target)
            return true;
        struct ackd_task *parent = at->scope == NULL ? NULL : at->scope->node.task;
        if (parent != NULL && parent->search != search) {
            parent->search = search;
            parent->search_from = at;
            parent->search_next = work;
            work = parent;
        }
        list_for_each (link, &at->waiters) {
            struct ackd_task *waiter = LIST_ITEM(link, task_waiter, link)->wait.task;
            if (waiter->search == search)
                continue;
            waiter->search = search;
            waiter->search_from = at;
            waiter->search_next = work;
            work = waiter;
        }
    }
    return false;
}

static int await_refuse_cycle(const struct ackd_task *task, const struct ackd_task *target,
                              const char *file, int line, const char *function)
{
    char chain[256] = "";
    size_t used = 0;
    for (const struct ackd_task *at = target; at != NULL && used < sizeof chain;
         at = at->search_from)
        used += (size_t)snprintf(chain + used, sizeof chain - used, "%s'%s'",
                                 at == target ? "" : ", which waits for ", at->name);
    return ackd_fail_at(ACKD_E_CYCLE, file, line, function, "'%s' would wait for %s", task->name,
                        chain);
}

static inline int await_suspended(struct ackd_task *task, struct ackd_task *target,
                                  const char *file, int line, const char *function)
{
    if (await_would_close_cycle(task, target))
        return await_refuse_cycle(task, target, file, line, function);
    struct task_waiter waiter = {.target = target};
    wait_init(&waiter.wait, WAIT_TASK, target->name, file, line, function);
    list_append(&target->waiters, &waiter.link);
    int code = wait_park(&waiter.wait);
    if (!wait_finished(&waiter.wait))
        list_remove(&waiter.link);
    return code;
}

__attribute__((noinline)) int ackd_await_at(struct ackd_task *task, const char *file, int line,
                                            const char *function)
{
    int code = task_check(__builtin_frame_address(0), file, line, function);
    if (code != ACKD_OK)
        return code;
    if (task == NULL)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "no task to await");
    ackd_assert(task->magic == TASK_MAGIC);
    struct ackd_task *self = engine_this->current;
    if (task->scheduler != self->scheduler)
        return ackd_fail_at(ACKD_E_WRONG_LOOP, file, line, function,
                            "task '%s' belongs to %s, this is %s", task->name,
                            task->scheduler->name, self->scheduler->name);
    if (task->state < ACKD_TASK_SUCCEEDED)
        return await_suspended(self, task, file, line, function);
    if (task->error == NULL)
        return task->code;
    task->observed = true;
    (void)error_give(ackd_error_ref(task->error));
    return task->code;
}

__attribute__((noinline)) int ackd_yield_at(const char *file, int line, const char *function)
{
    int code = task_check(__builtin_frame_address(0), file, line, function);
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
    int code = task_check(__builtin_frame_address(0), file, line, function);
    if (code != ACKD_OK || ms == 0)
        return code;
    struct scheduler *scheduler = engine_this;
    struct await_delay delay;
    wait_init(&delay.wait, WAIT_TIMER, NULL, file, line, function);
    timer_init(&delay.timer, await_delay_over);
    timer_start(&scheduler->timers, &delay.timer, timer_after_ms(engine_now(scheduler), ms));
    code = wait_park(&delay.wait);
    timer_stop(&delay.timer);
    return code;
}

__attribute__((noinline)) int ackd_checkpoint_at(const char *file, int line, const char *function)
{
    (void)ackd_cancellation_requested();
    return task_check(__builtin_frame_address(0), file, line, function);
}

/* SPDX-License-Identifier: MIT */
/* wait - parking and waking. It must not know what is waited for. */
#include <config.h>

#include "task/wait.h"

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/task.h"

const char *wait_kind_name(enum wait_kind kind)
{
    static const char *const names[] = {
#define WAIT_KIND(name, text) [WAIT_##name] = text,
#include "task/states.def"
#undef WAIT_KIND
    };
    ackd_assert((size_t)kind < sizeof names / sizeof names[0]);
    return names[kind];
}

int wait_check_slowly(struct ackd_task *task, const void *stack_now, const char *file, int line,
                      const char *function)
{
    if (task == NULL)
        return ackd_fail_at(ACKD_E_NOT_IN_TASK, file, line, function,
                            "only a task can await: not a callback, not another thread");
    frame_sweep(task, stack_now);
    if (task->scheduler->budget == 0)
        task_yield(task);
    task->scheduler->budget--;
    return task->innermost->reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

__attribute__((noinline)) int wait_check(const char *file, int line, const char *function)
{
    return task_check(__builtin_frame_address(0), file, line, function);
}

void wait_init(struct wait *wait, enum wait_kind kind, const char *what, const char *file, int line,
               const char *function)
{
    wait->task = engine_task();
    ackd_assert(wait->task != NULL);
    wait->what = what;
    wait->file = file;
    wait->function = function;
    wait->line = line;
    wait->code = ACKD_OK;
    wait->kind = kind;
    wait->finished = false;
}

/* Until it is finished, or until the task is cancelled where @to_end is not set. */
static inline __attribute__((always_inline)) int wait_suspend(struct wait *wait, bool to_end)
{
    struct ackd_task *task = wait->task;
    ackd_assert(task == engine_task());
    while (!wait->finished) { /* W1 */
        if (!to_end && task->innermost->reason != ACKD_CANCEL_NONE)
            return ACKD_CANCELED;
        task->wait = wait;
        task_suspend(task);
        task->wait = NULL;
    }
    return wait->code;
}

int wait_park(struct wait *wait)
{
    return wait_suspend(wait, false);
}

int wait_park_to_end(struct wait *wait)
{
    return wait_suspend(wait, true);
}

/* The failure's error becomes the waiting task's own. */
static void wait_move_error(const struct wait *wait, int code)
{
    struct ackd_task *task = wait->task;
    if (task == engine_task())
        return;
    error_slot_clear(&task->slot);
    if (ackd_error_code(ackd_error_current()) == code) {
        task->slot.error = (struct ackd_error *)(uintptr_t)error_take();
        return;
    }
    struct error_slot *before = error_slot_use(&task->slot);
    (void)ackd_fail_at(code, wait->file, wait->line, wait->function, "awaiting %s%s%s",
                       wait_kind_name(wait->kind), wait->what == NULL ? "" : " ",
                       wait->what == NULL ? "" : wait->what);
    error_slot_use(before);
}

void wait_finish(struct wait *wait, int code)
{
    if (wait->finished)
        return;
    wait->finished = true;
    wait->code = code;
    if (code < 0 && code != ACKD_CANCELED)
        wait_move_error(wait, code);
    if (wait->task->wait == wait)
        task_ready(wait->task);
}

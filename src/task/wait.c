/* SPDX-License-Identifier: MIT */
/* wait - parking and waking. It must not know what is waited for. */
#include <config.h>

#include "task/wait.h"

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/refusal.h"
#include "task/section.h"
#include "task/task.h"

const char *wait_kind_name(enum wait_kind kind)
{
    static const char *const names[] = {
#define WAIT_KIND(name, text, inside) [WAIT_##name] = text,
#include "task/states.def"
#undef WAIT_KIND
    };
    ackd_assert((size_t)kind < sizeof names / sizeof names[0]);
    return names[kind];
}

bool wait_kind_is_inside(enum wait_kind kind)
{
    static const bool insides[] = {
#define WAIT_KIND(name, text, inside) [WAIT_##name] = inside,
#include "task/states.def"
#undef WAIT_KIND
    };
    ackd_assert((size_t)kind < sizeof insides / sizeof insides[0]);
    return insides[kind];
}

int wait_check_slowly(struct ackd_task *task, const void *stack_now, const char *file, int line,
                      const char *function)
{
    if (task == NULL)
        return refusal_at(ACKD_E_NOT_IN_TASK, NULL, file, line, function,
                          "only a task can await: not a callback, not another thread");
    if (task->section != NULL)
        ACKD_TRY(section_check(task, NULL, stack_now, file, line, function));
    if (task->watched != NULL)
        holding_sweep(task, stack_now);
    frame_sweep(task, stack_now);
    if (task->scheduler->budget == 0 && (task->flags & ACKD_TASK_NO_BUDGET) != 0)
        task->scheduler->budget = ENGINE_BUDGET;
    if (task->scheduler->budget == 0)
        task_yield(task);
    task->scheduler->budget--;
    return task->innermost->reason == ACKD_CANCEL_NONE ? ACKD_OK : ACKD_CANCELED;
}

__attribute__((noinline)) int wait_check(const char *file, int line, const char *function)
{
    return task_check(TASK_STACK_NOW, file, line, function);
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

int wait_park(struct wait *wait)
{
    return task_wait(wait, false);
}

int wait_park_to_end(struct wait *wait)
{
    return task_wait(wait, true);
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

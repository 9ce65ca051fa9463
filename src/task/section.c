/* SPDX-License-Identifier: MIT */
/* section - entering, leaving, and refusing. It must not know what an await waits for. */
#include <config.h>

#include "task/section.h"

#include <ackd/log.h>

#include "task/engine.h"
#include "task/refusal.h"
#include "task/task.h"

struct section {
    struct section *outer;
    struct ackd_task *task; /* NULL: it has ended */
    const char *file, *function;
    int line;
    uint32_t budget; /* what the task had left when it entered its outermost one */
};

_Static_assert(sizeof(struct section) <= sizeof(struct ackd_no_await), "it must fit");

/* N2: what is further out can no more be known, for the place of this one is overwritten. */
static void section_drop(struct ackd_task *task)
{
    ackd_log_debug("left-open",
                   "task #%llu '%s' left a section that must not suspend without "
                   "ending it",
                   (unsigned long long)task->id, task->name);
    task->section = NULL;
    task->scheduler->budget = ENGINE_BUDGET;
}

/* Whether the innermost one was left: the task is above it. */
static bool section_is_left(const struct ackd_task *task, const void *stack_now)
{
    uintptr_t low = (uintptr_t)task->stack->low;
    return (uintptr_t)task->section - low < (uintptr_t)stack_now - low;
}

/* Before the others are looked at: those inside one that is there are there, too. */
static void section_sweep(struct ackd_task *task, const void *stack_now)
{
    if (task->section != NULL && section_is_left(task, stack_now))
        section_drop(task);
}

/* Out of the task's; whether it was among them. */
static bool section_remove(struct ackd_task *task, const struct section *section)
{
    struct section **link = &task->section;
    while (*link != NULL && *link != section)
        link = &(*link)->outer;
    if (*link == NULL)
        return false;
    *link = section->outer;
    return true;
}

__attribute__((noinline)) void ackd_no_await_begin_at(struct ackd_no_await *opaque,
                                                      const char *file, int line,
                                                      const char *function)
{
    struct section *section = (struct section *)opaque;
    struct ackd_task *task = engine_task();
    if (task != NULL && task->section != NULL) {
        section_sweep(task, TASK_STACK_NOW);
        section_remove(task, section); /* one that was left may have been here */
    }
    *section = (struct section){.task = task, .file = file, .function = function, .line = line};
    if (task == NULL)
        return;
    section->outer = task->section;
    section->budget = section->outer == NULL ? task->scheduler->budget : section->outer->budget;
    task->section = section;
    task->scheduler->budget = 0; /* N1 */
}

__attribute__((noinline)) void ackd_no_await_end(struct ackd_no_await *opaque)
{
    struct section *section = (struct section *)opaque;
    struct ackd_task *task = section->task;
    if (task == NULL)
        return;
    section->task = NULL;
    if (task == engine_task())
        section_sweep(task, TASK_STACK_NOW);
    if (section_remove(task, section) && task->section == NULL && task == engine_task())
        task->scheduler->budget = section->budget;
}

int section_check(struct ackd_task *task, const void *site, const void *stack_now, const char *file,
                  int line, const char *function)
{
    const struct section *section = task->section;
    if (section == NULL)
        return ACKD_OK;
    if (section_is_left(task, stack_now)) {
        section_drop(task);
        return ACKD_OK;
    }
    return refusal_at(ACKD_E_SUSPEND, site, file, line, function,
                      "an await in '%s' (%s:%d), inside the section that '%s' began at %s:%d and "
                      "that must not suspend",
                      function, file, line, section->function, section->file, section->line);
}

void section_break(struct ackd_task *task, const char *file, int line, const char *function)
{
    if (task->section == NULL)
        return;
    const struct ackd_error *before = error_take();
    error_ignore(section_check(task, task->section, task->section, file, line, function));
    error_clear();
    if (before != NULL)
        error_ignore(error_give(before));
}

void section_renew(struct ackd_task *task)
{
    if (task->section != NULL)
        task->scheduler->budget = 0;
}

void section_forget(struct ackd_task *task)
{
    if (task->section != NULL)
        section_drop(task);
}

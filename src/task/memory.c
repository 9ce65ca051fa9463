/* SPDX-License-Identifier: MIT */
/*
 * memory - a task's own allocations and deferred calls.
 *
 * The arena's first block is part of the task's stack, which is warm and is there anyway: what fits
 * into it costs no allocation.
 */
#include <config.h>

#include <ackd/error.h>
#include <ackd/memory.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "task/engine.h"
#include "task/memory.h"
#include "task/refusal.h"
#include "task/task.h"

struct task_deferred {
    struct task_deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

/* @site is where the caller of the caller goes on. */
static struct arena *memory_arena(const void *site)
{
    struct ackd_task *task = engine_task();
    if (task == NULL) {
        error_ignore(
            refusal_at(ACKD_E_NOT_IN_TASK, site, ACKD_HERE, "only a task has memory of its own"));
        return NULL;
    }
    if (task->arena.first == NULL)
        arena_init(&task->arena, task->stack->top, STACK_BLOCK_SIZE);
    return &task->arena;
}

static void *memory_checked(void *bytes)
{
    if (bytes == NULL)
        (void)ackd_fail(ACKD_E_NOMEM, "memory of the task");
    return bytes;
}

void *ackd_alloc(size_t size)
{
    struct arena *arena = memory_arena(__builtin_return_address(0));
    return arena == NULL ? NULL : memory_checked(arena_alloc(arena, size));
}

char *ackd_strdup(const char *text)
{
    struct arena *arena = memory_arena(__builtin_return_address(0));
    return arena == NULL ? NULL : memory_checked(arena_strndup(arena, text, strlen(text)));
}

char *ackd_printf(const char *format, ...)
{
    struct arena *arena = memory_arena(__builtin_return_address(0));
    if (arena == NULL)
        return NULL;
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return memory_checked(text);
}

int ackd_defer(void (*fn)(void *arg), void *arg)
{
    struct arena *arena = memory_arena(__builtin_return_address(0));
    if (arena == NULL)
        return ACKD_E_NOT_IN_TASK;
    struct task_deferred *deferred = memory_checked(arena_alloc(arena, sizeof *deferred));
    if (deferred == NULL)
        return ACKD_E_NOMEM;
    struct ackd_task *task = LIST_ITEM(arena, ackd_task, arena);
    *deferred = (struct task_deferred){.next = task->deferred, .fn = fn, .arg = arg};
    task->deferred = deferred;
    return ACKD_OK;
}

void memory_run_deferred(struct ackd_task *task)
{
    struct ackd_shield shield;
    bool shielded = ackd_shield_push(&shield, ACKD_DEFER_MS) == ACKD_OK;
    while (task->deferred != NULL) {
        struct task_deferred *deferred = task->deferred;
        task->deferred = deferred->next;
        deferred->fn(deferred->arg);
    }
    if (shielded)
        ackd_shield_pop(&shield);
    if (task->frames != NULL)
        frame_sweep_all(task);
}

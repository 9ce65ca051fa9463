/* SPDX-License-Identifier: MIT */
/* holding - blocks, and the lists of them that a task has. It must not know what they are for. */
#include <config.h>

#include "task/holding.h"

#include <ackd/log.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/task.h"

enum { HOLDING_CHUNK = 16 };

static struct holding *holding_take_spare(struct scheduler *scheduler)
{
    if (scheduler->spare_holdings == NULL) {
        struct holding *fresh = engine_cut(scheduler, HOLDING_CHUNK, sizeof *fresh);
        if (fresh == NULL)
            return NULL;
        for (size_t i = 0; i < HOLDING_CHUNK; i++) {
            fresh[i].next = scheduler->spare_holdings;
            scheduler->spare_holdings = &fresh[i];
        }
    }
    struct holding *holding = scheduler->spare_holdings;
    scheduler->spare_holdings = holding->next;
    return holding;
}

/* Whether @place is on the stack of @task, below @limit. */
static bool holding_on_stack(const struct ackd_task *task, const void *place, const void *limit)
{
    uintptr_t low = (uintptr_t)task->stack->low;
    return (uintptr_t)place - low < (uintptr_t)limit - low;
}

struct holding *holding_take(struct ackd_task *task, const struct holding_kind *kind,
                             const void *block, const char *file, int line, const char *function)
{
    struct holding *holding = holding_take_spare(task->scheduler);
    if (holding == NULL)
        return NULL;
    /* Only those on the stack are worth a look at each await. */
    struct holding **list =
        holding_on_stack(task, block, task->stack->top) ? &task->watched : &task->kept;
    holding->next = *list;
    holding->link = list;
    if (*list != NULL)
        (*list)->link = &holding->next;
    *list = holding;
    holding->task = task;
    holding->block = block;
    holding->kind = kind;
    holding->file = file;
    holding->line = line;
    holding->function = function;
    holding->version++;
    return holding;
}

void holding_drop(struct holding *holding)
{
    struct scheduler *scheduler = holding->task->scheduler;
    *holding->link = holding->next;
    if (holding->next != NULL)
        holding->next->link = holding->link;
    holding->task = NULL;
    holding->block = NULL;
    holding->version++;
    holding->next = scheduler->spare_holdings;
    scheduler->spare_holdings = holding;
}

bool holding_is_below(const struct holding *holding, const void *place, const void *limit)
{
    return holding_on_stack(holding->task, place, limit);
}

static void holding_end(struct holding *holding, bool gone, const void *limit)
{
    const struct ackd_task *task = holding->task;
    ackd_log_debug("left-open", "task #%llu '%s' left a%s behind (%s:%d)",
                   (unsigned long long)task->id, task->name, holding->kind->name, holding->file,
                   holding->line);
    holding->kind->end(holding, gone, limit);
}

void holding_end_block(struct ackd_task *task, const void *block)
{
    for (struct holding *at = task->watched; at != NULL;) {
        struct holding *next = at->next;
        if (at->block == block)
            holding_end(at, true, task->stack->low);
        at = next;
    }
}

void holding_sweep(struct ackd_task *task, const void *stack_now)
{
    for (struct holding *at = task->watched; at != NULL;) {
        struct holding *next = at->next;
        if (holding_on_stack(task, at->block, stack_now))
            holding_end(at, true, stack_now);
        at = next;
    }
}

void holding_end_all(struct ackd_task *task)
{
    while (task->watched != NULL)
        holding_end(task->watched, true, task->stack->top);
    while (task->kept != NULL)
        holding_end(task->kept, false, task->stack->top);
}

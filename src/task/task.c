/* SPDX-License-Identifier: MIT */
/*
 * task - the life of a task from its making to the release of its last handle.
 *
 * A block that is spare is as if zeroed in all that a task changes while it lives, so that a new
 * one sets no more than what it is given.
 */
#include <config.h>

#include "task/task.h"

#include <ackd/log.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "task/memory.h"
#include "task/owner.h"
#include "task/room.h"
#include "task/scope.h"
#include "task/section.h"
#include "task/tally.h"
#include "task/unobserved.h"

enum { TASK_CHUNK = 16, TASK_IDS = 4096 };

/* Ids are unique in the process; a scheduler takes them in blocks. */
static _Atomic uint64_t task_ids;

static uint64_t task_next_id(struct scheduler *scheduler)
{
    if (scheduler->next_id == scheduler->last_id) {
        scheduler->next_id = atomic_fetch_add(&task_ids, TASK_IDS);
        scheduler->last_id = scheduler->next_id + TASK_IDS;
    }
    return ++scheduler->next_id;
}

/* More blocks, the first of which is returned. */
static struct ackd_task *task_cut(struct scheduler *scheduler)
{
    struct ackd_task *fresh = engine_cut(scheduler, TASK_CHUNK, sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    for (size_t i = TASK_CHUNK; i-- > 0;) {
        list_init(&fresh[i].waiters);
        fresh[i].scheduler = scheduler;
        fresh[i].ready_next = scheduler->spare;
        scheduler->spare = &fresh[i];
        sanitizer_shut(&fresh[i], sizeof fresh[i]);
    }
    return scheduler->spare;
}

static struct ackd_task *task_take_block(struct scheduler *scheduler)
{
    struct ackd_task *task = scheduler->spare;
    if (__builtin_expect(task == NULL, 0)) {
        task = task_cut(scheduler);
        if (task == NULL)
            return NULL;
    }
    sanitizer_open(task, sizeof *task);
    scheduler->spare = task->ready_next;
    return task;
}

int task_new(struct scheduler *scheduler, ackd_task_fn *fn, void *arg, const char *name,
             size_t stack_size, struct cancel *parent, struct ackd_task **ret_task)
{
    if (__builtin_expect(!room_is_there(scheduler), 0))
        return ackd_fail(ACKD_E_FULL, "%s has its %zu tasks", scheduler->name,
                         scheduler->tasks_max);
    struct ackd_task *task = task_take_block(scheduler);
    if (task == NULL) {
        room_offer(scheduler);
        return ackd_fail(ACKD_E_NOMEM, "a task");
    }
    if (scheduler->now_stale)
        engine_now(scheduler);
    task->magic = TASK_MAGIC;
    task->references = 1;
    task->state = ACKD_TASK_READY;
    task->parked = task->observed = task->ending = false;
    task->heeded = ACKD_CANCEL_NONE;
    task->awaited = ACKD_CANCEL_NONE;
    task->code = ACKD_OK;
    task->fn = fn;
    task->arg = arg;
    task->innermost = &task->node;
    cancel_enter(&task->node, parent, task, false);
    task->id = task_next_id(scheduler);
    task->stack_size =
        stack_size == 0 ? scheduler->stack_size : stack_round(&scheduler->stacks, stack_size);
    task->created_ns = task->state_ns = scheduler->now_ns;
    task->times = (struct task_times){0};
    size_t length = strnlen(name, TASK_NAME_SIZE - 1);
    memcpy(task->name, name, length);
    task->name[length] = '\0';
    task->slot.task_id = task->id;
    task->slot.task_name = task->name;
    list_append(&scheduler->tasks, &task->all);
    scheduler->counts.created++;
    scheduler->counts.live++;
    *ret_task = task;
    return ACKD_OK;
}

void task_leave_failure(struct ackd_task *task, const struct ackd_error *error)
{
    const struct ackd_error *before = task->lost;
    task->lost = error;
    if (before == NULL)
        return;
    task->lost = error_with_child(before, error);
}

/* What a task that failed with @code leaves: never without an error. */
static int task_fail(struct ackd_task *task, int code)
{
    if (ackd_error_code(ackd_error_current()) != code)
        (void)ackd_fail_at(code, task->file, task->line, task->function,
                           "task '%s' returned %s: %s", task->name, error_name(code).text,
                           ackd_code_text(code));
    task->error = error_take();
    if (task->lost != NULL) {
        task->error = error_with_child(task->error, task->lost);
        task->lost = NULL;
    }
    return code;
}

/* From what the function returned to what the task ends with. */
static int task_conclude(struct ackd_task *task, int code)
{
    if (code == ACKD_CANCELED && task->node.reason != ACKD_CANCEL_NONE)
        return code;
    if (code == ACKD_OK)
        return code;
    if (code == ACKD_CANCELED && task->lost != NULL) {
        /* It was cancelled by a scope of its own, because a child failed: that is the failure. */
        code = error_give(task->lost);
        task->lost = NULL;
    } else if (code == ACKD_CANCELED && task->heeded != ACKD_CANCEL_NONE) {
        /* By a token that it heeded for a while: what that ended is all it was to do. */
        task->node.reason = task->heeded;
        return code;
    } else if (code == ACKD_CANCELED) {
        bool passed_on = task->awaited != ACKD_CANCEL_NONE;
        code = ackd_wrap_at(
            ACKD_E_BAD_RETURN, task->file, task->line, task->function,
            "task '%s' returned ACKD_CANCELED but nobody had cancelled it: %s%s%s", task->name,
            passed_on ? "what it awaited was ("
                      : "if that is the -1 of a call of the system, make a "
                        "failure of it with ackd_fail(ACKD_E_OS, ...)",
            passed_on ? ackd_cancel_reason_name(task->awaited) : "", passed_on ? ")" : "");
    } else if (code > 0) {
        code = ackd_wrap_at(ACKD_E_BAD_RETURN, task->file, task->line, task->function,
                            "task '%s' returned %d: 0 is success, a failure is negative",
                            task->name, code);
    }
    return task_fail(task, code);
}

/* A stack that is three quarters full one day overflows: said once for each name. */
static void task_look_at_stack(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    size_t depth = stack_trim(&scheduler->stacks, task->stack);
    tally_deepen(scheduler, task->name, depth, task->stack_size);
    if (depth <= task->stack_size / 4 * 3)
        return;
    uint32_t hash = 2166136261u;
    for (const char *at = task->name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    uint32_t *seen = &scheduler->warned[hash % ENGINE_WARNED];
    if (*seen == hash)
        return;
    *seen = hash;
    ackd_log_event(ACKD_LOG_WARNING, "stack-high-water",
                   ACKD_FIELDS(ACKD_FIELD("task", task->name), ACKD_FIELD_INT("used", depth),
                               ACKD_FIELD_INT("size", task->stack_size)),
                   "task '%s' used %zu of the %zu bytes of its stack: raise 'stack' for it, or "
                   "move large locals to ackd_alloc",
                   task->name, depth, task->stack_size);
}

static void task_count(struct ackd_task *task, int code)
{
    struct scheduler_counts *counts = &task->scheduler->counts;
    enum ackd_task_state state;
    counts->live--;
    if (code == ACKD_OK) {
        state = ACKD_TASK_SUCCEEDED;
        counts->succeeded++;
    } else if (code == ACKD_CANCELED) {
        state = ACKD_TASK_CANCELED;
        counts->cancelled++;
    } else {
        state = ACKD_TASK_FAULTED;
        counts->failed++;
    }
    task->code = code;
    if (task->stack != NULL)
        task_leave(task, state);
    else
        task->state = state;
}

static void task_wake_waiters(struct ackd_task *task)
{
    for (struct list *link; (link = list_take(&task->waiters)) != NULL;) {
        struct task_waiter *waiter = LIST_ITEM(link, task_waiter, link);
        struct wait *wait = waiter->wait;
        if (waiter->group != NULL) {
            if (waiter->group->left > 0 && --waiter->group->left == 0)
                wait_finish(wait, ACKD_OK);
            continue;
        }
        if (task->error != NULL) {
            task->observed = true;
            error_give(ackd_error_ref(task->error));
        }
        if (task->code == ACKD_CANCELED)
            wait->task->awaited = task->node.reason;
        wait_finish(wait, task->code);
    }
}

/* Its last reference is gone. */
static inline void task_free(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    if (atomic_load_explicit(&task->asked, memory_order_acquire) != ACKD_CANCEL_NONE) {
        task_serve_asked(scheduler);
        atomic_store_explicit(&task->asked, ACKD_CANCEL_NONE, memory_order_relaxed);
    }
    if (task->error != NULL) {
        list_remove(&task->all);
        if (!task->observed)
            unobserved_report(task, task->error);
        ackd_error_unref(task->error);
        task->error = NULL;
    }
    task->magic = 0;
    task->ready_next = scheduler->spare;
    scheduler->spare = task;
    sanitizer_shut(task, sizeof *task);
}

/* Outside of any task, on whatever stack this is. */
static void task_end(struct ackd_task *task, int code)
{
    struct scheduler *scheduler = task->scheduler;
    scheduler->current = NULL;
    error_slot_use(NULL);
    log_context_use(NULL);
    if (task->slot.error != NULL)
        error_slot_clear(&task->slot);
    if (task->arena.first != NULL)
        arena_fini(&task->arena);
    enum ackd_cancel_reason reason = task->node.reason;
    task_count(task, code);
    if (__builtin_expect(task->heeds != NULL, 0))
        token_heed_no_more(task);
    cancel_leave(&task->node);
    list_remove(&task->all);
    if (task->stack != NULL) {
        if (stack_went_deep(task->stack))
            task_look_at_stack(task);
        else if (task->tally != NULL && tally_is_to_be_measured(task->tally))
            tally_measure(task);
        task->stack = NULL;
    }
    if (!list_empty(&task->waiters))
        task_wake_waiters(task);
    if (task->lost != NULL) {
        unobserved_report(task, task->lost);
        ackd_error_unref(task->lost);
        task->lost = NULL;
    }
    if (task->scope != NULL)
        scope_child_ended(task->scope, task);
    task->scope = NULL;
    if (__builtin_expect(!queue_empty(&scheduler->room), 0))
        room_offer(scheduler);
    if (task->tally != NULL)
        tally_end(task);
    if (task->done != NULL) {
        task->observed = true;
        task->done(task, code, task->error, reason, task->arg);
    }
    if (task->error != NULL && !task->observed)
        unobserved_keep(task);
    if (--task->references == 0)
        task_free(task);
}

static inline void task_end_holdings(struct ackd_task *task)
{
    if (__builtin_expect(task->watched != NULL || task->kept != NULL, 0))
        holding_end_all(task);
}

void task_run(struct ackd_task *task)
{
    int code = task->fn(task->arg);
    task->ending = true;
    if (__builtin_expect(task->section != NULL, 0))
        section_forget(task);
    task_end_holdings(task);
    if (__builtin_expect(task->frames != NULL, 0))
        frame_sweep_all(task);
    code = task_conclude(task, code);
    if (task->deferred != NULL)
        memory_run_deferred(task);
    task_end_holdings(task);
    task_end(task, code);
}

void task_abandon(struct ackd_task *task, int code)
{
    ackd_assert(task->stack == NULL);
    error_slot_use(&task->slot);
    task->error = error_take();
    ackd_assert(ackd_error_code(task->error) == code);
    task_end(task, code);
}

struct ackd_task *ackd_task_current(void)
{
    return engine_task();
}

struct ackd_task *ackd_task_ref(struct ackd_task *task)
{
    ackd_assert(task->magic == TASK_MAGIC);
    task->references++;
    return task;
}

void ackd_task_unref(struct ackd_task *task)
{
    if (task == NULL)
        return;
    ackd_assert(task->magic == TASK_MAGIC);
    ackd_assert(task->references > 0);
    if (--task->references == 0)
        task_free(task);
}

uint64_t ackd_task_id(const struct ackd_task *task)
{
    return task->id;
}

const char *ackd_task_name(const struct ackd_task *task)
{
    return task->name;
}

enum ackd_task_state ackd_task_state(const struct ackd_task *task)
{
    return task->state;
}

enum ackd_cancel_reason ackd_task_cancel_reason(const struct ackd_task *task)
{
    return task->node.reason;
}

enum ackd_cancel_reason ackd_awaited_reason(void)
{
    const struct ackd_task *task = engine_task();
    return task == NULL ? ACKD_CANCEL_NONE : task->awaited;
}

const struct ackd_error *ackd_task_error(struct ackd_task *task)
{
    if (task->error != NULL)
        task->observed = true;
    return task->state >= ACKD_TASK_SUCCEEDED ? task->error : NULL;
}

static void task_cancel_here(struct ackd_task *task, enum ackd_cancel_reason reason)
{
    if (task->state < ACKD_TASK_SUCCEEDED)
        cancel_request(&task->node, reason);
}

void task_cancel_detached(const struct ackd_owner *owner, enum ackd_cancel_reason reason)
{
    /* Calls that are made meanwhile may spawn, at the end of the list, but end no task. */
    list_for_each (link, &owner->scheduler->tasks) {
        struct ackd_task *task = LIST_ITEM(link, ackd_task, all);
        if (task->owner == owner && task->observe != NULL)
            task_cancel_here(task, reason);
    }
}

void task_serve_asked(struct scheduler *scheduler)
{
    struct ackd_task *task =
        atomic_exchange_explicit(&scheduler->asked, NULL, memory_order_acquire);
    while (task != NULL) {
        struct ackd_task *next = task->asked_next;
        task_cancel_here(task, atomic_load_explicit(&task->asked, memory_order_relaxed));
        task = next;
    }
}

/* From another thread: note it, and have the loop come round. Only the first reason counts. */
static void task_ask(struct ackd_task *task, enum ackd_cancel_reason reason)
{
    struct scheduler *scheduler = task->scheduler;
    enum ackd_cancel_reason none = ACKD_CANCEL_NONE;
    if (!atomic_compare_exchange_strong(&task->asked, &none, reason))
        return;
    struct ackd_task *first = atomic_load_explicit(&scheduler->asked, memory_order_relaxed);
    do
        task->asked_next = first;
    while (!atomic_compare_exchange_weak_explicit(&scheduler->asked, &first, task,
                                                  memory_order_release, memory_order_relaxed));
    if (scheduler->wake != NULL)
        scheduler->wake(scheduler->arg);
}

void ackd_task_cancel(struct ackd_task *task, enum ackd_cancel_reason reason)
{
    if (reason == ACKD_CANCEL_NONE)
        return;
    if (engine_is_here(task->scheduler))
        task_cancel_here(task, reason);
    else
        task_ask(task, reason);
}

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
#include "task/scope.h"

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
    if (name == NULL || name[0] == '\0')
        return ackd_fail(ACKD_E_INVAL, "a task needs a name");
    if (fn == NULL)
        return ackd_fail(ACKD_E_INVAL, "task '%s' has nothing to run", name);
    if (scheduler->counts.live >= scheduler->tasks_max)
        return ackd_fail(ACKD_E_FULL, "%s has its %zu tasks", scheduler->name,
                         scheduler->tasks_max);
    struct ackd_task *task = task_take_block(scheduler);
    if (task == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a task");
    if (scheduler->now_stale)
        engine_now(scheduler);
    task->magic = TASK_MAGIC;
    task->references = 1;
    task->state = ACKD_TASK_READY;
    task->parked = task->observed = task->ending = false;
    task->code = ACKD_OK;
    task->fn = fn;
    task->arg = arg;
    task->innermost = &task->node;
    cancel_enter(&task->node, parent, task, false);
    task->id = task_next_id(scheduler);
    task->stack_size =
        stack_size == 0 ? scheduler->stack_size : stack_round(&scheduler->stacks, stack_size);
    task->created_ns = task->state_ns = scheduler->now_ns;
    if (memccpy(task->name, name, '\0', TASK_NAME_SIZE - 1) == NULL)
        task->name[TASK_NAME_SIZE - 1] = '\0';
    task->slot.task_id = task->id;
    task->slot.task_name = task->name;
    list_append(&scheduler->tasks, &task->all);
    task_queue(task);
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

static void task_report(const struct ackd_task *task, const struct ackd_error *error)
{
    char place[256];
    snprintf(place, sizeof place, "%s:%d", task->file == NULL ? "" : task->file, task->line);
    char text[768];
    ackd_error_format(error, text, sizeof text);
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
    ackd_log_event(ACKD_LOG_ERROR, "unobserved-failure",
                   ACKD_FIELDS(ACKD_FIELD("task", task->name), ACKD_FIELD_INT("task_id", task->id),
                               ACKD_FIELD("spawned_at", place),
                               ACKD_FIELD("code", ackd_code_name(ackd_error_code(error)))),
                   "nobody looked at a failure: %s", text);
}

/* What a task that failed with @code leaves: never without an error. */
static int task_fail(struct ackd_task *task, int code)
{
    if (ackd_error_code(ackd_error_current()) != code)
        (void)ackd_fail_at(code, task->file, task->line, task->function,
                           "task '%s' returned %s: %s", task->name, ackd_code_name(code),
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
    } else if (code == ACKD_CANCELED) {
        code = ackd_wrap_at(ACKD_E_BAD_RETURN, task->file, task->line, task->function,
                            "task '%s' returned ACKD_CANCELED but nobody had cancelled it",
                            task->name);
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
    counts->live--;
    if (code == ACKD_OK) {
        task_set_state(task, ACKD_TASK_SUCCEEDED);
        counts->succeeded++;
    } else if (code == ACKD_CANCELED) {
        task_set_state(task, ACKD_TASK_CANCELED);
        counts->cancelled++;
    } else {
        task_set_state(task, ACKD_TASK_FAULTED);
        counts->failed++;
    }
    task->code = code;
}

static void task_wake_waiters(struct ackd_task *task)
{
    for (struct list *link; (link = list_take(&task->waiters)) != NULL;) {
        struct wait *wait = &LIST_ITEM(link, task_waiter, link)->wait;
        if (task->error != NULL) {
            task->observed = true;
            error_give(ackd_error_ref(task->error));
        }
        wait_finish(wait, task->code);
    }
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
    cancel_leave(&task->node);
    list_remove(&task->all);
    if (task->stack != NULL) {
        if (stack_went_deep(task->stack))
            task_look_at_stack(task);
        task->stack = NULL;
    }
    if (!list_empty(&task->waiters))
        task_wake_waiters(task);
    if (task->lost != NULL) {
        task_report(task, task->lost);
        ackd_error_unref(task->lost);
        task->lost = NULL;
    }
    if (task->scope != NULL)
        scope_child_ended(task->scope, task);
    task->scope = NULL;
    if (task->done != NULL) {
        task->observed = true;
        task->done(task, code, task->error, reason, task->arg);
    }
    ackd_task_unref(task);
}

void task_run(struct ackd_task *task)
{
    int code = task->fn(task->arg);
    task->ending = true;
    if (__builtin_expect(task->frames != NULL, 0))
        frame_sweep_all(task);
    code = task_conclude(task, code);
    if (task->deferred != NULL)
        memory_run_deferred(task);
    task_end(task, code);
}

void task_abandon(struct ackd_task *task, int code)
{
    ackd_assert(task->stack == NULL);
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

static void task_free(struct ackd_task *task)
{
    struct scheduler *scheduler = task->scheduler;
    if (atomic_load_explicit(&task->asked, memory_order_acquire) != ACKD_CANCEL_NONE) {
        task_serve_asked(scheduler);
        atomic_store_explicit(&task->asked, ACKD_CANCEL_NONE, memory_order_relaxed);
    }
    if (task->error != NULL) {
        if (!task->observed)
            task_report(task, task->error);
        ackd_error_unref(task->error);
        task->error = NULL;
    }
    task->magic = 0;
    task->ready_next = scheduler->spare;
    scheduler->spare = task;
    sanitizer_shut(task, sizeof *task);
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

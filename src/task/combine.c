/* SPDX-License-Identifier: MIT */
/*
 * combine - waits for several tasks that somebody else started.
 *
 *   N1  Whatever ends the wait, no waiter of it stays with any task, and no reference.
 *   N2  A task given twice is waited for once.
 *
 * It must not know how tasks are started, nor by whom.
 */
#include <config.h>

#include <ackd/combine.h>
#include <stdlib.h>

#include "base/assert.h"
#include "task/cycle.h"
#include "task/engine.h"
#include "task/refusal.h"
#include "task/task.h"
#include "task/wait.h"

enum { COMBINE_OWN = 8 };

struct combine_entry {
    struct task_waiter waiter; /* in no list but while it is waited for */
    struct ackd_task *task;    /* with a reference */
    size_t index;              /* the caller's */
};

/* The tasks of one call, each once; on the stack of who waits. */
struct combine {
    struct wait wait;
    struct task_group group;
    struct combine_entry *entries;
    size_t count;
    struct combine_entry own[COMBINE_OWN];
};

/* What several ends come to. */
struct combine_outcome {
    struct error_bundle failures;
    enum ackd_cancel_reason canceled; /* of the first that was */
};

static bool combine_ended(const struct ackd_task *task)
{
    return task->state >= ACKD_TASK_SUCCEEDED;
}

static int combine_check(struct ackd_task *const *tasks, size_t count, const char *file, int line,
                         const char *function)
{
    for (size_t i = 0; i < count; i++) {
        if (tasks[i] == NULL)
            return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                              "task %zu of the %zu to wait for is NULL", i, count);
        ackd_assert(tasks[i]->magic == TASK_MAGIC);
        if (tasks[i]->scheduler != engine_this)
            return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                              "task '%s' belongs to %s, this is %s", tasks[i]->name,
                              tasks[i]->scheduler->name, engine_this->name);
    }
    return ACKD_OK;
}

static int combine_begin(struct combine *combine, struct ackd_task *const *tasks, size_t count,
                         enum wait_kind kind, const char *file, int line, const char *function)
{
    combine->count = 0;
    combine->entries = combine->own;
    wait_init(&combine->wait, kind, NULL, file, line, function);
    if (count > COMBINE_OWN)
        combine->entries = malloc(count * sizeof *combine->entries);
    if (combine->entries == NULL)
        return ackd_fail_at(ACKD_E_NOMEM, file, line, function, "to wait for %zu tasks", count);
    uint64_t search = ++engine_this->last_search;
    for (size_t i = 0; i < count; i++) {
        if (tasks[i]->search == search)
            continue; /* N2 */
        tasks[i]->search = search;
        struct combine_entry *entry = &combine->entries[combine->count++];
        entry->task = ackd_task_ref(tasks[i]);
        entry->index = i;
        entry->waiter.wait = &combine->wait;
        entry->waiter.group = &combine->group;
        list_init(&entry->waiter.link);
    }
    return ACKD_OK;
}

/* N1 */
static void combine_end(struct combine *combine)
{
    for (size_t i = 0; i < combine->count; i++) {
        list_remove(&combine->entries[i].waiter.link);
        ackd_task_unref(combine->entries[i].task);
    }
    if (combine->entries != combine->own)
        free(combine->entries);
}

/* ACKD_E_CYCLE if one of them cannot end before the caller; where @any, only if none can. */
static int combine_refuse_cycle(const struct combine *combine, bool any)
{
    const struct wait *wait = &combine->wait;
    const struct ackd_task *stuck = NULL;
    for (size_t i = 0; i < combine->count; i++) {
        const struct ackd_task *task = combine->entries[i].task;
        if (!combine_ended(task) && cycle_keeps_from_ending(wait->task, task))
            stuck = task;
        else if (any)
            return ACKD_OK;
        if (stuck != NULL && !any)
            break;
    }
    if (stuck == NULL)
        return ACKD_OK;
    return cycle_refuse(wait->task, stuck, wait->file, wait->line, wait->function);
}

/* Wait for those that run: for all of them, or for any; @to_end: also when cancelled. */
static int combine_park(struct combine *combine, bool any, bool to_end)
{
    size_t running = 0;
    for (size_t i = 0; i < combine->count; i++) {
        struct combine_entry *entry = &combine->entries[i];
        list_remove(&entry->waiter.link);
        if (combine_ended(entry->task))
            continue;
        list_append(&entry->task->waiters, &entry->waiter.link);
        running++;
    }
    if (running == 0)
        return ACKD_OK;
    combine->group = (struct task_group){.left = any ? 1 : running, .any = any ? running : 0};
    combine->wait.finished = false;
    return to_end ? wait_park_to_end(&combine->wait) : wait_park(&combine->wait);
}

static struct combine_entry *combine_first_ended(const struct combine *combine)
{
    for (size_t i = 0; i < combine->count; i++) {
        if (combine_ended(combine->entries[i].task))
            return &combine->entries[i];
    }
    return NULL;
}

/* After a wait for any that was not cancelled. */
static struct combine_entry *combine_winner(const struct combine *combine)
{
    struct combine_entry *winner = combine_first_ended(combine);
    ackd_assert(winner != NULL);
    return winner;
}

static void combine_judge(struct combine_outcome *outcome, struct ackd_task *task)
{
    ackd_assert(combine_ended(task));
    if (task->error != NULL) {
        task->observed = true;
        error_collect(&outcome->failures, ackd_error_ref(task->error));
    } else if (task->code == ACKD_CANCELED && outcome->canceled == ACKD_CANCEL_NONE) {
        outcome->canceled = task->node.reason;
    }
}

static int combine_conclude(struct combine_outcome *outcome, const char *file, int line,
                            const char *function)
{
    const struct ackd_error *error = error_bundle_end(&outcome->failures, file, line, function);
    if (error != NULL)
        return error_give(error);
    if (outcome->canceled == ACKD_CANCEL_NONE)
        return ACKD_OK;
    engine_this->current->awaited = outcome->canceled;
    return ACKD_CANCELED;
}

__attribute__((noinline)) static int combine_all(struct ackd_task *const *tasks, size_t count,
                                                 const char *file, int line, const char *function)
{
    struct combine all;
    int code = combine_begin(&all, tasks, count, WAIT_WHEN_ALL, file, line, function);
    if (code == ACKD_OK)
        code = combine_refuse_cycle(&all, false);
    if (code == ACKD_OK)
        code = combine_park(&all, false, false);
    if (code == ACKD_OK) {
        struct combine_outcome outcome = {0};
        for (size_t i = 0; i < all.count; i++)
            combine_judge(&outcome, all.entries[i].task);
        code = combine_conclude(&outcome, file, line, function);
    }
    combine_end(&all);
    return code;
}

__attribute__((noinline)) int ackd_when_all_at(struct ackd_task *const *tasks, size_t count,
                                               const char *file, int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = combine_check(tasks, count, file, line, function);
    if (code != ACKD_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (!combine_ended(tasks[i]))
            return combine_all(tasks, count, file, line, function);
    }
    struct combine_outcome outcome = {0};
    for (size_t i = 0; i < count; i++)
        combine_judge(&outcome, tasks[i]);
    return combine_conclude(&outcome, file, line, function);
}

static int combine_check_some(struct ackd_task *const *tasks, size_t count, const char *file,
                              int line, const char *function)
{
    if (count == 0)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                          "of no task at all none can be the first");
    return combine_check(tasks, count, file, line, function);
}

__attribute__((noinline)) static int combine_any(struct ackd_task *const *tasks, size_t count,
                                                 size_t *ret_index, const char *file, int line,
                                                 const char *function)
{
    struct combine any;
    int code = combine_begin(&any, tasks, count, WAIT_WHEN_ANY, file, line, function);
    if (code == ACKD_OK)
        code = combine_refuse_cycle(&any, true);
    if (code == ACKD_OK)
        code = combine_park(&any, true, false);
    if (code == ACKD_OK && ret_index != NULL)
        *ret_index = combine_winner(&any)->index;
    combine_end(&any);
    return code;
}

__attribute__((noinline)) int ackd_when_any_at(struct ackd_task *const *tasks, size_t count,
                                               size_t *ret_index, const char *file, int line,
                                               const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = combine_check_some(tasks, count, file, line, function);
    if (code != ACKD_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (combine_ended(tasks[i])) {
            if (ret_index != NULL)
                *ret_index = i;
            return ACKD_OK;
        }
    }
    return combine_any(tasks, count, ret_index, file, line, function);
}

/* Cancel all that run, and wait for them, whatever happens to the caller. */
static void combine_stop(struct combine *combine, enum ackd_cancel_reason reason)
{
    for (size_t i = 0; i < combine->count; i++)
        ackd_task_cancel(combine->entries[i].task, reason);
    int code = combine_park(combine, false, true);
    ackd_assert(code == ACKD_OK);
}

/* What the winner returned; if it failed, the failures of the others go with its own. */
static int combine_race_result(const struct combine *race, struct ackd_task *winner)
{
    if (winner->code == ACKD_CANCELED)
        engine_this->current->awaited = winner->node.reason;
    if (winner->error == NULL)
        return winner->code;
    winner->observed = true;
    const struct ackd_error *error = ackd_error_ref(winner->error);
    for (size_t i = 0; i < race->count; i++) {
        struct ackd_task *loser = race->entries[i].task;
        if (loser == winner || loser->error == NULL)
            continue;
        loser->observed = true;
        error = error_with_child(error, ackd_error_ref(loser->error));
    }
    return error_give(error);
}

static int combine_race(struct combine *race, size_t *ret_index)
{
    struct combine_entry *winner = combine_first_ended(race);
    if (winner == NULL) {
        int code = combine_park(race, true, false);
        if (code != ACKD_OK) {
            combine_stop(race, race->wait.task->innermost->reason);
            return code;
        }
        winner = combine_winner(race);
    }
    if (ret_index != NULL)
        *ret_index = winner->index;
    combine_stop(race, ACKD_CANCEL_LOST_RACE);
    return combine_race_result(race, winner->task);
}

__attribute__((noinline)) int ackd_race_at(struct ackd_task *const *tasks, size_t count,
                                           size_t *ret_index, const char *file, int line,
                                           const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = combine_check_some(tasks, count, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct combine race;
    code = combine_begin(&race, tasks, count, WAIT_RACE, file, line, function);
    if (code == ACKD_OK)
        code = combine_refuse_cycle(&race, false);
    if (code == ACKD_OK)
        code = combine_race(&race, ret_index);
    combine_end(&race);
    return code;
}

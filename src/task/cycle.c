/* SPDX-License-Identifier: MIT */
/* cycle - the search from a task to all that wait for it. It must not know how they wait. */
#include <config.h>

#include "task/cycle.h"

#include <ackd/error.h>
#include <stdio.h>

#include "task/engine.h"
#include "task/mutex.h"
#include "task/refusal.h"
#include "task/task.h"

struct cycle {
    struct ackd_task *work;    /* found, and to be looked at */
    struct task_group *groups; /* come across */
    uint64_t first;            /* the first pass of this search */
};

/* Found to wait for @from. One known to be kept from ending only is looked at again where it turns
 * out to be kept from going on. */
static void cycle_found(struct ackd_task **work, struct ackd_task *found, struct ackd_task *from,
                        bool stuck)
{
    uint64_t search = from->search;
    bool known = found->search == search;
    if (known && (found->search_stuck || !stuck))
        return;
    if (!known) {
        found->search = search;
        found->search_from = from;
        found->search_looked = false;
    } else if (found->search_queued) {
        found->search_stuck = true;
        return;
    }
    found->search_stuck = stuck;
    found->search_queued = true;
    found->search_next = *work;
    *work = found;
}

static void cycle_look_at_mutexes(struct ackd_task **work, struct ackd_task *at,
                                  struct holding *holdings)
{
    for (struct holding *holding = holdings; holding != NULL; holding = holding->next) {
        const struct queue *waiting = mutex_waiting(holding);
        if (waiting == NULL || queue_empty(waiting))
            continue;
        list_for_each (link, &waiting->entries)
            cycle_found(work, LIST_ITEM(link, queue_entry, link)->task, at, true);
    }
}

/*
 * Who waits for any of several goes on when one of them ends. As they may wait for one another,
 * none is taken to be able to, until the search is over and has not found all of them: then the
 * group is free, and the search is done again without it.
 */
static bool cycle_follows(struct cycle *cycle, struct task_group *group, const struct ackd_task *at)
{
    if (group == NULL || group->any == 0)
        return true;
    if (group->free == cycle->first)
        return false;
    if (group->search != at->search) {
        group->search = at->search;
        group->search_hits = 0;
        group->search_next = cycle->groups;
        cycle->groups = group;
    }
    if (!at->search_looked)
        group->search_hits++;
    return true;
}

static bool cycle_free_groups(const struct cycle *cycle)
{
    bool freed = false;
    for (struct task_group *group = cycle->groups; group != NULL; group = group->search_next) {
        if (group->search_hits == group->any)
            continue;
        group->free = cycle->first;
        freed = true;
    }
    return freed;
}

static void cycle_look_around(struct cycle *cycle, struct ackd_task *at)
{
    struct ackd_task **work = &cycle->work;
    struct frame *scope = at->scope;
    if (scope != NULL)
        cycle_found(work, scope->node.task, at, scope->scope.joiner != NULL);
    list_for_each (link, &at->waiters) {
        const struct task_waiter *waiter = LIST_ITEM(link, task_waiter, link);
        if (cycle_follows(cycle, waiter->group, at))
            cycle_found(work, waiter->wait->task, at, true);
    }
    at->search_looked = true;
    if (!at->search_stuck)
        return;
    cycle_look_at_mutexes(work, at, at->watched);
    cycle_look_at_mutexes(work, at, at->kept);
}

/* Mark all that wait for @task, until @target is among them; @stuck: as one that cannot go on. */
static bool cycle_pass(struct cycle *cycle, struct ackd_task *task, const struct ackd_task *target,
                       bool stuck)
{
    cycle->work = task;
    cycle->groups = NULL;
    task->search = ++task->scheduler->last_search;
    task->search_next = task->search_from = NULL;
    task->search_stuck = task->search_queued = true;
    task->search_looked = false;
    while (cycle->work != NULL) {
        struct ackd_task *at = cycle->work;
        cycle->work = at->search_next;
        at->search_queued = false;
        if (at == target && cycle->groups == NULL && (at->search_stuck || !stuck))
            return true;
        cycle_look_around(cycle, at);
    }
    return target->search == task->search && (target->search_stuck || !stuck);
}

static bool cycle_search(struct ackd_task *task, const struct ackd_task *target, bool stuck)
{
    struct cycle cycle = {.first = task->scheduler->last_search + 1};
    while (cycle_pass(&cycle, task, target, stuck)) {
        if (cycle.groups == NULL || !cycle_free_groups(&cycle))
            return true;
    }
    return false;
}

bool cycle_keeps_from_ending(struct ackd_task *task, const struct ackd_task *target)
{
    return cycle_search(task, target, false);
}

bool cycle_keeps_from_going_on(struct ackd_task *task, const struct ackd_task *target)
{
    return cycle_search(task, target, true);
}

int cycle_refuse(const struct ackd_task *task, const struct ackd_task *target, const char *file,
                 int line, const char *function)
{
    char chain[256] = "";
    size_t used = 0;
    for (const struct ackd_task *at = target; at != NULL && used < sizeof chain;
         at = at->search_from)
        used += (size_t)snprintf(chain + used, sizeof chain - used, "%s'%s'",
                                 at == target ? "" : ", which waits for ", at->name);
    return refusal_at(ACKD_E_CYCLE, NULL, file, line, function, "'%s' would wait for %s",
                      task->name, chain);
}

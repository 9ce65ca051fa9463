/* SPDX-License-Identifier: MIT */
/* tally - a small table, found by the pointer that a name was given as, and sums. */
#include <config.h>

#include "task/tally.h"

#include <string.h>

#include "task/task.h"

#define TALLY_OTHERS "(others)"

/* Names are copied into tasks with a bound; so they are here. */
static bool tally_is_of(const struct tally *tally, const char *name)
{
    return strncmp(tally->name, name, sizeof tally->name - 1) == 0;
}

static struct tally *tally_add(struct scheduler *scheduler, const char *name)
{
    if (scheduler->tallies == NULL)
        scheduler->tallies = engine_cut(scheduler, TALLY_MAX, sizeof *scheduler->tallies);
    if (scheduler->tallies == NULL)
        return NULL;
    if (scheduler->tally_count == TALLY_MAX)
        return &scheduler->tallies[TALLY_MAX - 1];
    struct tally *tally = &scheduler->tallies[scheduler->tally_count++];
    if (scheduler->tally_count == TALLY_MAX)
        name = TALLY_OTHERS;
    if (memccpy(tally->name, name, '\0', sizeof tally->name - 1) == NULL)
        tally->name[sizeof tally->name - 1] = '\0';
    return tally;
}

struct tally *tally_find(struct scheduler *scheduler, const char *name)
{
    struct tally *end = scheduler->tallies + scheduler->tally_count;
    for (struct tally *tally = scheduler->tallies; tally < end; tally++) {
        if (tally->source == name && tally_is_of(tally, name))
            return tally;
    }
    struct tally *found = NULL;
    for (struct tally *tally = scheduler->tallies; found == NULL && tally < end; tally++) {
        if (tally_is_of(tally, name))
            found = tally;
    }
    if (found == NULL)
        found = tally_add(scheduler, name);
    if (found != NULL)
        found->source = name;
    return found;
}

size_t tally_bucket(uint64_t ns)
{
    uint64_t us = ns / 1000;
    if (us < 4)
        return us;
    unsigned octave = 63 - (unsigned)__builtin_clzll(us);
    size_t bucket = (octave - 1) * 4 + ((us >> (octave - 2)) & 3);
    return bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1;
}

uint64_t tally_bucket_ns(size_t bucket)
{
    if (bucket < 4)
        return bucket * 1000;
    return (4 + bucket % 4) * (UINT64_C(1) << (bucket / 4 - 1)) * 1000;
}

uint64_t tally_quantile_ns(const uint32_t *buckets, unsigned percent)
{
    uint64_t count = 0, below = 0;
    for (size_t i = 0; i < TALLY_BUCKETS; i++)
        count += buckets[i];
    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        below += buckets[i];
        if (below * 100 > count * percent)
            return tally_bucket_ns(i);
    }
    return 0;
}

void tally_end(struct ackd_task *task)
{
    struct tally *tally = task->tally;
    const struct task_times *times = &task->times;
    task->tally = NULL;
    if (tally == NULL || times->dispatches == 0)
        return;
    tally->ended++;
    tally->failed += task->state == ACKD_TASK_FAULTED;
    tally->cancelled += task->state == ACKD_TASK_CANCELED;
    if (times->longest_ns > tally->longest_ns)
        tally->longest_ns = times->longest_ns;
    tally->runs[tally_bucket(task->state_ns - task->created_ns)]++;
    /* Most have one, and to divide takes longer than all the rest. */
    uint64_t wait_ns =
        times->dispatches == 1 ? times->ready_ns : times->ready_ns / times->dispatches;
    tally->waits[tally_bucket(wait_ns)]++;
}

void tally_deepen(struct scheduler *scheduler, const char *name, size_t depth, size_t stack_size)
{
    struct tally *tally = tally_find(scheduler, name);
    if (tally == NULL || depth <= tally->stack_depth)
        return;
    tally->stack_depth = depth;
    tally->stack_size = stack_size;
}

/* What it has in common with all that ran on this stack before says nothing. */
void tally_measure(struct ackd_task *task)
{
    const struct stack_pool *pool = &task->scheduler->stacks;
    size_t depth = stack_depth(pool, task->stack);
    if (depth > STACK_KEEP + 2 * pool->page_size)
        tally_deepen(task->scheduler, task->name, depth, task->stack_size);
}

size_t tally_copy(const struct scheduler *scheduler, struct tally *ret_tallies)
{
    if (scheduler->tally_count > 0)
        memcpy(ret_tallies, scheduler->tallies, scheduler->tally_count * sizeof *ret_tallies);
    return scheduler->tally_count;
}

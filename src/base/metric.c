/* SPDX-License-Identifier: MIT */
/*
 * metric - the labels there ever were, each with its sets and what retired ones left.
 *
 * The lock is held for a few additions and never by a writer of numbers, so it only spins.
 */
#include <config.h>

#include "base/metric.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct metric_label {
    struct metric_label *next; /* in the order of their first registration; never freed */
    struct list sets;
    uint64_t retired[METRIC_COUNT]; /* counters of sets that are gone */
    char text[];
};

static const struct metric_description metric_descriptions[METRIC_COUNT] = {
#define METRIC(name, kind, unit, help) {#name, METRIC_##kind, unit, help},
#include "base/metrics.def"
#undef METRIC
};

static atomic_flag metric_lock = ATOMIC_FLAG_INIT;
static struct metric_label *metric_labels;

const struct metric_description *metric_describe(enum metric metric)
{
    ackd_assert(metric < METRIC_COUNT);
    return &metric_descriptions[metric];
}

static void metric_enter(void)
{
    while (atomic_flag_test_and_set_explicit(&metric_lock, memory_order_acquire))
        ;
}

static void metric_leave(void)
{
    atomic_flag_clear_explicit(&metric_lock, memory_order_release);
}

/* Where the label is, or where it would be appended. */
static struct metric_label **metric_place(const char *text)
{
    struct metric_label **place = &metric_labels;
    while (*place != NULL && strcmp((*place)->text, text) != 0)
        place = &(*place)->next;
    return place;
}

int metric_register(struct metric_set *set, const char *label)
{
    size_t size = strlen(label) + 1;
    struct metric_label *fresh = calloc(1, sizeof *fresh + size);
    if (fresh == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the metrics of %s", label);
    list_init(&fresh->sets);
    memcpy(fresh->text, label, size);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        atomic_init(&set->values[i], 0);
    metric_enter();
    struct metric_label **place = metric_place(label);
    struct metric_label *there = *place;
    if (there == NULL)
        *place = there = fresh;
    set->label = there;
    list_append(&there->sets, &set->node); /* M2 */
    metric_leave();
    if (there != fresh)
        free(fresh);
    return ACKD_OK;
}

void metric_retire(struct metric_set *set)
{
    struct metric_label *label = set->label;
    if (label == NULL)
        return;
    metric_enter();
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (metric_descriptions[i].kind == METRIC_COUNTER)
            label->retired[i] += metric_load(set, (enum metric)i); /* M2 */
    }
    list_remove(&set->node);
    metric_leave();
    set->label = NULL;
}

static uint64_t metric_sum_of(const struct metric_label *label, enum metric metric)
{
    uint64_t sum = label->retired[metric];
    list_for_each (node, &label->sets)
        sum += metric_load(LIST_ITEM(node, metric_set, node), metric);
    return sum;
}

uint64_t metric_sum(enum metric metric, const char *label)
{
    ackd_assert(metric < METRIC_COUNT);
    uint64_t sum = 0;
    metric_enter();
    for (const struct metric_label *at = metric_labels; at != NULL; at = at->next) {
        if (label == NULL || strcmp(at->text, label) == 0)
            sum += metric_sum_of(at, metric);
    }
    metric_leave();
    return sum;
}

void metric_each(void (*visit)(const char *label, const uint64_t *values, void *arg), void *arg)
{
    metric_enter();
    const struct metric_label *label = metric_labels;
    metric_leave();
    while (label != NULL) { /* labels stay, so that the lock need not be held over the visit */
        uint64_t values[METRIC_COUNT];
        metric_enter();
        for (size_t i = 0; i < METRIC_COUNT; i++)
            values[i] = metric_sum_of(label, (enum metric)i);
        const struct metric_label *next = label->next;
        metric_leave();
        visit(label->text, values, arg);
        label = next;
    }
}

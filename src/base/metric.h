/* SPDX-License-Identifier: MIT */
/*
 * metric - numbers that one thread writes and any thread may read.
 *
 *   M1  A set is written by one thread only: an addition is a load and a store, no locked
 *       instruction, no cache line taken from another writer.
 *   M2  A set is registered before its first number is read and stays in place until it is retired.
 *       What a retired set has counted stays in the sums; its gauges go.
 *   M3  A sum is of numbers that were each right at some moment of the reading, not all at one.
 */
#ifndef ACKD_BASE_METRIC_H
#define ACKD_BASE_METRIC_H

#include <ackd/abi.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"

enum metric {
#define METRIC(name, kind, unit, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_description {
    const char *name; /* messages_acked */
    enum metric_kind kind;
    const char *unit;
    const char *help;
};

const struct metric_description *metric_describe(enum metric metric);

struct metric_label;

/* The numbers of one consumer on one thread, or of something else that has a name. */
struct metric_set {
    _Atomic uint64_t values[METRIC_COUNT];
    struct metric_label *label; /* whose numbers they are; NULL: not registered */
    struct list node;           /* in its label */
};

/*
 * Zero the set and register it under @label: a consumer's name, "" for the process. Takes a lock
 * and may allocate: at start, not per message. ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int metric_register(struct metric_set *set, const char *label);
/* Take it out, if it is in; what its counters counted stays with the label. Its writer has ended.
 */
void metric_retire(struct metric_set *set);

/* The writer's own (M1). */
static inline void metric_add(struct metric_set *set, enum metric metric, uint64_t count)
{
    uint64_t value = atomic_load_explicit(&set->values[metric], memory_order_relaxed);
    atomic_store_explicit(&set->values[metric], value + count, memory_order_relaxed);
}

/* For gauges. */
static inline void metric_subtract(struct metric_set *set, enum metric metric, uint64_t count)
{
    metric_add(set, metric, (uint64_t)0 - count);
}

static inline void metric_store(struct metric_set *set, enum metric metric, uint64_t value)
{
    atomic_store_explicit(&set->values[metric], value, memory_order_relaxed);
}

static inline uint64_t metric_load(const struct metric_set *set, enum metric metric)
{
    return atomic_load_explicit(&set->values[metric], memory_order_relaxed);
}

/* The sum over all sets of @label, NULL: over all there are. From any thread. */
uint64_t metric_sum(enum metric metric, const char *label);

/*
 * Visit the sums of each label, in the order in which labels were first registered. @values has
 * METRIC_COUNT numbers.
 */
void metric_each(void (*visit)(const char *label, const uint64_t *values, void *arg), void *arg);

#endif

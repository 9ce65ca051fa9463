/* SPDX-License-Identifier: MIT */
/*
 * queue - those who wait for one thing, first come, first served.
 *
 * An entry is a task that is parked, on its own stack, or an operation (op.c) that nobody may await
 * yet. To grant is to take an entry out, note how it went, and wake whoever is parked: it never runs
 * anybody.
 *
 *   Q1  An entry is granted at most once; one that was not granted takes nothing when it leaves.
 *   Q2  What was granted together with a cancellation counts: wait_finished decides (W1 in wait.h).
 */
#ifndef ACKD_TASK_QUEUE_H
#define ACKD_TASK_QUEUE_H

#include "base/list.h"
#include "task/wait.h"

/* Zeroed memory is an empty one, too. */
struct queue {
    struct list entries;
};

struct queue_entry {
    struct list link;
    struct ackd_task *task; /* whose it is */
    struct wait *wait;      /* parked; NULL: an operation that nobody awaits yet */
    void *object;           /* what an operation is of; NULL: it is none */
    void *item;             /* what is handed over */
    int code;               /* once granted */
    bool granted;
    bool gone; /* what it was of has ended meanwhile */
};

static inline void queue_init(struct queue *queue)
{
    list_init(&queue->entries);
}

static inline bool queue_empty(const struct queue *queue)
{
    return queue->entries.next == NULL || list_empty(&queue->entries);
}

static inline struct queue_entry *queue_first(const struct queue *queue)
{
    return queue_empty(queue) ? NULL : LIST_ITEM(queue->entries.next, queue_entry, link);
}

/* An entry of the running task, in no queue. */
void queue_entry_init(struct queue_entry *entry, void *object, void *item);
void queue_append(struct queue *queue, struct queue_entry *entry);
/* Out of whatever queue it is in. */
static inline void queue_remove(struct queue_entry *entry)
{
    list_remove(&entry->link);
}

/* Out of its queue, with @code (Q1); who is parked there becomes ready. */
void queue_grant(struct queue_entry *entry, int code);
/*
 * The thing goes, whoever waits: each gets ACKD_E_CLOSED, and knows that it is gone. True, and said
 * in the log, if there was any: @what named @name.
 */
bool queue_close(struct queue *queue, const char *what, const char *name);

/* Park until @entry is granted: its code, whose error the caller makes. ACKD_CANCELED if it was not:
 * then it has left its queue. */
ACKD_MUST_CHECK int queue_park(struct queue_entry *entry, enum wait_kind kind, const char *what,
                               const char *file, int line, const char *function);
/* The same for a task's own entry on its stack: into @queue first; and a failure is told. */
ACKD_MUST_CHECK int queue_wait(struct queue *queue, enum wait_kind kind, const char *what,
                               const char *file, int line, const char *function);
/* ACKD_E_CLOSED, for who waited for what is gone. */
int queue_fail_gone(enum wait_kind kind, const char *what, const char *file, int line,
                    const char *function);

#endif

/* SPDX-License-Identifier: MIT */
/* mutex - one holder at a time. It must not know what it protects. */
#include <config.h>

#include "task/mutex.h"

#include <ackd/log.h>

#include "base/assert.h"
#include "task/cycle.h"
#include "task/engine.h"
#include "task/holding.h"
#include "task/refusal.h"
#include "task/task.h"

_Static_assert(sizeof(struct mutex) <= sizeof(struct ackd_mutex), "it must fit");

static struct mutex *mutex_of(struct ackd_mutex *opaque)
{
    return (struct mutex *)opaque;
}

static const char *mutex_name(const struct mutex *mutex)
{
    return mutex->name == NULL ? "" : mutex->name;
}

/* Not so where its memory was put to another use without fini. */
static bool mutex_is_of(const struct mutex *mutex, const struct holding *holding)
{
    return mutex->holding == holding && mutex->holder == holding->task;
}

/* Its holder ended, or left the block that the mutex is in. */
static void mutex_end_holding(struct holding *holding, bool gone, const void *limit)
{
    (void)limit;
    struct mutex *mutex = *(struct mutex **)holding->bytes;
    const struct ackd_task *task = holding->task;
    if (gone || !mutex_is_of(mutex, holding)) {
        holding_drop(holding);
        return;
    }
    ackd_log_event(ACKD_LOG_ERROR, "left-locked",
                   ACKD_FIELDS(ACKD_FIELD("task", task->name), ACKD_FIELD_INT("task_id", task->id),
                               ACKD_FIELD("mutex", mutex_name(mutex))),
                   "task '%s' ended with mutex '%s' locked (%s:%d): it is unlocked for it",
                   task->name, mutex_name(mutex), holding->file, holding->line);
    mutex_unlock(mutex);
}

static const struct holding_kind mutex_holding = {" locked mutex", mutex_end_holding};

const struct queue *mutex_waiting(const struct holding *holding)
{
    if (holding->kind != &mutex_holding)
        return NULL;
    const struct mutex *mutex = *(struct mutex *const *)holding->bytes;
    return mutex_is_of(mutex, holding) ? &mutex->waiting : NULL;
}

/* X1 */
static void mutex_give(struct mutex *mutex, struct ackd_task *task, const char *file, int line,
                       const char *function)
{
    mutex->holder = task;
    mutex->holding = holding_take(task, &mutex_holding, mutex, file, line, function);
    if (mutex->holding != NULL)
        *(struct mutex **)mutex->holding->bytes = mutex;
}

void ackd_mutex_init(struct ackd_mutex *opaque, const char *name)
{
    struct mutex *mutex = mutex_of(opaque);
    *mutex = (struct mutex){.name = name};
    queue_init(&mutex->waiting);
}

void ackd_mutex_fini(struct ackd_mutex *opaque)
{
    struct mutex *mutex = mutex_of(opaque);
    queue_close(&mutex->waiting, "mutex", mutex->name);
    if (mutex->holding != NULL)
        holding_drop(mutex->holding);
    mutex->holding = NULL;
    mutex->holder = NULL;
}

/* Held by another: wait for it, unless that one waits for us. */
static int mutex_wait(struct mutex *mutex, enum wait_kind kind, const char *file, int line,
                      const char *function)
{
    struct ackd_task *task = engine_this->current;
    if (mutex->holder == task)
        return refusal_at(ACKD_E_CYCLE, NULL, file, line, function, "'%s' holds %s '%s' already",
                          task->name, wait_kind_name(kind), mutex_name(mutex));
    if (cycle_keeps_from_going_on(task, mutex->holder))
        return cycle_refuse(task, mutex->holder, file, line, function);
    return queue_wait(&mutex->waiting, kind, mutex->name, file, line, function);
}

int mutex_lock(struct mutex *mutex, enum wait_kind kind, const char *file, int line,
               const char *function)
{
    if (mutex->holder != NULL)
        return mutex_wait(mutex, kind, file, line, function);
    mutex_give(mutex, engine_this->current, file, line, function);
    return ACKD_OK;
}

__attribute__((noinline)) int ackd_mutex_lock_at(struct ackd_mutex *opaque, const char *file,
                                                 int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct mutex *mutex = mutex_of(opaque);
    code = belonging_check(&mutex->loop, "mutex", mutex->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    return mutex_lock(mutex, WAIT_MUTEX, file, line, function);
}

bool ackd_mutex_try_lock(struct ackd_mutex *opaque)
{
    struct mutex *mutex = mutex_of(opaque);
    struct ackd_task *task = engine_task();
    if (task == NULL) {
        error_ignore(refusal_here(ACKD_E_NOT_IN_TASK, "a mutex is locked by a task"));
        return false;
    }
    if (belonging_check(&mutex->loop, "mutex", mutex->name, ACKD_HERE) != ACKD_OK)
        return false;
    if (mutex->holder != NULL)
        return false;
    mutex_give(mutex, task, ACKD_HERE);
    return true;
}

void mutex_unlock(struct mutex *mutex)
{
    ackd_assert(mutex->holder != NULL);
    if (mutex->holding != NULL)
        holding_drop(mutex->holding);
    mutex->holding = NULL;
    mutex->holder = NULL;
    struct queue_entry *first = queue_first(&mutex->waiting);
    if (first == NULL)
        return;
    /* X2: it is parked, so that its entry and its wait are there. */
    const struct wait *wait = first->wait;
    mutex_give(mutex, first->task, wait->file, wait->line, wait->function);
    queue_grant(first, ACKD_OK);
}

int ackd_mutex_unlock_at(struct ackd_mutex *opaque, const char *file, int line,
                         const char *function)
{
    struct mutex *mutex = mutex_of(opaque);
    const struct ackd_task *task = engine_task();
    if (task == NULL || mutex->holder != task)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                          "%s%s%s unlocks mutex '%s', which %s%s%s",
                          task == NULL ? "a callback" : "task '", task == NULL ? "" : task->name,
                          task == NULL ? "" : "'", mutex_name(mutex),
                          mutex->holder == NULL ? "nobody holds" : "'",
                          mutex->holder == NULL ? "" : mutex->holder->name,
                          mutex->holder == NULL ? "" : "' holds");
    mutex_unlock(mutex);
    return ACKD_OK;
}

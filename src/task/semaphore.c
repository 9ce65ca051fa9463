/* SPDX-License-Identifier: MIT */
/* semaphore - counting permits. It must not know what they are for. */
#include <config.h>

#include "task/semaphore.h"

#include "base/assert.h"
#include "task/belonging.h"
#include "task/engine.h"
#include "task/refusal.h"
#include "task/task.h"

struct semaphore {
    belonging_loop loop;
    const char *name;
    size_t available, max;
    struct queue waiting;
    struct queue granted; /* operations that have a permit, and nobody has awaited */
};

_Static_assert(sizeof(struct semaphore) <= sizeof(struct ackd_semaphore), "it must fit");

static struct semaphore *semaphore_of(struct ackd_semaphore *opaque)
{
    return (struct semaphore *)opaque;
}

int ackd_semaphore_init(struct ackd_semaphore *opaque, const char *name, size_t initial, size_t max)
{
    if (max == 0 || initial > max)
        return ackd_fail(ACKD_E_INVAL, "semaphore '%s': %zu permits of at most %zu",
                         name == NULL ? "" : name, initial, max);
    struct semaphore *semaphore = semaphore_of(opaque);
    *semaphore = (struct semaphore){.name = name, .available = initial, .max = max};
    queue_init(&semaphore->waiting);
    queue_init(&semaphore->granted);
    return ACKD_OK;
}

void ackd_semaphore_fini(struct ackd_semaphore *opaque)
{
    struct semaphore *semaphore = semaphore_of(opaque);
    queue_close(&semaphore->waiting, "semaphore", semaphore->name);
    queue_close(&semaphore->granted, "semaphore", semaphore->name);
}

__attribute__((noinline)) int ackd_semaphore_acquire_at(struct ackd_semaphore *opaque,
                                                        const char *file, int line,
                                                        const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct semaphore *semaphore = semaphore_of(opaque);
    code = belonging_check(&semaphore->loop, "semaphore", semaphore->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (semaphore->available > 0) {
        semaphore->available--;
        return ACKD_OK;
    }
    return queue_wait(&semaphore->waiting, WAIT_SEMAPHORE, semaphore->name, file, line, function);
}

bool ackd_semaphore_try_acquire(struct ackd_semaphore *opaque)
{
    struct semaphore *semaphore = semaphore_of(opaque);
    if (belonging_check(&semaphore->loop, "semaphore", semaphore->name, ACKD_HERE) != ACKD_OK)
        return false;
    if (semaphore->available == 0)
        return false;
    semaphore->available--;
    return true;
}

/* P1 */
static void semaphore_put(struct semaphore *semaphore)
{
    struct queue_entry *first = queue_first(&semaphore->waiting);
    if (first == NULL) {
        semaphore->available++;
        return;
    }
    ackd_assert(semaphore->available == 0);
    queue_grant(first, ACKD_OK);
    if (first->object != NULL)
        queue_append(&semaphore->granted, first);
}

int ackd_semaphore_release(struct ackd_semaphore *opaque)
{
    struct semaphore *semaphore = semaphore_of(opaque);
    ACKD_TRY(belonging_check(&semaphore->loop, "semaphore", semaphore->name, ACKD_HERE));
    if (semaphore->available == semaphore->max)
        return refusal_here(ACKD_E_FULL, "semaphore '%s' has all of its %zu permits",
                            semaphore->name == NULL ? "" : semaphore->name, semaphore->max);
    semaphore_put(semaphore);
    return ACKD_OK;
}

size_t ackd_semaphore_available(const struct ackd_semaphore *opaque)
{
    return ((const struct semaphore *)opaque)->available;
}

int semaphore_join(struct ackd_semaphore *opaque, struct queue_entry *entry, const char **ret_what,
                   const char *file, int line, const char *function)
{
    struct semaphore *semaphore = semaphore_of(opaque);
    int code =
        belonging_check(&semaphore->loop, "semaphore", semaphore->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    *ret_what = semaphore->name;
    queue_append(&semaphore->waiting, entry);
    if (semaphore->available > 0) {
        semaphore->available--;
        semaphore_put(semaphore);
    }
    return ACKD_OK;
}

void semaphore_take(struct queue_entry *entry)
{
    queue_remove(entry);
}

void semaphore_leave(struct queue_entry *entry)
{
    struct semaphore *semaphore = entry->object;
    queue_remove(entry);
    if (entry->granted && !entry->gone)
        semaphore_put(semaphore);
}

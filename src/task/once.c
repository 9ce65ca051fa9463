/* SPDX-License-Identifier: MIT */
/* once - a mutex that nobody needs any more when it was done. It must not know what is done. */
#include <config.h>

#include <ackd/sync.h>

#include "task/mutex.h"
#include "task/task.h"

struct once {
    struct mutex mutex;
    bool done;
};

_Static_assert(sizeof(struct once) <= sizeof(struct ackd_once), "it must fit");

__attribute__((noinline)) int ackd_once_at(struct ackd_once *opaque, int (*fn)(void *arg),
                                           void *arg, const char *name, const char *file, int line,
                                           const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct once *once = (struct once *)opaque;
    code = belonging_check(&once->mutex.loop, "once", name, file, line, function);
    if (code != ACKD_OK || once->done)
        return code;
    once->mutex.name = name;
    code = mutex_lock(&once->mutex, WAIT_ONCE, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (!once->done) {
        code = fn(arg);
        once->done = code == ACKD_OK;
    }
    mutex_unlock(&once->mutex);
    return code;
}

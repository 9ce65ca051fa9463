/* SPDX-License-Identifier: MIT */
/*
 * belonging - things that tasks of one loop share: they belong to the loop they were first used on.
 */
#ifndef ACKD_TASK_BELONGING_H
#define ACKD_TASK_BELONGING_H

#include <ackd/error.h>
#include <stdatomic.h>

#include "task/engine.h"

/* Of a thing; NULL before its first use. Zeroed memory is ready. */
typedef _Atomic(struct scheduler *) belonging_loop;

/* What belonging_check leaves to be done, where not all is as usual. */
int belonging_check_slowly(belonging_loop *loop, const char *what, const char *name,
                           const char *file, int line, const char *function);

/* ACKD_OK on the loop of the thing, @what named @name; else ACKD_E_WRONG_LOOP. */
static inline ACKD_MUST_CHECK int belonging_check(belonging_loop *loop, const char *what,
                                                  const char *name, const char *file, int line,
                                                  const char *function)
{
    const struct scheduler *at = atomic_load_explicit(loop, memory_order_relaxed);
    if (__builtin_expect(at != NULL && at == engine_this, 1))
        return ACKD_OK;
    return belonging_check_slowly(loop, what, name, file, line, function);
}

#endif

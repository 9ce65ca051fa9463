/* SPDX-License-Identifier: MIT */
/*
 * spawn - what the ways of spawning have in common: the flags.
 *
 * A spawn is: spawn_check; where there is no room and a flag says to wait, spawn_wait, while the
 * caller holds on to what the task will belong to; then task_new, the members that it leaves to its
 * caller, and spawn_start.
 */
#ifndef ACKD_TASK_SPAWN_H
#define ACKD_TASK_SPAWN_H

#include <ackd/task.h>

#include "task/task.h"

/* What spawn_check does where there are flags, or something is missing. */
int spawn_check_slowly(ackd_task_fn *fn, const struct ackd_task_options *options, const char *file,
                       int line, const char *function);

/*
 * Name, function and flags, and whether the caller may suspend where a flag makes it: ACKD_E_INVAL,
 * ACKD_E_NOT_IN_TASK, ACKD_E_SUSPEND, ACKD_CANCELED.
 */
static inline ACKD_MUST_CHECK int spawn_check(ackd_task_fn *fn,
                                              const struct ackd_task_options *options,
                                              const char *file, int line, const char *function)
{
    if (__builtin_expect(options != NULL && options->flags == 0 && options->token.source == NULL &&
                             options->name != NULL && options->name[0] != '\0' && fn != NULL,
                         1))
        return ACKD_OK;
    return spawn_check_slowly(fn, options, file, line, function);
}

static inline bool spawn_must_wait(const struct ackd_task_options *options, bool room)
{
    return __builtin_expect(!room, 0) && (options->flags & ACKD_TASK_WAIT_FOR_ROOM) != 0;
}

/* Wait for a place, and take it up: the next task_new has it. ACKD_CANCELED. */
ACKD_MUST_CHECK int spawn_wait(struct scheduler *scheduler, const char *file, int line,
                               const char *function);

int spawn_new_with_token(struct scheduler *scheduler, ackd_task_fn *fn, void *arg,
                         const struct ackd_task_options *options, struct cancel *parent,
                         struct ackd_task **ret_task);

/*
 * task_new with the options' token, if there is one, above it beside @parent: ACKD_E_FULL,
 * ACKD_E_NOMEM, ACKD_CANCELED.
 */
static inline ACKD_MUST_CHECK int spawn_new(struct scheduler *scheduler, ackd_task_fn *fn,
                                            void *arg, const struct ackd_task_options *options,
                                            struct cancel *parent, struct ackd_task **ret_task)
{
    if (__builtin_expect(options->token.source != NULL, 0))
        return spawn_new_with_token(scheduler, fn, arg, options, parent, ret_task);
    return task_new(scheduler, fn, arg, options->name, options->stack_size, parent, ret_task);
}

/* Run it at once, up to its first suspension. It may be gone afterwards. */
void spawn_start_inline(struct ackd_task *task, const char *file, int line, const char *function);

/* Into the ready queue, or inline. */
static inline void spawn_start(struct ackd_task *task, const char *file, int line,
                               const char *function)
{
    if (__builtin_expect((task->flags & ACKD_TASK_START_INLINE) == 0, 1))
        task_queue(task);
    else
        spawn_start_inline(task, file, line, function);
}

#endif

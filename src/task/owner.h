/* SPDX-License-Identifier: MIT */
/*
 * owner - who answers for detached tasks: a consumer on a loop, a service, the runtime.
 *
 * Embedded in the structure of what it stands for, which is found again with LIST_ITEM from
 * ackd_owner_current(). It stays where it is until the tasks that name it have ended: the detached
 * ones, and the roots, with their children, that were given it.
 *
 *   O1  A sealed owner takes no further task.
 *   O2  ended() is called once, after the last detached task of a closed owner ended and its
 *       observer returned; nothing here touches the owner afterwards.
 */
#ifndef ACKD_TASK_OWNER_H
#define ACKD_TASK_OWNER_H

#include <ackd/task.h>

#include "base/log.h"

enum { OWNER_NAME_SIZE = 48 };

struct scheduler;

struct ackd_owner {
    struct scheduler *scheduler;
    void *context;                         /* what it stands for, to who made it; NULL: nothing */
    const struct log_context *log_context; /* borrowed; what lines of its detached tasks carry; may
                                              be NULL, and set at any time */
    size_t live;                           /* detached tasks */
    bool sealed;
    void (*ended)(struct ackd_owner *owner); /* NULL: not closed, or nobody asks */
    char name[OWNER_NAME_SIZE];
};

/* All below: on the loop's thread, or before the scheduler's first turn. */

/* @name is copied, and shown in errors. */
void owner_init(struct ackd_owner *owner, struct scheduler *scheduler, const char *name);

/* Refuse new ones with ACKD_E_CLOSED; those that run go on. */
void owner_seal(struct ackd_owner *owner);

/*
 * Seal it, and cancel what still runs with SHUTDOWN. @ended, which may be NULL, is called when none
 * is left (O2), outside of tasks: before this returns, if none is. Once.
 */
void owner_close(struct ackd_owner *owner, void (*ended)(struct ackd_owner *owner));

/* Detached tasks that have not ended, or whose observer has not returned. */
static inline size_t owner_live(const struct ackd_owner *owner)
{
    return owner->live;
}

#endif

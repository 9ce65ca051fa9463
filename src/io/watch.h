/* SPDX-License-Identifier: MIT */
/*
 * watch - waiting until a descriptor that does not block can be read or written. Private to io.
 *
 * Calls are made first and the loop is asked only where they would block, so nothing holds the
 * caller's memory while a task is parked, and to cancel is to stop waiting. libuv goes on to watch
 * after a wait: as a rule the next one is for the same, and needs no system call then. It is told to
 * stop when there is something that nobody waits for.
 *
 *   H1  One task at a time is inside for each direction, from watch_enter to watch_leave.
 *   H2  closed() is called once after watch_close, when libuv is done with the handle and no task is
 *       inside: the memory is free to go.
 */
#ifndef ACKD_IO_WATCH_H
#define ACKD_IO_WATCH_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "io/loop.h"
#include "task/wait.h"

enum watch_direction { WATCH_READ, WATCH_WRITE, WATCH_DIRECTIONS };

/* All zeroes but for @fd = -1 is one that is not open. */
struct watch {
    int fd; /* -1: not open, or closed */
    enum wait_kind kind;
    bool polled;   /* the handle is there, or being closed */
    bool finished; /* closed() was called: whoever keeps the memory may still try to use it */
    int armed;     /* of UV_READABLE and UV_WRITABLE: what libuv watches for */
    struct loop *loop;
    unsigned users;                       /* tasks inside, or about to be */
    bool inside[WATCH_DIRECTIONS];        /* a task is (H1) */
    struct wait *waits[WATCH_DIRECTIONS]; /* of the task that is parked */
    uv_poll_t poll;
    void (*closed)(void *arg);
    void *arg;
};

/* Where a call comes from, for the await that it may become. */
struct watch_caller {
    const char *what; /* the name of what is waited for; must outlive the call */
    const char *file;
    const char *function;
    int line;
    const void *site; /* where it returns to, for a call that is not told its place; else NULL */
};

/*
 * Whether a task may use what belongs to @loop: ACKD_E_NOT_IN_TASK, ACKD_E_WRONG_LOOP. The caller
 * names itself and the thing.
 */
ACKD_MUST_CHECK int watch_check_loop(const struct loop *loop, const struct watch_caller *caller);

/* The loop of the running task: ACKD_E_NOT_IN_TASK. */
ACKD_MUST_CHECK int watch_find_loop(struct loop **ret_loop, const struct watch_caller *caller);

/*
 * Watch @fd, which is made non-blocking and stays the caller's. @kind is what dumps call a wait for
 * it. ACKD_E_OS.
 */
ACKD_MUST_CHECK int watch_open(struct watch *watch, struct loop *loop, int fd, enum wait_kind kind,
                               void (*closed)(void *arg), void *arg);
/* Stop watching; tasks that are parked wake. Returns the descriptor, -1 if it was not open. */
int watch_close(struct watch *watch);

/*
 * Begin a call: ACKD_CANCELED, ACKD_E_NOT_IN_TASK, ACKD_E_SUSPEND, ACKD_E_CLOSED, ACKD_E_INVAL
 * (another task is inside). May yield.
 */
ACKD_SUSPENDS int watch_enter(struct watch *watch, enum watch_direction direction,
                              const struct watch_caller *caller);
/* End it; returns @code. @watch may be gone afterwards. */
int watch_leave(struct watch *watch, enum watch_direction direction, int code);

/*
 * Inside: whether to make another try, ACKD_CANCELED, ACKD_E_CLOSED; and the same after parking
 * until it is worth one, also ACKD_E_OS. Both may yield.
 */
ACKD_SUSPENDS int watch_again(const struct watch *watch, const struct watch_caller *caller);
ACKD_SUSPENDS int watch_await(struct watch *watch, enum watch_direction direction,
                              const struct watch_caller *caller);

#endif

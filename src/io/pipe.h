/* SPDX-License-Identifier: MIT */
/*
 * pipe - our end of a pipe to or from a child, awaitable. Private to io.
 *
 * Reading and writing are plain system calls on a descriptor that does not block; the loop is asked
 * only when it would. So nothing holds the caller's memory while a task is parked, and to cancel is
 * to stop asking.
 */
#ifndef ACKD_IO_PIPE_H
#define ACKD_IO_PIPE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "io/loop.h"
#include "task/wait.h"

/* All zeroes but for @fd = -1 is one that is not open. */
struct pipe {
    int fd;            /* owned; -1: not open, or closed */
    bool polled;       /* the handle is there, or being closed */
    struct wait *wait; /* of the task that is parked on it */
    uv_poll_t poll;
    void (*closed)(void *arg); /* the memory of the handle is free */
    void *arg;
};

/* Where a call comes from, for the await that it may become. */
struct pipe_caller {
    const char *what; /* is read from or written to: the program's name */
    const char *file;
    const char *function;
    int line;
};

/*
 * Make a pipe and keep one end of it; *ret_other, the child's, is the caller's to close. @closed is
 * called once after pipe_close, when the structure's memory is free to go. ACKD_E_OS.
 */
ACKD_MUST_CHECK int pipe_open(struct pipe *pipe, struct loop *loop, bool reads,
                              void (*closed)(void *arg), void *arg, int *ret_other);
/* Close our end. A task that is parked on it wakes. Again does nothing. */
void pipe_close(struct pipe *pipe);

/* ACKD_E_CLOSED, ACKD_E_INVAL (another task waits), ACKD_E_OS, ACKD_CANCELED. */
ACKD_SUSPENDS int pipe_read(struct pipe *pipe, void *buffer, size_t size, size_t *ret_size,
                            const struct pipe_caller *caller);
ACKD_SUSPENDS int pipe_write(struct pipe *pipe, const void *data, size_t size,
                             const struct pipe_caller *caller);

#endif

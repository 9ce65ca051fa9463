/* SPDX-License-Identifier: MIT */
/* pipe - reading and writing until it would block, then waiting. It must not know processes. */
#include <config.h>

#include "io/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/loop_uv.h"

static void pipe_handle_closed(uv_handle_t *handle)
{
    struct pipe *pipe = handle->data;
    pipe->polled = false;
    pipe->closed(pipe->arg);
}

int pipe_open(struct pipe *pipe, struct loop *loop, bool reads, void (*closed)(void *arg),
              void *arg, int *ret_other)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ackd_fail(ACKD_E_OS, "cannot make a pipe: %s", strerror(errno));
    int ours = reads ? ends[0] : ends[1];
    int other = reads ? ends[1] : ends[0];
    /* This also makes our end, and only ours, non-blocking. */
    int status = uv_poll_init(loop_uv(loop), &pipe->poll, ours);
    if (status != 0) {
        close(ours);
        close(other);
        return loop_fail_os(status, "cannot watch a pipe: %s", uv_strerror(status));
    }
    pipe->poll.data = pipe;
    pipe->polled = true;
    pipe->fd = ours;
    pipe->closed = closed;
    pipe->arg = arg;
    *ret_other = other;
    return ACKD_OK;
}

void pipe_close(struct pipe *pipe)
{
    if (pipe->fd < 0)
        return;
    uv_close((uv_handle_t *)&pipe->poll, pipe_handle_closed);
    close(pipe->fd);
    pipe->fd = -1;
    if (pipe->wait != NULL)
        wait_finish(pipe->wait, ACKD_OK);
}

static void pipe_ready(uv_poll_t *poll, int status, int events)
{
    struct pipe *pipe = poll->data;
    (void)status; /* the system call that is tried again will tell */
    (void)events;
    uv_poll_stop(poll); /* until the task has tried again */
    if (pipe->wait != NULL)
        wait_finish(pipe->wait, ACKD_OK);
}

/* Park until it is worth another try. */
static int pipe_await(struct pipe *pipe, int events, const struct pipe_caller *caller)
{
    struct wait wait;
    wait_init(&wait, WAIT_PIPE, caller->what, caller->file, caller->line, caller->function);
    int status = uv_poll_start(&pipe->poll, events, pipe_ready);
    if (status != 0)
        return loop_fail_os(status, "cannot watch a pipe: %s", uv_strerror(status));
    pipe->wait = &wait;
    int code = wait_park(&wait);
    pipe->wait = NULL;
    if (pipe->fd >= 0)
        uv_poll_stop(&pipe->poll);
    return code;
}

/* Before each try: whether the caller may await, and the pipe is to be had. */
static int pipe_check(const struct pipe *pipe, const struct pipe_caller *caller)
{
    ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
    if (pipe->fd < 0)
        return ackd_fail(ACKD_E_CLOSED, "the pipe with '%s' is closed", caller->what);
    if (pipe->wait != NULL)
        return ackd_fail(ACKD_E_INVAL, "another task waits for this pipe with '%s'", caller->what);
    return ACKD_OK;
}

int pipe_read(struct pipe *pipe, void *buffer, size_t size, size_t *ret_size,
              const struct pipe_caller *caller)
{
    for (;;) {
        ACKD_TRY(pipe_check(pipe, caller));
        ssize_t got = read(pipe->fd, buffer, size);
        if (got >= 0) {
            *ret_size = (size_t)got;
            return ACKD_OK;
        }
        if (errno == EAGAIN)
            ACKD_TRY(pipe_await(pipe, UV_READABLE, caller));
        else if (errno != EINTR)
            return ackd_fail(ACKD_E_OS, "reading from '%s': %s", caller->what, strerror(errno));
    }
}

int pipe_write(struct pipe *pipe, const void *data, size_t size, const struct pipe_caller *caller)
{
    const char *at = data;
    size_t left = size;
    while (left > 0) {
        ACKD_TRY(pipe_check(pipe, caller));
        ssize_t written = write(pipe->fd, at, left);
        if (written >= 0) {
            at += written;
            left -= (size_t)written;
        } else if (errno == EAGAIN) {
            ACKD_TRY(pipe_await(pipe, UV_WRITABLE, caller));
        } else if (errno == EPIPE) {
            return ackd_fail(ACKD_E_CLOSED, "'%s' closed its input before it read all",
                             caller->what);
        } else if (errno != EINTR) {
            return ackd_fail(ACKD_E_OS, "writing to '%s': %s", caller->what, strerror(errno));
        }
    }
    return ACKD_OK;
}

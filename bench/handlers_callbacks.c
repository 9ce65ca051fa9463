/* SPDX-License-Identifier: MIT */
/* handlers_callbacks - by hand with libuv: a state, and a function for each step. */
#include <config.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#include "handlers.h"

struct stream {
    uv_timer_t timer;
    uv_poll_t poll;
    int fd;
    unsigned left;
};

static uv_loop_t uv;
static char bytes[HANDLERS_SIZE];

static void waited(uv_timer_t *timer)
{
    struct stream *stream = timer->data;
    if (send(stream->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != HANDLERS_SIZE)
        handlers_die("send");
}

static void answered(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    (void)events;
    if (status != 0 || recv(stream->fd, bytes, sizeof bytes, 0) != HANDLERS_SIZE)
        handlers_die("recv");
    if (--stream->left > 0) {
        /* As the tasks' timers: from this moment, and not from when the loop came round. */
        uv_update_time(&uv);
        uv_timer_start(&stream->timer, waited, HANDLERS_WAIT_MS, 0);
        return;
    }
    uv_close((uv_handle_t *)&stream->timer, NULL);
    uv_close((uv_handle_t *)&stream->poll, NULL);
}

void handlers_by_callbacks(const struct handlers *handlers)
{
    struct stream *streams = calloc(handlers->streams, sizeof *streams);
    if (streams == NULL || uv_loop_init(&uv) != 0)
        handlers_die("loop");
    for (unsigned i = 0; i < handlers->streams; i++) {
        struct stream *stream = &streams[i];
        stream->fd = handlers->fds[i];
        stream->left = handlers->messages;
        stream->timer.data = stream->poll.data = stream;
        uv_timer_init(&uv, &stream->timer);
        if (uv_poll_init(&uv, &stream->poll, stream->fd) != 0)
            handlers_die("poll");
        uv_poll_start(&stream->poll, UV_READABLE, answered);
        uv_timer_start(&stream->timer, waited, HANDLERS_WAIT_MS, 0);
    }
    uv_run(&uv, UV_RUN_DEFAULT);
    uv_loop_close(&uv);
    free(streams);
}

static void never(uv_timer_t *timer)
{
    (void)timer;
}

void handlers_park_callbacks(unsigned count)
{
    uv_loop_init(&uv);
    for (unsigned i = 0; i < count; i++) {
        struct stream *stream = calloc(1, sizeof *stream);
        if (stream == NULL)
            handlers_die("memory");
        uv_timer_init(&uv, &stream->timer);
        uv_timer_start(&stream->timer, never, 60000, 0);
    }
    uv_run(&uv, UV_RUN_NOWAIT);
}

/* SPDX-License-Identifier: MIT */
/*
 * handlers_ucontext - the least that coroutines by the C library take on libuv: a context for each
 * stream, to which callbacks go back. No cancellation, no guards, no errors.
 */
#include <config.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <uv.h>

#include "handlers.h"

enum { STACK_SIZE = 64 * 1024 };

struct stream {
    ucontext_t context;
    void *stack;
    uv_timer_t timer;
    uv_poll_t poll;
    int fd;
    unsigned left;
};

static uv_loop_t uv;
static ucontext_t loop_context;
static struct stream *current;

static void resume(struct stream *stream)
{
    current = stream;
    swapcontext(&loop_context, &stream->context);
}

static void await(struct stream *stream)
{
    swapcontext(&stream->context, &loop_context);
}

static void waited(uv_timer_t *timer)
{
    resume(timer->data);
}

static void handle(void)
{
    struct stream *stream = current;
    char bytes[HANDLERS_SIZE] = "";
    uv_update_time(&uv);
    uv_timer_start(&stream->timer, waited, HANDLERS_WAIT_MS, 0);
    await(stream);
    if (send(stream->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != HANDLERS_SIZE)
        handlers_die("send");
    await(stream);
    if (recv(stream->fd, bytes, sizeof bytes, 0) != HANDLERS_SIZE)
        handlers_die("recv");
    stream->left--;
}

/* A message's own context, on the stack of its stream. */
static void start(struct stream *stream, void (*fn)(void))
{
    getcontext(&stream->context);
    stream->context.uc_stack.ss_sp = stream->stack;
    stream->context.uc_stack.ss_size = STACK_SIZE;
    stream->context.uc_link = &loop_context;
    makecontext(&stream->context, fn, 0);
    resume(stream);
}

static void answered(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    (void)events;
    if (status != 0)
        handlers_die("poll");
    resume(stream);
    if (stream->left > 0) {
        start(stream, handle);
        return;
    }
    uv_close((uv_handle_t *)&stream->timer, NULL);
    uv_close((uv_handle_t *)&stream->poll, NULL);
}

static void *map_stack(void)
{
    void *stack =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        handlers_die("stack");
    return stack;
}

void handlers_by_ucontext(const struct handlers *handlers)
{
    struct stream *streams = calloc(handlers->streams, sizeof *streams);
    if (streams == NULL || uv_loop_init(&uv) != 0)
        handlers_die("loop");
    for (unsigned i = 0; i < handlers->streams; i++) {
        struct stream *stream = &streams[i];
        stream->fd = handlers->fds[i];
        stream->left = handlers->messages;
        stream->stack = map_stack();
        stream->timer.data = stream->poll.data = stream;
        uv_timer_init(&uv, &stream->timer);
        if (uv_poll_init(&uv, &stream->poll, stream->fd) != 0)
            handlers_die("poll");
        uv_poll_start(&stream->poll, UV_READABLE, answered);
        start(stream, handle);
    }
    uv_run(&uv, UV_RUN_DEFAULT);
    uv_loop_close(&uv);
    for (unsigned i = 0; i < handlers->streams; i++)
        munmap(streams[i].stack, STACK_SIZE);
    free(streams);
}

static void park(void)
{
    struct stream *stream = current;
    uv_timer_start(&stream->timer, waited, 60000, 0);
    await(stream);
}

void handlers_park_ucontext(unsigned count)
{
    uv_loop_init(&uv);
    for (unsigned i = 0; i < count; i++) {
        struct stream *stream = calloc(1, sizeof *stream);
        if (stream == NULL)
            handlers_die("memory");
        stream->stack = map_stack();
        stream->timer.data = stream;
        uv_timer_init(&uv, &stream->timer);
        start(stream, park);
    }
    uv_run(&uv, UV_RUN_NOWAIT);
}

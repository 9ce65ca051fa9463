/* SPDX-License-Identifier: MIT */
/* handlers_tasks - as handlers of ackd are written: the lines in order. */
#include <config.h>

#include <ackd/ackd.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "handlers.h"
#include "io/loop.h"
#include "task/scheduler.h"

struct stream {
    struct scheduler_root root;
    int fd;
    unsigned left;
    struct ackd_descriptor *descriptor;
};

static struct loop *loop;
static struct scheduler *scheduler;
static unsigned running;

static uint64_t tasks_now(void *arg)
{
    return loop_now_ns(arg);
}

static void tasks_wake(void *arg)
{
    loop_wake(arg);
}

static uint64_t tasks_turn(void *arg)
{
    return scheduler_turn(arg);
}

static void spawn(const struct scheduler_root *root)
{
    if (scheduler_spawn(scheduler, root, NULL) != ACKD_OK)
        handlers_die("spawn");
}

static int handle(void *arg)
{
    struct stream *stream = arg;
    char bytes[HANDLERS_SIZE] = "";
    if (stream->descriptor == NULL)
        ACKD_TRY(ackd_descriptor_open(stream->fd, &stream->descriptor));
    ACKD_TRY(ackd_delay(HANDLERS_WAIT_MS));
    if (send(stream->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != HANDLERS_SIZE)
        return ackd_fail(ACKD_E_OS, "send");
    ACKD_TRY(ackd_await_readable(stream->descriptor));
    if (recv(stream->fd, bytes, sizeof bytes, 0) != HANDLERS_SIZE)
        return ackd_fail(ACKD_E_OS, "recv");
    if (--stream->left == 0)
        ackd_descriptor_close(&stream->descriptor);
    return ACKD_OK;
}

/* The next message of its stream, if there is one. */
static void handled(struct ackd_task *task, int code, const struct ackd_error *error,
                    enum ackd_cancel_reason reason, void *arg)
{
    struct stream *stream = arg;
    (void)task;
    (void)error;
    (void)reason;
    if (code != ACKD_OK)
        handlers_die("handler");
    if (stream->left > 0)
        spawn(&stream->root);
    else if (--running == 0)
        loop_stop(loop);
}

static void open_loop(size_t tasks_max)
{
    if (loop_new("bench", &loop) != ACKD_OK)
        handlers_die("loop");
    const struct scheduler_options options = {.name = "bench",
                                              .now_ns = tasks_now,
                                              .wake = tasks_wake,
                                              .arg = loop,
                                              .tasks_max = tasks_max,
                                              .stacks_cached = tasks_max};
    if (scheduler_new(&options, &scheduler) != ACKD_OK)
        handlers_die("scheduler");
    loop_set_turn(loop, tasks_turn, scheduler);
}

void handlers_by_tasks(const struct handlers *handlers)
{
    struct stream *streams = calloc(handlers->streams, sizeof *streams);
    if (streams == NULL)
        handlers_die("memory");
    open_loop(handlers->streams);
    running = handlers->streams;
    for (unsigned i = 0; i < handlers->streams; i++) {
        streams[i] = (struct stream){.fd = handlers->fds[i], .left = handlers->messages};
        streams[i].root = (struct scheduler_root){
            .fn = handle, .arg = &streams[i], .name = "orders", .done = handled};
        spawn(&streams[i].root);
    }
    loop_run(loop);
    scheduler_free(&scheduler);
    loop_free(&loop);
    free(streams);
}

static int park(void *arg)
{
    (void)arg;
    if (--running == 0)
        loop_stop(loop);
    return ackd_delay(60000);
}

void handlers_park_tasks(unsigned count)
{
    const struct scheduler_root root = {.fn = park, .name = "orders"};
    open_loop(count);
    running = count;
    for (unsigned i = 0; i < count; i++)
        spawn(&root);
    loop_run(loop);
}

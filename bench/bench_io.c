/* SPDX-License-Identifier: MIT */
/*
 * bench_io - a round trip over a socket, by tasks that read and write, beside the same by callbacks
 * of libuv.
 *
 * Both ends are on one loop, in one thread: 64 bytes there, and back.
 */
#include <config.h>

#include <ackd/ackd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "figure.h"
#include "io/loop.h"
#include "task/scheduler.h"

enum { TRIPS = 20000, SIZE = 64 };

static struct loop *loop;
static struct scheduler *scheduler;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench_io: %s: %s\n", what, ackd_error_text(ackd_error_current()));
    exit(EXIT_FAILURE);
}

static uint64_t bench_now(void *arg)
{
    return loop_now_ns(arg);
}

static void bench_wake(void *arg)
{
    loop_wake(arg);
}

static uint64_t bench_turn(void *arg)
{
    return scheduler_turn(arg);
}

static void bench_done(struct ackd_task *task, int code, const struct ackd_error *error,
                       enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)code;
    (void)reason;
    (void)arg;
    if (error != NULL) {
        fprintf(stderr, "bench_io: %s\n", ackd_error_text(error));
        exit(EXIT_FAILURE);
    }
    loop_stop(loop);
}

static int answer(void *arg)
{
    struct ackd_tcp *tcp = arg;
    char bytes[SIZE];
    for (int i = 0; i < TRIPS; i++) {
        ACKD_TRY(ackd_tcp_read_exactly(tcp, bytes, sizeof bytes, NULL));
        ACKD_TRY(ackd_tcp_write(tcp, bytes, sizeof bytes));
    }
    return ACKD_OK;
}

static int ask(void *arg)
{
    double *ret_ns = arg;
    char bytes[SIZE] = "";
    ACKD_TCP_LISTENER(listener);
    ACKD_TCP(near);
    ACKD_TCP(far);
    ACKD_TRY(ackd_tcp_listen("127.0.0.1", 0, &listener));
    ACKD_TRY(ackd_tcp_connect("127.0.0.1", ackd_tcp_listener_port(listener), &near));
    ACKD_TRY(ackd_tcp_accept(listener, &far));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, answer, far));
    uint64_t from_ns = loop_now_ns(loop);
    for (int i = 0; i < TRIPS; i++) {
        ACKD_TRY(ackd_tcp_write(near, bytes, sizeof bytes));
        ACKD_TRY(ackd_tcp_read_exactly(near, bytes, sizeof bytes, NULL));
    }
    *ret_ns = (double)(loop_now_ns(loop) - from_ns) / TRIPS;
    return ackd_scope_join(&scope);
}

/* The same by hand: a watcher for each end, as one writes it with libuv. */
struct end {
    uv_poll_t poll;
    int fd;
    bool asks;
};

static int trips;

static void end_ready(uv_poll_t *poll, int status, int events)
{
    struct end *end = poll->data;
    char bytes[SIZE];
    (void)status;
    (void)events;
    ssize_t got = recv(end->fd, bytes, sizeof bytes, 0);
    if (got != SIZE)
        die("recv");
    if (end->asks && ++trips == TRIPS) {
        uv_stop(poll->loop);
        return;
    }
    if (send(end->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != SIZE)
        die("send");
}

static void end_closed(uv_handle_t *handle)
{
    close(((struct end *)handle->data)->fd);
}

static void end_open(struct end *end, uv_loop_t *uv, int fd, bool asks)
{
    *end = (struct end){.fd = fd, .asks = asks};
    end->poll.data = end;
    if (uv_poll_init(uv, &end->poll, fd) != 0)
        die("poll");
    uv_poll_start(&end->poll, UV_READABLE, end_ready);
}

static int connect_pair(struct ackd_tcp **near, struct ackd_tcp **far)
{
    ACKD_TCP_LISTENER(listener);
    ACKD_TRY(ackd_tcp_listen("127.0.0.1", 0, &listener));
    ACKD_TRY(ackd_tcp_connect("127.0.0.1", ackd_tcp_listener_port(listener), near));
    return ackd_tcp_accept(listener, far);
}

/* Two connected descriptors, with the options that ackd sets. */
static int make_pair(void *arg)
{
    int *fds = arg;
    ACKD_TCP(near);
    ACKD_TCP(far);
    ACKD_TRY(connect_pair(&near, &far));
    fds[0] = dup(ackd_tcp_fd(near));
    fds[1] = dup(ackd_tcp_fd(far));
    return ACKD_OK;
}

static void run_task(ackd_task_fn *fn, void *arg)
{
    const struct scheduler_root root = {.fn = fn, .arg = arg, .name = "bench", .done = bench_done};
    if (scheduler_spawn(scheduler, &root, NULL) != ACKD_OK)
        die("spawn");
    loop_run(loop);
}

static double by_tasks(void)
{
    double ns = 0;
    run_task(ask, &ns);
    return ns;
}

static double by_callbacks(void)
{
    int fds[2];
    struct end near, far;
    uv_loop_t uv;
    run_task(make_pair, fds);
    uv_loop_init(&uv);
    end_open(&near, &uv, fds[0], true);
    end_open(&far, &uv, fds[1], false);
    trips = 0;
    uint64_t from_ns = loop_now_ns(loop);
    static const char bytes[SIZE];
    if (send(near.fd, bytes, sizeof bytes, MSG_NOSIGNAL) != SIZE)
        die("send");
    uv_run(&uv, UV_RUN_DEFAULT);
    double ns = (double)(loop_now_ns(loop) - from_ns) / TRIPS;
    uv_close((uv_handle_t *)&near.poll, end_closed);
    uv_close((uv_handle_t *)&far.poll, end_closed);
    uv_run(&uv, UV_RUN_DEFAULT);
    uv_loop_close(&uv);
    return ns;
}

int main(int argc, char **argv)
{
    bool json = figure_wants_json(argc, argv);
    struct figure figure = {.what = "socket round trip",
                            .unit = "ns",
                            .contestants = {{0}, {.name = "callbacks", .times_least = 1 / 1.3}}};
    if (loop_new("bench", &loop) != ACKD_OK)
        die("loop");
    const struct scheduler_options options = {
        .name = "bench", .now_ns = bench_now, .wake = bench_wake, .arg = loop};
    if (scheduler_new(&options, &scheduler) != ACKD_OK)
        die("scheduler");
    loop_set_turn(loop, bench_turn, scheduler);
    for (int i = 0; i < FIGURE_ROUNDS; i++) {
        figure_note(&figure, 0, by_tasks());
        figure_note(&figure, 1, by_callbacks());
    }
    figure_print_all("bench_io", &figure, 1, json);
    scheduler_free(&scheduler);
    loop_free(&loop);
    return 0;
}

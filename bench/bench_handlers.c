/* SPDX-License-Identifier: MIT */
/*
 * bench_handlers - 1,000 handlers at a time that wait for 5 ms, ask over a socket and end: by tasks,
 * by callbacks of libuv, by contexts of the C library and by threads. And what one takes that waits.
 *
 * Who answers is a process of its own, so that only the handlers' processor time is counted. Of the
 * memory it is what the process has, with its page tables; what the kernel has for each thread, some
 * 20 KiB, is not in it.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figure.h"
#include "handlers.h"

enum { STREAMS = 1000, MESSAGES = 20, PARKED = 10000, PARKED_THREADS = 1000, EVENTS = 256 };

static struct contestant {
    const char *name;
    void (*run)(const struct handlers *handlers);
    void (*park)(unsigned count);
    unsigned parked;
} contestants[FIGURE_CONTESTANTS] = {
    {"tasks", handlers_by_tasks, handlers_park_tasks, PARKED},
    {"callbacks", handlers_by_callbacks, handlers_park_callbacks, PARKED},
    {"ucontext", handlers_by_ucontext, handlers_park_ucontext, PARKED},
    {"threads", handlers_by_threads, handlers_park_threads, PARKED_THREADS},
};

void handlers_die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* Write back what comes, until all have hung up. */
_Noreturn static void answer(const int *fds)
{
    struct epoll_event events[EVENTS];
    char bytes[HANDLERS_SIZE];
    int epoll = epoll_create1(EPOLL_CLOEXEC), open = STREAMS;
    for (int i = 0; i < STREAMS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) != 0)
            handlers_die("epoll_ctl");
    }
    while (open > 0) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (recv(fd, bytes, sizeof bytes, 0) != HANDLERS_SIZE) {
                close(fd);
                open--;
            } else if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) != HANDLERS_SIZE) {
                handlers_die("send");
            }
        }
    }
    _exit(EXIT_SUCCESS);
}

/* Processor time in us and time in ms for each message. */
static void run_contestant(void *arg, double *ret_values)
{
    const struct contestant *contestant = arg;
    static int near[STREAMS], far[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            handlers_die("socketpair");
        near[i] = pair[0];
        far[i] = pair[1];
    }
    pid_t peer = fork();
    if (peer == 0) {
        for (int i = 0; i < STREAMS; i++)
            close(near[i]);
        answer(far);
    }
    for (int i = 0; i < STREAMS; i++)
        close(far[i]);
    const struct handlers handlers = {.fds = near, .streams = STREAMS, .messages = MESSAGES};
    uint64_t cpu_ns = figure_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t from_ns = figure_clock_ns(CLOCK_MONOTONIC);
    contestant->run(&handlers);
    ret_values[1] = (double)(figure_clock_ns(CLOCK_MONOTONIC) - from_ns) / 1e6 / MESSAGES;
    cpu_ns = figure_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    ret_values[0] = (double)cpu_ns / 1e3 / (STREAMS * MESSAGES);
    for (int i = 0; i < STREAMS; i++)
        close(near[i]);
    waitpid(peer, NULL, 0);
}

/* KiB for each. */
static void park_contestant(void *arg, double *ret_values)
{
    const struct contestant *contestant = arg;
    struct figure_memory before = figure_memory();
    contestant->park(contestant->parked);
    struct figure_memory after = figure_memory();
    size_t bytes = after.bytes + after.table_bytes - before.bytes - before.table_bytes;
    *ret_values = (double)bytes / 1024 / contestant->parked;
}

int main(int argc, char **argv)
{
    enum { CPU, WALL, MEMORY, FIGURES };
    struct figure figures[FIGURES] = {
        [CPU] = {.what = "handler: 5 ms, ask, end: processor time", .unit = "us"},
        [WALL] = {.what = "the same, how long each takes", .unit = "ms"},
        [MEMORY] = {.what = "memory of one that waits", .unit = "KiB", .at_most = 8}};
    bool json = figure_wants_json(argc, argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 2 * STREAMS + 64) {
        fprintf(stderr, "bench_handlers: %d descriptors are needed: raise 'ulimit -n'\n",
                2 * STREAMS + 64);
        return EXIT_FAILURE;
    }
    for (int round = 0; round < FIGURE_ROUNDS; round++) {
        for (size_t i = 0; i < FIGURE_CONTESTANTS; i++) {
            double values[2];
            if (!figure_apart(run_contestant, &contestants[i], values, 2))
                return EXIT_FAILURE;
            figure_note(&figures[CPU], i, values[0]);
            figure_note(&figures[WALL], i, values[1]);
            if (!figure_apart(park_contestant, &contestants[i], values, 1))
                return EXIT_FAILURE;
            figure_note(&figures[MEMORY], i, values[0]);
        }
    }
    for (size_t i = 0; i < FIGURES; i++) {
        for (size_t j = 0; j < FIGURE_CONTESTANTS; j++)
            figures[i].contestants[j].name = contestants[j].name;
    }
    figure_print_all("bench_handlers", figures, FIGURES, json);
    return EXIT_SUCCESS;
}

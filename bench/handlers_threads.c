/* SPDX-License-Identifier: MIT */
/* handlers_threads - a thread for each stream, which blocks. */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handlers.h"

struct stream {
    pthread_t thread;
    int fd;
    unsigned left;
};

static pthread_barrier_t parked;

static void *handle_all(void *arg)
{
    struct stream *stream = arg;
    char bytes[HANDLERS_SIZE] = "";
    for (; stream->left > 0; stream->left--) {
        nanosleep(&(struct timespec){.tv_nsec = HANDLERS_WAIT_MS * 1000000l}, NULL);
        if (send(stream->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != HANDLERS_SIZE)
            handlers_die("send");
        if (recv(stream->fd, bytes, sizeof bytes, 0) != HANDLERS_SIZE)
            handlers_die("recv");
    }
    return NULL;
}

void handlers_by_threads(const struct handlers *handlers)
{
    struct stream *streams = calloc(handlers->streams, sizeof *streams);
    if (streams == NULL)
        handlers_die("memory");
    for (unsigned i = 0; i < handlers->streams; i++) {
        streams[i].fd = handlers->fds[i];
        streams[i].left = handlers->messages;
        if (pthread_create(&streams[i].thread, NULL, handle_all, &streams[i]) != 0)
            handlers_die("thread");
    }
    for (unsigned i = 0; i < handlers->streams; i++)
        pthread_join(streams[i].thread, NULL);
    free(streams);
}

static void *park(void *arg)
{
    pthread_barrier_wait(&parked);
    pause();
    return arg;
}

void handlers_park_threads(unsigned count)
{
    pthread_barrier_init(&parked, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, park, NULL) != 0)
            handlers_die("thread");
    }
    pthread_barrier_wait(&parked);
}

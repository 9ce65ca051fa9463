/* SPDX-License-Identifier: MIT */
/* peer - the other end of a connection: a thread with a blocking socket that does as it is told. */
#ifndef ACKD_TESTS_UNIT_IO_PEER_H
#define ACKD_TESTS_UNIT_IO_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    void (*serve)(int fd, void *arg);
    void *arg;
};

/* Listen on 127.0.0.1 and let serve() have the first connection, which is closed when it returns.
 */
void peer_start(struct peer *peer, void (*serve)(int fd, void *arg), void *arg);
/* Wait for its end; one that still waits for a connection is told to stop waiting. */
void peer_stop(struct peer *peer);

/* A port on 127.0.0.1 that nothing listens on. */
uint16_t peer_free_port(void);
/* A listener that never accepts and whose queue is full: connections to it hang. */
int peer_hanging_listener(uint16_t *ret_port, int *ret_filler, size_t count);

/* All @size bytes, or as many as there are before the end. */
size_t peer_read(int fd, void *at, size_t size);
bool peer_write(int fd, const void *at, size_t size);
/* Close so that the other side gets a reset. */
void peer_reset(int fd);

#endif

/* SPDX-License-Identifier: MIT */
/* peer - blocking sockets on a thread. It must not know what it is a peer of. */
#include <config.h>

#include "peer.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int peer_listen(uint16_t *ret_port, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    /* Little, so that a large write does not disappear into the kernel. */
    int window = 64 * 1024;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void *peer_thread(void *arg)
{
    struct peer *peer = arg;
    int fd = accept(peer->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    int at_once = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    peer->serve(fd, peer->arg);
    close(fd);
    return NULL;
}

void peer_start(struct peer *peer, void (*serve)(int fd, void *arg), void *arg)
{
    *peer = (struct peer){.serve = serve, .arg = arg};
    peer->listener = peer_listen(&peer->port, 8);
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, peer_thread, peer), 0);
}

void peer_stop(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

uint16_t peer_free_port(void)
{
    uint16_t port = 0;
    int fd = peer_listen(&port, 1);
    close(fd);
    return port;
}

int peer_hanging_listener(uint16_t *ret_port, int *ret_filler, size_t count)
{
    int fd = peer_listen(ret_port, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(*ret_port)};
    for (size_t i = 0; i < count; i++) {
        ret_filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(ret_filler[i], (struct sockaddr *)&address, sizeof address);
    }
    return fd;
}

size_t peer_read(int fd, void *at, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t status = read(fd, (char *)at + got, size - got);
        if (status < 0 && errno == EINTR)
            continue;
        if (status <= 0)
            break;
        got += (size_t)status;
    }
    return got;
}

bool peer_write(int fd, const void *at, size_t size)
{
    while (size > 0) {
        ssize_t status = send(fd, at, size, MSG_NOSIGNAL);
        if (status < 0 && errno == EINTR)
            continue;
        if (status <= 0)
            return false;
        at = (const char *)at + status;
        size -= (size_t)status;
    }
    return true;
}

void peer_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    shutdown(fd, SHUT_RD);
}

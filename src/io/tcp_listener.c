/* SPDX-License-Identifier: MIT */
/* tcp_listener - listening and accepting, of <ackd/tcp.h>. It must not know what comes of it. */
#include <config.h>

#include <ackd/error.h>
#include <ackd/name.h>
#include <ackd/tcp.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/address.h"
#include "io/loop_uv.h"
#include "io/tcp.h"
#include "io/watch.h"

#define TCP_LISTENER_MAGIC UINT32_C(0x6c697374)

struct ackd_tcp_listener {
    uint32_t magic;
    uint16_t port;
    bool path; /* name is one, and the file is ours to remove */
    struct watch watch;
    char name[ADDRESS_NAME_SIZE];
};

static void tcp_listener_closed(void *arg)
{
    struct ackd_tcp_listener *listener = OBJECT_CAST(ackd_tcp_listener, TCP_LISTENER_MAGIC, arg);
    listener->magic = 0;
    free(listener);
}

/* Around @fd, which is bound and listens. Takes it, also on failure. */
static int tcp_listener_new(struct loop *loop, int fd, const struct sockaddr *address,
                            socklen_t size, struct ackd_tcp_listener **ret_listener)
{
    struct ackd_tcp_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        close(fd);
        return ackd_fail(ACKD_E_NOMEM, "a listener");
    }
    listener->magic = TCP_LISTENER_MAGIC;
    listener->port = address_port(address);
    listener->path = address->sa_family == AF_UNIX;
    address_describe(address, size, listener->name, sizeof listener->name);
    int code = watch_open(&listener->watch, loop, fd, WAIT_SOCKET, tcp_listener_closed, listener);
    if (code != ACKD_OK) {
        close(fd);
        free(listener);
        return code;
    }
    *ret_listener = listener;
    return ACKD_OK;
}

/* The port that the kernel chose comes into @address. */
static int tcp_listener_bind(int fd, struct sockaddr *address, socklen_t size)
{
    const int yes = 1;
    socklen_t bound = size;
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address, size) != 0)
        return errno;
    if (address->sa_family != AF_UNIX && getsockname(fd, address, &bound) != 0)
        return errno;
    return listen(fd, SOMAXCONN) == 0 ? 0 : errno;
}

static int tcp_listener_open(struct loop *loop, struct sockaddr *address, socklen_t size,
                             const struct watch_caller *caller,
                             struct ackd_tcp_listener **ret_listener)
{
    int fd;
    ACKD_TRY(tcp_make_socket(address, caller, &fd));
    int os_code = tcp_listener_bind(fd, address, size);
    if (os_code == 0)
        return tcp_listener_new(loop, fd, address, size, ret_listener);
    close(fd);
    errno = os_code;
    return ackd_fail_at(ACKD_E_OS, caller->file, caller->line, caller->function,
                        "cannot listen at %s: %s", caller->what, strerror(os_code));
}

static int tcp_listener_open_path(struct loop *loop, const char *path,
                                  const struct watch_caller *caller,
                                  struct ackd_tcp_listener **ret_listener)
{
    struct sockaddr_un address;
    socklen_t size;
    if (!tcp_path_address(path, &address, &size))
        return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                            "the path of a socket is too long: '%s'", path);
    return tcp_listener_open(loop, (struct sockaddr *)&address, size, caller, ret_listener);
}

/* All addresses: those of IPv6 include those of IPv4, where there is IPv6. */
static int tcp_listener_open_any(struct loop *loop, uint16_t port,
                                 const struct watch_caller *caller,
                                 struct ackd_tcp_listener **ret_listener)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int code = tcp_listener_open(loop, (struct sockaddr *)&six, sizeof six, caller, ret_listener);
    if (code != ACKD_E_OS || ackd_error_errno(ackd_error_current()) == EADDRINUSE)
        return code;
    return tcp_listener_open(loop, (struct sockaddr *)&four, sizeof four, caller, ret_listener);
}

int ackd_tcp_listen_at(const char *host, uint16_t port, struct ackd_tcp_listener **ret_listener,
                       const char *file, int line, const char *function)
{
    char name[ADDRESS_NAME_SIZE] = "";
    const struct watch_caller caller = {name, file, function, line, NULL};
    struct ackd_address address;
    struct loop *loop;
    size_t count;
    if (host != NULL && host[0] == '/')
        snprintf(name, sizeof name, "%s", host);
    else
        snprintf(name, sizeof name, "%s:%u", host == NULL ? "*" : host, (unsigned)port);
    ACKD_TRY(wait_check(file, line, function));
    ACKD_TRY(watch_find_loop(&loop, &caller));
    if (host == NULL)
        return tcp_listener_open_any(loop, port, &caller, ret_listener);
    if (host[0] == '/')
        return tcp_listener_open_path(loop, host, &caller, ret_listener);
    ACKD_TRY(ackd_resolve_at(host, port, &address, 1, &count, file, line, function));
    return tcp_listener_open(loop, (struct sockaddr *)address.socket,
                             (socklen_t)address.socket_size, &caller, ret_listener);
}

void ackd_tcp_listener_close(struct ackd_tcp_listener **listener)
{
    struct ackd_tcp_listener *old = *listener;
    if (old == NULL)
        return;
    *listener = NULL;
    ackd_assert(old->magic == TCP_LISTENER_MAGIC);
    if (old->path)
        (void)unlink(old->name);
    int fd = watch_close(&old->watch);
    ackd_assert(fd >= 0);
    close(fd);
}

uint16_t ackd_tcp_listener_port(const struct ackd_tcp_listener *listener)
{
    return listener->port;
}

static bool tcp_listener_is_passing(int os_code)
{
    /* accept(2): a connection that ended while it waited tells of itself here. */
    return os_code == EINTR || os_code == ECONNABORTED || os_code == EPROTO ||
           os_code == ENETDOWN || os_code == ENOPROTOOPT || os_code == EHOSTDOWN ||
           os_code == ENONET || os_code == EHOSTUNREACH || os_code == ENETUNREACH;
}

static int tcp_listener_accept_inside(struct ackd_tcp_listener *listener, int *ret_fd, char *peer,
                                      const struct watch_caller *caller)
{
    struct sockaddr_storage address;
    for (;;) {
        socklen_t size = sizeof address;
        *ret_fd = accept4(listener->watch.fd, (struct sockaddr *)&address, &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (*ret_fd >= 0) {
            if (listener->path)
                snprintf(peer, ADDRESS_NAME_SIZE, "%s", listener->name);
            else
                address_describe((struct sockaddr *)&address, size, peer, ADDRESS_NAME_SIZE);
            return ACKD_OK;
        }
        if (errno == EAGAIN)
            ACKD_TRY(watch_await(&listener->watch, WATCH_READ, caller));
        else if (tcp_listener_is_passing(errno))
            ACKD_TRY(watch_again(&listener->watch, caller));
        else
            return tcp_fail_socket(errno, caller);
    }
}

int ackd_tcp_accept_at(struct ackd_tcp_listener *listener, struct ackd_tcp **ret_tcp,
                       const char *file, int line, const char *function)
{
    char peer[ADDRESS_NAME_SIZE];
    int fd;
    if (listener == NULL || listener->magic != TCP_LISTENER_MAGIC)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "the listener is not open");
    const struct watch_caller caller = {listener->name, file, function, line, NULL};
    struct watch *watch = &listener->watch;
    struct loop *loop = watch->loop;
    ACKD_TRY(watch_check_loop(loop, &caller));
    int code = watch_enter(watch, WATCH_READ, &caller);
    if (code != ACKD_OK)
        return code;
    code = watch_leave(watch, WATCH_READ, tcp_listener_accept_inside(listener, &fd, peer, &caller));
    return code == ACKD_OK ? tcp_adopt(loop, fd, peer, ret_tcp) : code;
}

/* SPDX-License-Identifier: MIT */
/*
 * tcp - connections of <ackd/tcp.h>. It must not know what is said on them.
 *
 * Each address that is tried has a handle of its own: libuv is done with one only in the next round
 * of the loop.
 */
#include <config.h>

#include "io/tcp.h"

#include <ackd/cancel.h>
#include <ackd/error.h>
#include <ackd/name.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/address.h"
#include "io/loop_uv.h"
#include "io/transfer.h"

#define TCP_MAGIC UINT32_C(0x74637021)

enum {
    TCP_ADDRESSES_MAX = 16,  /* of a host that are tried */
    TCP_TRY_MS = 10000,      /* for each of them */
    TCP_ATTEMPTS_SIZE = 512, /* of text about those that failed */
    TCP_NAME_SIZE = 300      /* of host and port */
};

struct ackd_tcp {
    uint32_t magic;
    bool shut; /* by ackd_tcp_shutdown */
    struct watch watch;
    char peer[ADDRESS_NAME_SIZE];
};

static void tcp_closed(void *arg)
{
    struct ackd_tcp *tcp = OBJECT_CAST(ackd_tcp, TCP_MAGIC, arg);
    tcp->magic = 0;
    free(tcp);
}

/* What is sent goes out at once; sockets of the file system know no delay. */
static void tcp_set_nodelay(int fd)
{
    const int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static int tcp_new(struct loop *loop, int fd, const char *peer, struct ackd_tcp **ret_tcp)
{
    struct ackd_tcp *tcp = calloc(1, sizeof *tcp);
    if (tcp == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a connection to %s", peer);
    tcp->magic = TCP_MAGIC;
    snprintf(tcp->peer, sizeof tcp->peer, "%s", peer);
    int code = watch_open(&tcp->watch, loop, fd, WAIT_SOCKET, tcp_closed, tcp);
    if (code != ACKD_OK) {
        free(tcp);
        return code;
    }
    tcp_set_nodelay(fd);
    *ret_tcp = tcp;
    return ACKD_OK;
}

int tcp_adopt(struct loop *loop, int fd, const char *peer, struct ackd_tcp **ret_tcp)
{
    int code = tcp_new(loop, fd, peer, ret_tcp);
    if (code != ACKD_OK)
        close(fd);
    return code;
}

bool tcp_path_address(const char *path, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
    size_t length = strlen(path);
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length >= sizeof ret_address->sun_path)
        return false;
    memcpy(ret_address->sun_path, path, length + 1);
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return true;
}

int tcp_fail_socket(int os_code, const struct watch_caller *caller)
{
    if (os_code == EMFILE || os_code == ENFILE)
        return ackd_fail_at(ACKD_E_FULL, caller->file, caller->line, caller->function,
                            "no descriptor is left for a connection (%s): raise LimitNOFILE",
                            caller->what);
    errno = os_code;
    return ackd_fail_at(ACKD_E_OS, caller->file, caller->line, caller->function,
                        "no socket for '%s': %s", caller->what, strerror(os_code));
}

int tcp_make_socket(const struct sockaddr *address, const struct watch_caller *caller, int *ret_fd)
{
    *ret_fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return *ret_fd >= 0 ? ACKD_OK : tcp_fail_socket(errno, caller);
}

/* Why a connection was not made: the text is a part of what ackd_tcp_connect says. */
static int tcp_refused(int os_code)
{
    if (os_code == ECONNREFUSED || os_code == ENOENT)
        return ackd_fail(ACKD_E_REFUSED, "nothing listens there");
    if (os_code == EAGAIN)
        return ackd_fail(ACKD_E_REFUSED, "more connections wait there than it allows");
    if (os_code == ETIMEDOUT)
        return ackd_fail(ACKD_E_TIMEOUT, "no answer");
    errno = os_code;
    return ackd_fail(ACKD_E_OS, "%s", strerror(os_code));
}

static int tcp_connect_inside(struct ackd_tcp *tcp, const struct sockaddr *address, socklen_t size,
                              const struct watch_caller *caller)
{
    if (connect(tcp->watch.fd, address, size) == 0)
        return ACKD_OK;
    if (errno != EINPROGRESS && errno != EINTR)
        return tcp_refused(errno);
    ACKD_TRY(watch_await(&tcp->watch, WATCH_WRITE, caller));
    int os_code = 0;
    socklen_t os_code_size = sizeof os_code;
    if (getsockopt(tcp->watch.fd, SOL_SOCKET, SO_ERROR, &os_code, &os_code_size) != 0)
        os_code = errno;
    return os_code == 0 ? ACKD_OK : tcp_refused(os_code);
}

/* One address, for @ms at most. */
static int tcp_try(struct loop *loop, const struct sockaddr *address, socklen_t size, uint64_t ms,
                   const struct watch_caller *caller, struct ackd_tcp **ret_tcp)
{
    char peer[ADDRESS_NAME_SIZE];
    int fd;
    address_describe(address, size, peer, sizeof peer);
    ACKD_TRY(tcp_make_socket(address, caller, &fd));
    ACKD_TCP(tcp);
    ACKD_TRY(tcp_adopt(loop, fd, peer, &tcp));
    const struct watch_caller inside = {tcp->peer, caller->file, caller->function, caller->line,
                                        NULL};
    struct ackd_deadline limit;
    ackd_deadline_push(&limit, ms);
    int code = watch_enter(&tcp->watch, WATCH_WRITE, &inside);
    if (code == ACKD_OK)
        code =
            watch_leave(&tcp->watch, WATCH_WRITE, tcp_connect_inside(tcp, address, size, &inside));
    bool limited = code == ACKD_CANCELED;
    code = ackd_deadline_pop(&limit, code);
    if (limited && code == ACKD_E_TIMEOUT)
        return ackd_fail(ACKD_E_TIMEOUT, "no answer within %llu ms", (unsigned long long)ms);
    if (code != ACKD_OK)
        return code;
    *ret_tcp = tcp;
    tcp = NULL;
    return ACKD_OK;
}

/* What one address has of the time that is left, when @count are to be tried. */
static uint64_t tcp_share_ms(size_t count)
{
    uint64_t left_ms = ackd_time_left_ms();
    if (left_ms / count >= TCP_TRY_MS)
        return TCP_TRY_MS;
    return left_ms / count + 1; /* the deadline itself is for others to see */
}

static int tcp_try_each(struct loop *loop, const struct ackd_address *addresses, size_t count,
                        const struct watch_caller *caller, struct ackd_tcp **ret_tcp)
{
    char attempts[TCP_ATTEMPTS_SIZE] = "";
    size_t used = 0;
    int code = ACKD_OK;
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr *address = (const struct sockaddr *)addresses[i].socket;
        code = tcp_try(loop, address, (socklen_t)addresses[i].socket_size, tcp_share_ms(count - i),
                       caller, ret_tcp);
        if (code != ACKD_E_REFUSED && code != ACKD_E_TIMEOUT && code != ACKD_E_OS)
            return code;
        if (used < sizeof attempts)
            used += (size_t)snprintf(attempts + used, sizeof attempts - used, "%s%s: %s",
                                     i == 0 ? "" : "; ", addresses[i].text,
                                     ackd_error_text(ackd_error_current()));
        errno = ackd_error_errno(ackd_error_current());
    }
    return ackd_fail_at(code, caller->file, caller->line, caller->function,
                        "cannot connect to %s (%s)", caller->what, attempts);
}

static int tcp_connect_path(struct loop *loop, const char *path, const struct watch_caller *caller,
                            struct ackd_tcp **ret_tcp)
{
    struct sockaddr_un address;
    socklen_t size;
    if (!tcp_path_address(path, &address, &size))
        return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                            "the path of a socket is too long: '%s'", path);
    int code = tcp_try(loop, (const struct sockaddr *)&address, size, TCP_TRY_MS, caller, ret_tcp);
    if (code != ACKD_E_REFUSED && code != ACKD_E_TIMEOUT && code != ACKD_E_OS)
        return code;
    char why[TCP_ATTEMPTS_SIZE];
    snprintf(why, sizeof why, "%s", ackd_error_text(ackd_error_current()));
    errno = ackd_error_errno(ackd_error_current());
    return ackd_fail_at(code, caller->file, caller->line, caller->function,
                        "cannot connect to %s (%s)", path, why);
}

int ackd_tcp_connect_at(const char *host, uint16_t port, struct ackd_tcp **ret_tcp,
                        const char *file, int line, const char *function)
{
    char name[TCP_NAME_SIZE] = "";
    const struct watch_caller caller = {name, file, function, line, NULL};
    struct loop *loop;
    if (host != NULL && host[0] == '/')
        snprintf(name, sizeof name, "%s", host);
    else
        snprintf(name, sizeof name, "%s:%u", host == NULL ? "" : host, (unsigned)port);
    ACKD_TRY(wait_check(file, line, function));
    ACKD_TRY(watch_find_loop(&loop, &caller));
    if (host != NULL && host[0] == '/')
        return tcp_connect_path(loop, host, &caller, ret_tcp);
    struct ackd_address addresses[TCP_ADDRESSES_MAX];
    size_t count;
    ACKD_TRY(
        ackd_resolve_at(host, port, addresses, TCP_ADDRESSES_MAX, &count, file, line, function));
    return tcp_try_each(loop, addresses, count, &caller, ret_tcp);
}

int ackd_tcp_open(int fd, struct ackd_tcp **ret_tcp)
{
    const struct watch_caller caller = {"a socket", __FILE__, __func__, __LINE__,
                                        __builtin_return_address(0)};
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char peer[ADDRESS_NAME_SIZE];
    struct loop *loop;
    ACKD_TRY(watch_find_loop(&loop, &caller));
    if (getpeername(fd, (struct sockaddr *)&address, &size) != 0)
        return ackd_fail(ACKD_E_OS, "the descriptor %d is no connected socket: %s", fd,
                         strerror(errno));
    address_describe((const struct sockaddr *)&address, size, peer, sizeof peer);
    return tcp_new(loop, fd, peer, ret_tcp);
}

void ackd_tcp_close(struct ackd_tcp **tcp)
{
    struct ackd_tcp *old = *tcp;
    if (old == NULL)
        return;
    *tcp = NULL;
    ackd_assert(old->magic == TCP_MAGIC);
    int fd = watch_close(&old->watch);
    ackd_assert(fd >= 0);
    close(fd);
}

static int tcp_check(const struct ackd_tcp *tcp, const struct watch_caller *caller)
{
    if (tcp == NULL || tcp->magic != TCP_MAGIC)
        return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                            "the connection is not open");
    return watch_check_loop(tcp->watch.loop, caller);
}

/* @tcp may be NULL. */
static const char *tcp_name(const struct ackd_tcp *tcp)
{
    return tcp == NULL ? "a connection" : tcp->peer;
}

int ackd_tcp_read_at(struct ackd_tcp *tcp, void *buffer, size_t size, size_t *ret_size,
                     const char *file, int line, const char *function)
{
    const struct watch_caller caller = {tcp_name(tcp), file, function, line, NULL};
    size_t got;
    ACKD_TRY(tcp_check(tcp, &caller));
    int code = transfer_read(&tcp->watch, buffer, size, false, &got, &caller);
    if (code == ACKD_OK)
        *ret_size = got;
    return code;
}

int ackd_tcp_read_exactly_at(struct ackd_tcp *tcp, void *buffer, size_t size, size_t *ret_size,
                             const char *file, int line, const char *function)
{
    const struct watch_caller caller = {tcp_name(tcp), file, function, line, NULL};
    size_t got = 0;
    int code = tcp_check(tcp, &caller);
    if (code == ACKD_OK)
        code = transfer_read(&tcp->watch, buffer, size, true, &got, &caller);
    if (ret_size != NULL)
        *ret_size = got;
    return code;
}

int ackd_tcp_write_at(struct ackd_tcp *tcp, const void *data, size_t size, const char *file,
                      int line, const char *function)
{
    const struct watch_caller caller = {tcp_name(tcp), file, function, line, NULL};
    ACKD_TRY(tcp_check(tcp, &caller));
    if (tcp->shut)
        return ackd_fail_at(ACKD_E_CLOSED, file, line, function,
                            "writing to %s after ackd_tcp_shutdown", tcp->peer);
    return transfer_write(&tcp->watch, data, size, &caller);
}

int ackd_tcp_shutdown(struct ackd_tcp *tcp)
{
    const struct watch_caller caller = {tcp_name(tcp), __FILE__, __func__, __LINE__,
                                        __builtin_return_address(0)};
    ACKD_TRY(tcp_check(tcp, &caller));
    if (tcp->watch.inside[WATCH_WRITE])
        return ackd_fail(ACKD_E_INVAL, "a task writes to %s and has not ended", tcp->peer);
    if (tcp->shut)
        return ACKD_OK;
    if (shutdown(tcp->watch.fd, SHUT_WR) != 0)
        return ackd_fail(ACKD_E_DISCONNECTED, "ending what is written to %s: %s", tcp->peer,
                         strerror(errno));
    tcp->shut = true;
    return ACKD_OK;
}

const char *ackd_tcp_peer(const struct ackd_tcp *tcp)
{
    return tcp->peer;
}

int ackd_tcp_fd(const struct ackd_tcp *tcp)
{
    return tcp->watch.fd;
}

/* SPDX-License-Identifier: MIT */
/*
 * tcp - connections, by TCP and by sockets of the file system. What holds for all of <ackd/io.h>
 * holds here.
 *
 *     ACKD_TCP(stock);
 *     ACKD_TRY(ackd_tcp_connect("stock.internal", 7000, &stock));
 *     ACKD_TRY(ackd_tcp_write(stock, request, request_size));
 *     ACKD_TRY(ackd_tcp_read_exactly(stock, &answer, sizeof answer, NULL));
 *
 * A host that begins with '/' is the path of a socket in the file system; its port does not count.
 * Writing never raises SIGPIPE. Small writes are sent at once (TCP_NODELAY).
 */
#ifndef ACKD_TCP_H
#define ACKD_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

struct ackd_tcp;
struct ackd_tcp_listener;

/* Declare one, not yet opened, that is closed at the end of the block. */
#define ACKD_TCP(tcp) __attribute__((cleanup(ackd_tcp_close))) struct ackd_tcp *tcp = NULL
#define ACKD_TCP_LISTENER(listener) \
    __attribute__((cleanup(ackd_tcp_listener_close))) struct ackd_tcp_listener *listener = NULL

/*
 * Connect to @host, a name or an address. Its addresses are tried in turn until one answers, each
 * for its share of the time that is left to the task's deadline, 10 s at most; so one that is silent
 * does not keep the others from being tried. Where none answers, the text tells of each, and the
 * code of the last: ACKD_E_REFUSED where nothing listens there, ACKD_E_TIMEOUT, ACKD_E_OS
 * (unreachable, no descriptor left, ...). As for ackd_resolve: ACKD_E_RESOLVE, ACKD_E_INVAL,
 * ACKD_E_NOMEM. ACKD_CANCELED: there is no connection then.
 */
#define ackd_tcp_connect(host, port, ret_tcp) \
    ackd_tcp_connect_at((host), (port), (ret_tcp), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_tcp_connect_at(const char *host, uint16_t port,
                                               struct ackd_tcp **ret_tcp, const char *file,
                                               int line, const char *function);
/*
 * Take over @fd, a connected stream socket, to be closed with the handle; it is made non-blocking.
 * On failure it stays the caller's. Does not suspend. ACKD_E_OS; ACKD_E_NOMEM; ACKD_E_NOT_IN_TASK.
 */
ACKD_API ACKD_MUST_CHECK int ackd_tcp_open(int fd, struct ackd_tcp **ret_tcp);
/*
 * End it. What was written and not yet sent is sent by the kernel; where something came that nobody
 * read, the peer gets a reset instead. Does not wait. @tcp becomes NULL; NULL does nothing.
 */
ACKD_API void ackd_tcp_close(struct ackd_tcp **tcp);

/*
 * Wait for something to come and read at most @size bytes of it; *ret_size is 0 where the peer has
 * ended what it writes. A cancelled read has lost nothing. ACKD_E_DISCONNECTED where the peer reset
 * the connection or answers no more; ACKD_E_INVAL where another task reads; ACKD_E_CLOSED;
 * ACKD_E_WRONG_LOOP; ACKD_E_OS; ACKD_CANCELED.
 */
#define ackd_tcp_read(tcp, buffer, size, ret_size) \
    ackd_tcp_read_at((tcp), (buffer), (size), (ret_size), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_tcp_read_at(struct ackd_tcp *tcp, void *buffer, size_t size,
                                            size_t *ret_size, const char *file, int line,
                                            const char *function);
/*
 * Read exactly @size bytes. *ret_size (it may be NULL) is how many of them came, also where this
 * fails: they are at @buffer, and whoever is cancelled in the middle loses none. The codes of
 * ackd_tcp_read; ACKD_E_DISCONNECTED also where the end comes first.
 */
#define ackd_tcp_read_exactly(tcp, buffer, size, ret_size) \
    ackd_tcp_read_exactly_at((tcp), (buffer), (size), (ret_size), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_tcp_read_exactly_at(struct ackd_tcp *tcp, void *buffer, size_t size,
                                                    size_t *ret_size, const char *file, int line,
                                                    const char *function);
/*
 * Write all @size bytes: the kernel has them then, not yet the peer. ACKD_CANCELED with an unknown
 * part written, none at all where the caller was cancelled before. ACKD_E_DISCONNECTED where the
 * peer does not read any more; ACKD_E_CLOSED, also after ackd_tcp_shutdown; ACKD_E_INVAL where
 * another task writes; ACKD_E_WRONG_LOOP; ACKD_E_OS.
 */
#define ackd_tcp_write(tcp, data, size) ackd_tcp_write_at((tcp), (data), (size), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_tcp_write_at(struct ackd_tcp *tcp, const void *data, size_t size,
                                             const char *file, int line, const char *function);
/*
 * The end of what we write: the peer reads all of it and then its end. Reading goes on. Does not
 * suspend; a second time does nothing. ACKD_E_INVAL while a task writes; ACKD_E_WRONG_LOOP;
 * ACKD_E_DISCONNECTED where there is no connection any more.
 */
ACKD_API ACKD_MUST_CHECK int ackd_tcp_shutdown(struct ackd_tcp *tcp);

/* "192.0.2.1:7000", "[2001:db8::1]:7000", "/run/stock.socket"; lives as long as @tcp. */
ACKD_API const char *ackd_tcp_peer(const struct ackd_tcp *tcp);
/* Its descriptor, for getsockopt(2) and setsockopt(2); stays the handle's. */
ACKD_API int ackd_tcp_fd(const struct ackd_tcp *tcp);

/*
 * Listen at @host and @port: all addresses for NULL, a free port for 0. A socket in the file system
 * must not be there yet, and is removed when the listener is closed. The codes of ackd_resolve;
 * ACKD_E_OS where the address is taken or not ours.
 */
#define ackd_tcp_listen(host, port, ret_listener) \
    ackd_tcp_listen_at((host), (port), (ret_listener), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_tcp_listen_at(const char *host, uint16_t port,
                                              struct ackd_tcp_listener **ret_listener,
                                              const char *file, int line, const char *function);
/* @listener becomes NULL; NULL does nothing. Connections that it accepted stay. */
ACKD_API void ackd_tcp_listener_close(struct ackd_tcp_listener **listener);
/* The port it got; 0 for one in the file system. */
ACKD_API uint16_t ackd_tcp_listener_port(const struct ackd_tcp_listener *listener);

/*
 * Wait for a connection. A cancelled accept has taken none. ACKD_E_FULL where no descriptor is left:
 * the connection waits, so wait a little too before the next try. ACKD_E_INVAL where another task
 * accepts; ACKD_E_CLOSED; ACKD_E_WRONG_LOOP; ACKD_E_NOMEM; ACKD_E_OS; ACKD_CANCELED.
 */
#define ackd_tcp_accept(listener, ret_tcp) ackd_tcp_accept_at((listener), (ret_tcp), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_tcp_accept_at(struct ackd_tcp_listener *listener,
                                              struct ackd_tcp **ret_tcp, const char *file, int line,
                                              const char *function);

ACKD_END_DECLS

#endif

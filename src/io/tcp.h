/* SPDX-License-Identifier: MIT */
/* tcp - what the listener needs of connections. Private to io. */
#ifndef ACKD_IO_TCP_H
#define ACKD_IO_TCP_H

#include <ackd/tcp.h>
#include <sys/socket.h>

#include "io/watch.h"

/* The one of a connected socket, named @peer (copied). Takes @fd, also on failure. ACKD_E_OS,
 * ACKD_E_NOMEM. */
ACKD_MUST_CHECK int tcp_adopt(struct loop *loop, int fd, const char *peer,
                              struct ackd_tcp **ret_tcp);

/* The address of a socket in the file system; false where @path is too long. */
struct sockaddr_un;
bool tcp_path_address(const char *path, struct sockaddr_un *ret_address, socklen_t *ret_size);

/* A socket of the address's family that does not block. ACKD_E_FULL, ACKD_E_OS. */
ACKD_MUST_CHECK int tcp_make_socket(const struct sockaddr *address,
                                    const struct watch_caller *caller, int *ret_fd);

/* What @os_code means where no descriptor may be left: ACKD_E_FULL, else ACKD_E_OS. */
int tcp_fail_socket(int os_code, const struct watch_caller *caller);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * name - the addresses of a host. What holds for all of <ackd/io.h> holds here.
 */
#ifndef ACKD_NAME_H
#define ACKD_NAME_H

#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

enum { ACKD_ADDRESS_TEXT = 64 };

/* A value: nothing to be freed. */
struct ackd_address {
    char text[ACKD_ADDRESS_TEXT]; /* "192.0.2.1", "2001:db8::1", "fe80::1%eth0" */
    uint64_t socket[4];           /* for connect(2): a sockaddr_in or sockaddr_in6 with the port */
    size_t socket_size;           /* of it */
};

/*
 * Look up @host for TCP, as getaddrinfo(3) does, and put its first @max addresses at @addresses, in
 * the order in which they should be tried. An address in figures is taken as it is, without
 * suspending. A look-up that is cancelled goes on by itself and is forgotten; of all loops together
 * 16 are under way at a time, and more wait for one of them to end: a name server that is silent
 * needs a deadline. ACKD_E_RESOLVE, with what the resolver says; ACKD_E_INVAL for no host, one of
 * more than 255 bytes, or @max 0; ACKD_E_OS; ACKD_E_NOMEM; ACKD_CANCELED; ACKD_E_NOT_IN_TASK.
 */
#define ackd_resolve(host, port, addresses, max, ret_count) \
    ackd_resolve_at((host), (port), (addresses), (max), (ret_count), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_resolve_at(const char *host, uint16_t port,
                                           struct ackd_address *addresses, size_t max,
                                           size_t *ret_count, const char *file, int line,
                                           const char *function);

ACKD_END_DECLS

#endif

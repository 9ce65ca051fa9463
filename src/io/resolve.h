/* SPDX-License-Identifier: MIT */
/*
 * resolve - the addresses of a host, without blocking the loop. Private to io.
 *
 * A look-up runs on a detached thread of its own rather than in libuv's pool: a name server that
 * does not answer keeps a look-up for half a minute, during which it cannot be cancelled, and
 * neither the end of a loop nor that of the process waits for it.
 *
 *   R1  @done is called once, on the loop, never from inside resolve_start; not after
 * resolve_cancel.
 */
#ifndef ACKD_IO_RESOLVE_H
#define ACKD_IO_RESOLVE_H

#include <ackd/abi.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

struct resolve;

/*
 * Look @host up; both are borrowed for the call. done() gets the addresses, which it frees with
 * freeaddrinfo, or NULL and why not, as getaddrinfo(3) tells it. ACKD_E_OS, ACKD_E_NOMEM. Where 16
 * are under way, one that @waits begins when another ends; else it is ACKD_E_RESOLVE: too many hang
 * already. The two kinds do not hold up one another.
 */
ACKD_MUST_CHECK int resolve_start(struct loop *loop, const char *host, uint16_t port, bool waits,
                                  void (*done)(struct addrinfo *found, const char *why, void *arg),
                                  void *arg, struct resolve **ret_resolve);
/* Forget it; the thread ends by itself. @resolve becomes NULL. */
void resolve_cancel(struct resolve **resolve);

#endif

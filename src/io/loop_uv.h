/* SPDX-License-Identifier: MIT */
/*
 * loop_uv - the libuv side of a loop. Private to io: what is below it, and nobody above, knows that
 * there is libuv.
 */
#ifndef ACKD_IO_LOOP_UV_H
#define ACKD_IO_LOOP_UV_H

#include <ackd/error.h>
#include <errno.h>
#include <uv.h>

#include "io/loop.h"

uv_loop_t *loop_uv(struct loop *loop);

/*
 * Note that a handle watches @fd: two of them would take each other's events, and libuv tells only
 * while the first one is active. ACKD_E_OS (EEXIST) where one does already, ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int loop_claim(struct loop *loop, int fd);
void loop_disclaim(struct loop *loop, int fd);

struct progress;
struct watched;
/* Before it runs: publish its rounds in @progress, and tell @watched of its run. NULL: nobody looks.
 */
void loop_set_watched(struct loop *loop, struct watched *watched, struct progress *progress);

/* ackd_fail(ACKD_E_OS, ...) with the errno that libuv's @status stands for. */
#define loop_fail_os(status, ...) (errno = -(status), ackd_fail(ACKD_E_OS, __VA_ARGS__))

#endif

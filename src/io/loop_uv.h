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

/* ackd_fail(ACKD_E_OS, ...) with the errno that libuv's @status stands for. */
#define loop_fail_os(status, ...) (errno = -(status), ackd_fail(ACKD_E_OS, __VA_ARGS__))

#endif

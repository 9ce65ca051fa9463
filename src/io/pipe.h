/* SPDX-License-Identifier: MIT */
/* pipe - a pipe to or from a child, one end of which is ours and watched. Private to io. */
#ifndef ACKD_IO_PIPE_H
#define ACKD_IO_PIPE_H

#include <ackd/abi.h>
#include <stdbool.h>

#include "io/watch.h"

/*
 * Make a pipe and watch one end of it; *ret_other, the child's, is the caller's to close. @closed as
 * for watch_open. ACKD_E_OS.
 */
ACKD_MUST_CHECK int pipe_open(struct watch *pipe, struct loop *loop, bool reads,
                              void (*closed)(void *arg), void *arg, int *ret_other);
/* Close our end. A task that is parked on it wakes. Again does nothing. */
void pipe_close(struct watch *pipe);

#endif

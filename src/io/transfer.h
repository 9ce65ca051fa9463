/* SPDX-License-Identifier: MIT */
/*
 * transfer - reading and writing of what a watch watches: try, and wait where it would block.
 * Private to io.
 *
 * @caller->what is the name of the other end, for errors. As the calls of <ackd/io.h>: ACKD_CANCELED,
 * ACKD_E_CLOSED, ACKD_E_INVAL (another task does the same), ACKD_E_OS; with a socket
 * ACKD_E_DISCONNECTED where the connection is gone.
 */
#ifndef ACKD_IO_TRANSFER_H
#define ACKD_IO_TRANSFER_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "io/watch.h"

/*
 * Read at most @size bytes, and at least one unless it is at its end; all of them with @exactly,
 * or ACKD_E_DISCONNECTED. *ret_size counts those that came, also on failure.
 */
ACKD_SUSPENDS int transfer_read(struct watch *watch, void *buffer, size_t size, bool exactly,
                                size_t *ret_size, const struct watch_caller *caller);
/* Write all. To a pipe whose reader is gone: ACKD_E_CLOSED. */
ACKD_SUSPENDS int transfer_write(struct watch *watch, const void *data, size_t size,
                                 const struct watch_caller *caller);

#endif

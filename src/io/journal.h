/* SPDX-License-Identifier: MIT */
/*
 * journal - log records as datagrams of the journal's native protocol. Private to io.
 *
 * libsystemd's sd_journal_sendv waits while the journal's queue is full, which would stop a loop,
 * so the datagram is made and sent from here. The protocol:
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
 */
#ifndef ACKD_IO_JOURNAL_H
#define ACKD_IO_JOURNAL_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Whether descriptor @fd is a stream of the journal, as the service manager announces it. */
bool journal_is_stream(int fd);
/* Ready to send to the journal that listens at @path. ACKD_E_OS where none does. */
ACKD_MUST_CHECK int journal_open(const char *path, int *ret_fd);
/*
 * A record's fields, one a line: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, ACKD_EVENT, and ACKD_ with
 * the key in upper case for each of its own. A field that would not fit is left out. Returns the
 * length.
 */
size_t journal_format(const struct log_record *record, char *datagram, size_t size);
/* False where it could not be sent now. */
bool journal_send(int fd, const char *path, const char *datagram, size_t size);

#endif

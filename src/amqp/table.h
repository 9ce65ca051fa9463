/* SPDX-License-Identifier: MIT */
/*
 * table - encoded field tables: bounded before anything reads them, and walked where they lie.
 *
 * RabbitMQ relays whatever tables a publisher sends, 21,000 levels deep if he likes; librabbitmq
 * decodes them by recursion without a limit. So a table is scanned first, without recursion, and
 * the headers of a message are never made into a tree. The walk itself is ackd_headers_next of
 * <ackd/message.h>, defined here.
 *
 *   T1  After table_check said yes, every length inside is within its parent, so a walk needs no
 *       other memory and ends after at most TABLE_ENTRIES_MAX steps.
 */
#ifndef ACKD_AMQP_TABLE_H
#define ACKD_AMQP_TABLE_H

#include <ackd/abi.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TABLE_DEPTH_MAX = 32,    /* levels, the table itself is the first */
    TABLE_ENTRIES_MAX = 4096 /* entries and array values, of all levels together */
};

/*
 * Scan the @size bytes of entries at @entries (without the length in front of them). ACKD_E_POISON,
 * with a text that says which, for a table that is too deep, has too many entries, has a child that
 * is longer than its parent, or a value of unknown kind.
 */
ACKD_MUST_CHECK int table_check(const uint8_t *entries, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * copy - which properties and headers of a message are on a copy of it: the table copy.def.
 *
 * RabbitMQ acts on some of them, and would act on the copy: duplicate it, drop it, or close the
 * channel that publishes it. It must not know how they are encoded.
 *
 *   C1  Every property of class basic has a row, but cluster-id, which is reserved and never read.
 */
#ifndef ACKD_LEDGER_COPY_H
#define ACKD_LEDGER_COPY_H

#include <stddef.h>

enum copy_fate { COPY_KEEP, COPY_CARRY, COPY_DROP, COPY_SET };

enum copy_part { COPY_OF_PROPERTY, COPY_OF_HEADER, COPY_OF_PREFIX };

struct copy_row {
    enum copy_part part;
    const char *name;
    enum copy_fate fate;
    const char *why; /* "": nothing acts on it */
};

/* The whole table. */
const struct copy_row *copy_rows(size_t *ret_count);
/* What becomes of the header @name of @size bytes. Names are compared exactly, as by the broker. */
enum copy_fate copy_header_fate(const char *name, size_t size);

#endif

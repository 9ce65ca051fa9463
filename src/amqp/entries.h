/* SPDX-License-Identifier: MIT */
/*
 * entries - writing an encoded field table, an entry at a time, into memory of the caller's.
 *
 *   E1  An entry is written whole or not at all; what does not fit is told, and changes nothing.
 */
#ifndef ACKD_AMQP_ENTRIES_H
#define ACKD_AMQP_ENTRIES_H

#include <ackd/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entries {
    uint8_t *bytes; /* the caller's */
    size_t size;    /* of the entries so far */
    size_t room;    /* of @bytes */
};

/* Bytes that entries_text needs for a text of @size bytes, beside the text. */
size_t entries_text_overhead(const char *name);

/* Each returns whether the entry fitted. Names have at most 255 bytes, else it does not fit. */
bool entries_text(struct entries *entries, const char *name, const void *text, size_t size);
bool entries_integer(struct entries *entries, const char *name, int64_t integer);
/* An entry as it stands in another table. */
bool entries_same(struct entries *entries, struct ackd_bytes entry);
/* The same under another name: @prefix in front of its own. */
bool entries_prefixed(struct entries *entries, const char *prefix, struct ackd_bytes entry);

#endif

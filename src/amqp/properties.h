/* SPDX-License-Identifier: MIT */
/*
 * properties - the content header of a message, section 2.3.5.2 of AMQP 0-9-1, class basic.
 *
 * Read and written here and not by librabbitmq, because headers stay encoded: the library would
 * make a tree of every message's headers that nobody reads, and could not write ours. The tests
 * hold both against the library.
 */
#ifndef ACKD_AMQP_PROPERTIES_H
#define ACKD_AMQP_PROPERTIES_H

#include <ackd/abi.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/delivery.h"

struct channel_argument;

enum {
    PROPERTIES_CLASS = 60,      /* basic: the only class that has content */
    PROPERTIES_PREFIX_SIZE = 12 /* class, weight and body size, in front of the properties */
};

/* None at all. */
static inline void properties_clear(struct properties *properties)
{
    *properties = (struct properties){.delivery_mode = -1, .priority = -1, .headers.data = ""};
}

/* What properties_read does with a *@ret that is clear already. */
ACKD_MUST_CHECK int properties_add(const uint8_t *bytes, size_t size, struct arena *arena,
                                   struct properties *ret);

/*
 * Read the @size bytes of flags and properties at @bytes into *@ret, whose strings and headers will
 * be in @arena. ACKD_E_POISON, with a text, for what is malformed, has flags that do not exist, or
 * headers beyond the bounds of table.h; ACKD_E_NOMEM: *@ret is clear then.
 */
ACKD_MUST_CHECK static inline int properties_read(const uint8_t *bytes, size_t size,
                                                  struct arena *arena, struct properties *ret)
{
    properties_clear(ret);
    return properties_add(bytes, size, arena, ret);
}

/*
 * How many bytes properties_write will write: flags and properties, with @count string headers
 * @more behind those of @properties. ACKD_E_INVAL for a string over 255 bytes.
 */
ACKD_MUST_CHECK int properties_measure(const struct properties *properties,
                                       const struct channel_argument *more, size_t count,
                                       size_t *ret_size);
/* Write what was measured; returns the place behind it. */
uint8_t *properties_write(uint8_t *at, const struct properties *properties,
                          const struct channel_argument *more, size_t count);

#endif

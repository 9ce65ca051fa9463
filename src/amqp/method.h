/* SPDX-License-Identifier: MIT */
/*
 * method - the payload of method frames, by librabbitmq's codec.
 *
 * What is decoded lives in the pool, its strings in the bytes that were decoded; both are short:
 * whoever takes a method copies what he keeps. It must not know the state of anything.
 */
#ifndef ACKD_AMQP_METHOD_H
#define ACKD_AMQP_METHOD_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/librabbitmq.h"
#include "base/buffer.h"

enum method_from { METHOD_FROM_CLIENT = 1, METHOD_FROM_SERVER = 2, METHOD_FROM_BOTH = 3 };

enum {
    METHOD_NAME_MAX = 255, /* bytes of a short string */
    METHOD_ROOM = 2048,    /* payload bytes that any method without long strings and tables fits */
    METHOD_SETTLE_SIZE = 21, /* frame of basic.ack, nack, reject */
    METHOD_POOL_PAGE = 4096
};

/* "basic.deliver"; NULL for an id that does not exist. */
const char *method_name(uint32_t id);
/* Who may send it; 0 for an id that does not exist. */
unsigned method_from(uint32_t id);

/*
 * Decode the @size bytes of payload at @payload. The pool is recycled first. ACKD_E_PROTOCOL for an
 * unknown method, a malformed one or one whose table is beyond the bounds of table.h; ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int method_read(amqp_pool_t *pool, const uint8_t *payload, size_t size,
                                uint32_t *ret_id, void **ret_decoded);

/*
 * Append a whole frame to @output. @room: payload bytes that are enough, METHOD_ROOM where no table
 * or long string is in it. ACKD_E_FULL, ACKD_E_NOMEM: nothing was written. Short strings are of at
 * most METHOD_NAME_MAX bytes: see method_string.
 */
ACKD_MUST_CHECK int method_write(struct buffer *output, uint16_t channel, uint32_t id,
                                 const void *decoded, size_t room);

/* Write the METHOD_SETTLE_SIZE bytes of basic.ack, nack or reject; returns the place behind them.
 */
uint8_t *method_put_settle(uint8_t *at, uint16_t channel, uint32_t id, uint64_t tag, uint8_t bits);

/* A short string for the codec. ACKD_E_INVAL, naming @what, if it is longer than METHOD_NAME_MAX.
 */
ACKD_MUST_CHECK int method_string(const char *text, const char *what, amqp_bytes_t *ret_string);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * buffer - bytes that are appended at the end and taken from the front.
 *
 * Grows by doubling up to a bound, keeps its memory when emptied: after warm-up it does not
 * allocate.
 */
#ifndef ACKD_BASE_BUFFER_H
#define ACKD_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>

struct buffer {
    uint8_t *data;   /* owned */
    size_t start;    /* first byte not yet taken */
    size_t end;      /* behind the last byte */
    size_t capacity; /* of data, bytes */
    size_t limit;    /* bytes it never grows beyond */
};

void buffer_init(struct buffer *buffer, size_t limit);
void buffer_fini(struct buffer *buffer);

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* May be NULL while there are none. */
static inline const uint8_t *buffer_bytes(const struct buffer *buffer)
{
    return buffer->data == NULL ? NULL : buffer->data + buffer->start;
}

/* Room for @size more bytes, at *ret_at (NULL for 0 of an empty one). ACKD_E_FULL beyond the limit,
 * ACKD_E_NOMEM. */
ACKD_MUST_CHECK int buffer_reserve(struct buffer *buffer, size_t size, uint8_t **ret_at);
/* @size of the bytes reserved were filled. */
void buffer_commit(struct buffer *buffer, size_t size);
/* Reserve, copy, commit. */
ACKD_MUST_CHECK int buffer_append(struct buffer *buffer, const void *bytes, size_t size);
/* Take @size bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t size);
void buffer_clear(struct buffer *buffer);
/* Exchange the contents of two buffers; nothing is copied. */
void buffer_swap(struct buffer *one, struct buffer *other);

#endif

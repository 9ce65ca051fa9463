/* SPDX-License-Identifier: MIT */
/* buffer - a growing run of bytes. It must not know what the bytes mean. */
#include <config.h>

#include "base/buffer.h"

#include <ackd/error.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { BUFFER_SIZE_MIN = 4096 };

void buffer_init(struct buffer *buffer, size_t limit)
{
    ackd_assert(limit > 0);
    *buffer = (struct buffer){.limit = limit};
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.limit = buffer->limit};
}

static int buffer_grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity == 0 ? BUFFER_SIZE_MIN : buffer->capacity;
    while (capacity < needed && capacity < buffer->limit)
        capacity = capacity > buffer->limit / 2 ? buffer->limit : capacity * 2;
    if (capacity > buffer->limit)
        capacity = buffer->limit;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a buffer of %zu bytes", capacity);
    buffer->data = data;
    buffer->capacity = capacity;
    return ACKD_OK;
}

/*
 * To move what is left costs its size, so it is done when at least as much was taken: each byte
 * then moves once on average, however small the steps. At the limit there is no other way.
 */
static bool buffer_is_worth_moving(const struct buffer *buffer, size_t size)
{
    return buffer->start > 0 &&
           (buffer->start >= buffer_size(buffer) || size > buffer->limit - buffer->end);
}

int buffer_reserve(struct buffer *buffer, size_t size, uint8_t **ret_at)
{
    size_t used = buffer_size(buffer);
    if (size > buffer->limit - used)
        return ackd_fail(ACKD_E_FULL, "a buffer holds at most %zu bytes", buffer->limit);
    if (buffer->capacity - buffer->end < size && buffer_is_worth_moving(buffer, size)) {
        memmove(buffer->data, buffer->data + buffer->start, used);
        buffer->start = 0;
        buffer->end = used;
    }
    if (buffer->capacity - buffer->end < size)
        ACKD_TRY(buffer_grow(buffer, buffer->end + size));
    *ret_at = buffer->data == NULL ? NULL : buffer->data + buffer->end;
    return ACKD_OK;
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    ackd_assert(size <= buffer->capacity - buffer->end);
    buffer->end += size;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return ACKD_OK;
    uint8_t *at = NULL;
    ACKD_TRY(buffer_reserve(buffer, size, &at));
    memcpy(at, bytes, size);
    buffer_commit(buffer, size);
    return ACKD_OK;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    ackd_assert(size <= buffer_size(buffer));
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer_clear(buffer);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->start = 0;
    buffer->end = 0;
}

void buffer_swap(struct buffer *one, struct buffer *other)
{
    struct buffer kept = *one;
    *one = *other;
    *other = kept;
}

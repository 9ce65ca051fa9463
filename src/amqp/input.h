/* SPDX-License-Identifier: MIT */
/*
 * input - what was received and not yet taken, of a bounded size.
 *
 * A block that is kept, and for a frame that does not fit into it one that is let go behind that
 * frame. Memory is never taken where bytes arrive, only where they are looked at.
 */
#ifndef ACKD_AMQP_INPUT_H
#define ACKD_AMQP_INPUT_H

#include <ackd/abi.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct input {
    uint8_t *data;   /* block or large */
    size_t start;    /* first byte not yet taken */
    size_t end;      /* behind the last byte */
    size_t capacity; /* of data */
    uint8_t *block;  /* owned, the one that is kept */
    size_t block_size;
    uint8_t *large; /* owned; NULL without a frame that needs it */
};

/* ACKD_E_NOMEM. */
ACKD_MUST_CHECK int input_init(struct input *input, size_t size);
void input_fini(struct input *input);
/* A block of @size bytes instead; what was received stays. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int input_resize(struct input *input, size_t size);

static inline size_t input_size(const struct input *input)
{
    return input->end - input->start;
}

static inline const uint8_t *input_bytes(const struct input *input)
{
    return input->data + input->start;
}

/* There must be room for @size bytes from the first not yet taken. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int input_want(struct input *input, size_t size);
/* Where to receive; moves what is there to the front. At least one byte, if nothing else is wanted.
 */
void input_space(struct input *input, uint8_t **ret_at, size_t *ret_size);
void input_clear(struct input *input);

static inline void input_take(struct input *input, size_t size)
{
    ackd_assert(size <= input_size(input));
    input->start += size;
    if (input->start == input->end)
        input_clear(input);
}

#endif

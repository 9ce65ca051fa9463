/* SPDX-License-Identifier: MIT */
/* input - a block and, seldom, a larger one. It must not know what the bytes mean. */
#include <config.h>

#include "amqp/input.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

int input_init(struct input *input, size_t size)
{
    *input = (struct input){0};
    input->block = malloc(size);
    if (input->block == NULL)
        return ackd_fail(ACKD_E_NOMEM, "an input buffer of %zu bytes", size);
    input->block_size = size;
    input->data = input->block;
    input->capacity = size;
    return ACKD_OK;
}

void input_fini(struct input *input)
{
    free(input->large);
    free(input->block);
    *input = (struct input){0};
}

/* What is there goes to @data, which becomes the current memory. */
static void input_move(struct input *input, uint8_t *data, size_t capacity)
{
    size_t size = input_size(input);
    ackd_assert(size <= capacity);
    if (size > 0)
        memcpy(data, input_bytes(input), size);
    input->data = data;
    input->capacity = capacity;
    input->start = 0;
    input->end = size;
}

int input_resize(struct input *input, size_t size)
{
    ackd_assert(input->large == NULL);
    uint8_t *block = malloc(size);
    if (block == NULL)
        return ackd_fail(ACKD_E_NOMEM, "an input buffer of %zu bytes", size);
    input_move(input, block, size);
    free(input->block);
    input->block = block;
    input->block_size = size;
    return ACKD_OK;
}

int input_want(struct input *input, size_t size)
{
    if (size <= input->capacity)
        return ACKD_OK;
    uint8_t *large = malloc(size);
    if (large == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a frame of %zu bytes", size);
    input_move(input, large, size);
    free(input->large);
    input->large = large;
    return ACKD_OK;
}

void input_space(struct input *input, uint8_t **ret_at, size_t *ret_size)
{
    size_t size = input_size(input);
    if (input->start > 0) {
        memmove(input->data, input_bytes(input), size);
        input->start = 0;
        input->end = size;
    }
    *ret_at = input->data + size;
    *ret_size = input->capacity - size;
}

void input_clear(struct input *input)
{
    input->start = 0;
    input->end = 0;
    if (input->large == NULL)
        return;
    free(input->large);
    input->large = NULL;
    input->data = input->block;
    input->capacity = input->block_size;
}

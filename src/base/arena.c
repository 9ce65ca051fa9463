/* SPDX-License-Identifier: MIT */
/* arena - a bump pointer over blocks. It must not know what is kept in it. */
#include <config.h>

#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { ARENA_BLOCK_SIZE = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of bytes */
    max_align_t bytes[];
};

void arena_init(struct arena *arena, void *first, size_t first_size)
{
    ackd_assert(first != NULL || first_size == 0);
    *arena = (struct arena){.first = first, .first_size = first_size};
    arena_reset(arena);
}

void arena_free_blocks(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

void arena_fini(struct arena *arena)
{
    arena->first = NULL;
    arena->first_size = 0;
    arena_reset(arena);
}

void arena_wipe(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block != NULL; block = block->next)
        explicit_bzero(block->bytes, block->size);
    if (arena->first != NULL)
        explicit_bzero(arena->first, arena->first_size);
    arena_fini(arena);
}

/* A block that has room for @size more bytes becomes the current one. */
static bool arena_grow(struct arena *arena, size_t size)
{
    size_t room = size < ARENA_BLOCK_SIZE ? ARENA_BLOCK_SIZE : size;
    if (room > PTRDIFF_MAX - sizeof(struct arena_block))
        return false;
    struct arena_block *block = malloc(sizeof *block + room);
    if (block == NULL)
        return false;
    block->next = arena->blocks;
    block->size = room;
    arena->blocks = block;
    arena->at = (uint8_t *)block->bytes;
    arena->end = arena->at + room;
    return true;
}

static void *arena_take(struct arena *arena, size_t size, size_t alignment)
{
    size_t gap = -(uintptr_t)arena->at & (alignment - 1);
    size_t room = (size_t)(arena->end - arena->at);
    /* Without any block even nothing has no place: NULL would say that memory is out. */
    if (arena->at == NULL || room < gap || room - gap < size) {
        if (!arena_grow(arena, size))
            return NULL;
        gap = 0;
    }
    uint8_t *taken = arena->at + gap;
    arena->at = taken + size;
    return taken;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return arena_take(arena, size, _Alignof(max_align_t));
}

void *arena_alloc_elsewhere(struct arena *arena, size_t size)
{
    return arena_take(arena, size, 1);
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = arena_take(arena, size + 1, 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : arena_take(arena, (size_t)length + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

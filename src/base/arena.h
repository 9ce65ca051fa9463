/* SPDX-License-Identifier: MIT */
/*
 * arena - memory that is let go as a whole.
 *
 * An arena takes from a first block that its owner gave it, then from blocks of its own. It never
 * frees one allocation. A reset keeps nothing but the first block, so an arena that fits into it
 * never allocates.
 */
#ifndef ACKD_BASE_ARENA_H
#define ACKD_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    uint8_t *at;                /* next free byte */
    uint8_t *end;               /* of the current block */
    uint8_t *first;             /* the owner's block; may be NULL */
    size_t first_size;          /* bytes */
    struct arena_block *blocks; /* of its own, newest first */
};

/* @first of @first_size bytes is borrowed until arena_fini; NULL and 0 for none. */
void arena_init(struct arena *arena, void *first, size_t first_size);
void arena_fini(struct arena *arena);
/* The same, after everything that was taken has been overwritten: for what holds secrets. */
void arena_wipe(struct arena *arena);
/* The blocks of its own. */
void arena_free_blocks(struct arena *arena);
/* Let go of everything that was taken. */
static inline void arena_reset(struct arena *arena)
{
    if (__builtin_expect(arena->blocks != NULL, 0))
        arena_free_blocks(arena);
    arena->at = arena->first;
    arena->end = arena->first == NULL ? NULL : arena->first + arena->first_size;
}

/* @size bytes aligned for any type, not zeroed; NULL when out of memory (no error is set). */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));
/* What is left to do where the current block has no room for @size bytes at any alignment. */
void *arena_alloc_elsewhere(struct arena *arena, size_t size)
    __attribute__((malloc, alloc_size(2)));

/* @size bytes at any alignment: for bytes and texts. */
static inline __attribute__((malloc, alloc_size(2))) void *arena_alloc_bytes(struct arena *arena,
                                                                             size_t size)
{
    uint8_t *taken = arena->at;
    /* Without any block even nothing has no place: NULL would say that memory is out. */
    if (__builtin_expect(taken == NULL || (size_t)(arena->end - taken) < size, 0))
        return arena_alloc_elsewhere(arena, size);
    arena->at = taken + size;
    return taken;
}
/* A terminated copy of @size bytes. */
char *arena_strndup(struct arena *arena, const char *text, size_t size);
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif

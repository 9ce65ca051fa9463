/* SPDX-License-Identifier: MIT */
/* memory - memory of a task for tests without tasks: it goes with memory_reset. */
#include <config.h>

#include "memory.h"

#include <ackd/memory.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"

static struct arena memory;

void memory_reset(void)
{
    arena_reset(&memory);
}

void *ackd_alloc(size_t size)
{
    return arena_alloc(&memory, size);
}

char *ackd_strdup(const char *text)
{
    return arena_strndup(&memory, text, strlen(text));
}

char *ackd_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(&memory, format, args);
    va_end(args);
    return text;
}

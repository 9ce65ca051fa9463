/* SPDX-License-Identifier: MIT */
/* entries - see the header. */
#include <config.h>

#include "amqp/entries.h"

#include <string.h>

#include "amqp/wire.h"

enum { ENTRIES_NAME_MAX = 255 };

/* Room for a name made of two parts, its kind, and @size bytes behind that; NULL if there is none. */
static uint8_t *entries_begin(struct entries *entries, const char *prefix, const char *name,
                              size_t name_size, char kind, size_t size)
{
    size_t prefix_size = strlen(prefix);
    if (prefix_size + name_size > ENTRIES_NAME_MAX)
        return NULL;
    size_t head = 1 + prefix_size + name_size + 1;
    size_t left = entries->room - entries->size;
    if (left < head || left - head < size)
        return NULL;
    uint8_t *at = wire_put_8(entries->bytes + entries->size, (uint8_t)(prefix_size + name_size));
    memcpy(at, prefix, prefix_size);
    at += prefix_size;
    if (name_size > 0)
        memcpy(at, name, name_size);
    entries->size += head + size;
    return wire_put_8(at + name_size, (uint8_t)kind);
}

size_t entries_text_overhead(const char *name)
{
    return 1 + strlen(name) + 1 + 4;
}

bool entries_text(struct entries *entries, const char *name, const void *text, size_t size)
{
    uint8_t *at =
        size > UINT32_MAX ? NULL : entries_begin(entries, "", name, strlen(name), 'S', 4 + size);
    if (at == NULL)
        return false;
    at = wire_put_32(at, (uint32_t)size);
    if (size > 0)
        memcpy(at, text, size);
    return true;
}

bool entries_integer(struct entries *entries, const char *name, int64_t integer)
{
    uint8_t *at = entries_begin(entries, "", name, strlen(name), 'l', 8);
    if (at == NULL)
        return false;
    wire_put_64(at, (uint64_t)integer);
    return true;
}

bool entries_same(struct entries *entries, struct ackd_bytes entry)
{
    return entries_prefixed(entries, "", entry);
}

bool entries_prefixed(struct entries *entries, const char *prefix, struct ackd_bytes entry)
{
    const uint8_t *from = entry.data;
    size_t name_size = from[0];
    const uint8_t *value = from + 1 + name_size; /* its kind first */
    size_t size = entry.size - 1 - name_size;
    uint8_t *at =
        entries_begin(entries, prefix, (const char *)from + 1, name_size, (char)value[0], size - 1);
    if (at == NULL)
        return false;
    if (size > 1)
        memcpy(at, value + 1, size - 1);
    return true;
}

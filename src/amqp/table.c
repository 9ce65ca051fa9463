/* SPDX-License-Identifier: MIT */
/*
 * table - the scan and the walk. Neither recurses, neither allocates; it must not know where a
 * table came from.
 */
#include <config.h>

#include "amqp/table.h"

#include <ackd/error.h>
#include <ackd/message.h>
#include <string.h>

#include "amqp/wire.h"

/* How long a value of each kind is: its bytes, or one of the two below. 0: no such kind. */
enum {
    TABLE_VOID = 0x40, /* has no bytes: told apart from kinds that do not exist */
    TABLE_LONG = 0x80  /* four bytes of length, then that many */
};

static const uint8_t table_sizes[256] = {
    ['t'] = 1,          ['b'] = 1,          ['B'] = 1,          ['s'] = 2,
    ['u'] = 2,          ['I'] = 4,          ['i'] = 4,          ['l'] = 8,
    ['L'] = 8,          ['f'] = 4,          ['d'] = 8,          ['D'] = 5,
    ['T'] = 8,          ['V'] = TABLE_VOID, ['S'] = TABLE_LONG, ['x'] = TABLE_LONG,
    ['A'] = TABLE_LONG, ['F'] = TABLE_LONG,
};

/* The length of the value of @kind at @at, which ends before @end; its bytes start at *ret_bytes.
 * False if it does not fit or there is no such kind. */
static bool table_measure(uint8_t kind, const uint8_t *at, const uint8_t *end,
                          const uint8_t **ret_bytes, size_t *ret_size)
{
    size_t room = (size_t)(end - at);
    size_t size = table_sizes[kind];
    *ret_bytes = at;
    if (size == TABLE_LONG) {
        if (room < 4)
            return false;
        size = wire_get_32(at);
        *ret_bytes = at + 4;
        room -= 4;
    } else if (size == TABLE_VOID) {
        size = 0;
    } else if (size == 0) {
        return false;
    }
    *ret_size = size;
    return size <= room;
}

/* One level of the scan. */
struct table_level {
    const uint8_t *end;
    bool array; /* values without names */
};

/* Behind the name of the entry at @at; NULL if it is longer than its table. */
static const uint8_t *table_skip_name(const uint8_t *at, const uint8_t *end)
{
    size_t name = (size_t)at[0] + 1;
    return name < (size_t)(end - at) ? at + name : NULL;
}

static int table_bad_value(uint8_t kind)
{
    if (table_sizes[kind] == 0)
        return ackd_fail(ACKD_E_POISON, "a header has a value of the unknown kind 0x%02x", kind);
    return ackd_fail(ACKD_E_POISON, "a header's value is longer than the table around it");
}

int table_check(const uint8_t *entries, size_t size)
{
    if (size == 0)
        return ACKD_OK;
    /* Not to be zeroed by the compiler for every message: a level is written before it is read. */
    struct table_level levels[TABLE_DEPTH_MAX] __attribute__((uninitialized));
    size_t depth = 0;
    size_t count = 0;
    const uint8_t *at = entries;
    levels[0] = (struct table_level){.end = entries + size};
    for (;;) {
        const struct table_level *level = &levels[depth];
        if (at == level->end) {
            if (depth == 0)
                return ACKD_OK;
            depth--;
            continue;
        }
        if (++count > TABLE_ENTRIES_MAX)
            return ackd_fail(ACKD_E_POISON, "more than %d headers", TABLE_ENTRIES_MAX);
        if (!level->array) {
            at = table_skip_name(at, level->end);
            if (at == NULL)
                return ackd_fail(ACKD_E_POISON, "a header's name is longer than its table");
        }
        uint8_t kind = *at;
        const uint8_t *bytes = NULL;
        size_t length = 0;
        if (!table_measure(kind, at + 1, level->end, &bytes, &length))
            return table_bad_value(kind);
        at = bytes;
        if (kind != 'F' && kind != 'A') {
            at += length;
            continue;
        }
        if (++depth == TABLE_DEPTH_MAX)
            return ackd_fail(ACKD_E_POISON, "headers nested deeper than %d", TABLE_DEPTH_MAX);
        levels[depth] = (struct table_level){.end = at + length, .array = kind == 'A'};
    }
}

static int64_t table_clamp(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static double table_real(const uint8_t *at, size_t size)
{
    if (size == 8) {
        uint64_t bits = wire_get_64(at);
        double real;
        memcpy(&real, &bits, sizeof real);
        return real;
    }
    uint32_t bits = wire_get_32(at);
    float real;
    memcpy(&real, &bits, sizeof real);
    return (double)real;
}

/* Numbers: the kinds that have a value of fixed size. */
static void table_number(uint8_t kind, const uint8_t *at, size_t size, struct ackd_header *header)
{
    header->kind = ACKD_HEADER_INTEGER;
    switch (kind) {
    case 't':
        header->kind = ACKD_HEADER_BOOLEAN;
        header->integer = at[0] != 0;
        break;
    case 'b':
        header->integer = (int8_t)at[0];
        break;
    case 'B':
        header->integer = at[0];
        break;
    case 's':
        header->integer = (int16_t)wire_get_16(at);
        break;
    case 'u':
        header->integer = wire_get_16(at);
        break;
    case 'I':
        header->integer = (int32_t)wire_get_32(at);
        break;
    case 'i':
        header->integer = wire_get_32(at);
        break;
    case 'l':
        header->integer = (int64_t)wire_get_64(at);
        break;
    case 'L':
        header->integer = table_clamp(wire_get_64(at));
        break;
    case 'T':
        header->kind = ACKD_HEADER_TIMESTAMP;
        header->integer = table_clamp(wire_get_64(at));
        break;
    case 'D':
        header->kind = ACKD_HEADER_DECIMAL;
        header->scale = at[0];
        header->integer = (int32_t)wire_get_32(at + 1);
        break;
    default: /* f, d */
        header->kind = ACKD_HEADER_REAL;
        header->real = table_real(at, size);
    }
}

static void table_value(uint8_t kind, const uint8_t *at, size_t size, struct ackd_header *header)
{
    switch (kind) {
    case 'V':
        header->kind = ACKD_HEADER_VOID;
        return;
    case 'S':
        header->kind = ACKD_HEADER_TEXT;
        break;
    case 'x':
        header->kind = ACKD_HEADER_BYTES;
        break;
    case 'F':
        header->kind = ACKD_HEADER_TABLE;
        break;
    case 'A':
        header->kind = ACKD_HEADER_ARRAY;
        break;
    default:
        table_number(kind, at, size, header);
        return;
    }
    header->bytes = (struct ackd_bytes){.data = at, .size = size};
}

/* Also safe on bytes that were never checked: a handler may hand in any. */
bool ackd_headers_next(struct ackd_headers *headers, struct ackd_header *ret)
{
    if (headers->rest.size == 0)
        return false;
    struct ackd_header header = {0};
    const uint8_t *at = headers->rest.data;
    const uint8_t *end = at + headers->rest.size;
    headers->rest.size = 0; /* where the rest is malformed, the walk ends */
    if (!headers->array) {
        header.name = (const char *)at + 1;
        header.name_size = at[0];
        at = table_skip_name(at, end);
        if (at == NULL)
            return false;
    }
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (!table_measure(at[0], at + 1, end, &bytes, &size))
        return false;
    table_value(at[0], bytes, size, &header);
    headers->rest.data = bytes + size;
    headers->rest.size = (size_t)(end - bytes) - size;
    *ret = header;
    return true;
}

struct ackd_headers ackd_header_inside(const struct ackd_header *header)
{
    if (header->kind != ACKD_HEADER_TABLE && header->kind != ACKD_HEADER_ARRAY)
        return (struct ackd_headers){.rest = {.data = "", .size = 0}};
    return (struct ackd_headers){.rest = header->bytes, .array = header->kind == ACKD_HEADER_ARRAY};
}

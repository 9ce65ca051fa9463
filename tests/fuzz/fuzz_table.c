/* SPDX-License-Identifier: MIT */
/*
 * fuzz_table - a table that passes the scan can be walked within its bounds, and librabbitmq decodes
 * it to as many entries.
 */
#include <config.h>

#include "fuzz.h"

#include <ackd/error.h>
#include <ackd/message.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/librabbitmq.h"
#include "amqp/table.h"
#include "amqp/wire.h"

/* Entries of all levels. As deep as a table may be, so it may recurse. */
static size_t walk(struct ackd_headers headers, size_t depth)
{
    size_t count = 0;
    struct ackd_header header;
    FUZZ_MUST(depth <= TABLE_DEPTH_MAX);
    while (ackd_headers_next(&headers, &header)) {
        const volatile uint8_t *bytes = header.bytes.data;
        if (header.bytes.size > 0)
            (void)(bytes[0] + bytes[header.bytes.size - 1]);
        FUZZ_MUST((header.name == NULL) == headers.array);
        count++;
        if (header.kind == ACKD_HEADER_TABLE || header.kind == ACKD_HEADER_ARRAY)
            count += walk(ackd_header_inside(&header), depth + 1);
    }
    FUZZ_MUST(headers.rest.size == 0);
    return count;
}

static int count_top(struct ackd_headers headers)
{
    int count = 0;
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header))
        count++;
    return count;
}

static void compare(const uint8_t *data, size_t size, int count)
{
    uint8_t *encoded = malloc(size + 4);
    amqp_pool_t pool;
    amqp_table_t table;
    size_t offset = 0;
    FUZZ_MUST(encoded != NULL);
    memcpy(wire_put_32(encoded, (uint32_t)size), data, size);
    init_amqp_pool(&pool, 4096);
    FUZZ_MUST(amqp_decode_table((amqp_bytes_t){.len = size + 4, .bytes = encoded}, &pool, &table,
                                &offset) == AMQP_STATUS_OK);
    FUZZ_MUST(table.num_entries == count);
    empty_amqp_pool(&pool);
    free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ackd_headers headers = {.rest = {.data = data, .size = size}};
    if (table_check(data, size) != ACKD_OK) {
        (void)count_top(headers); /* must end, and stay inside */
        return 0;
    }
    FUZZ_MUST(walk(headers, 1) <= TABLE_ENTRIES_MAX);
    if (size > 0)
        compare(data, size, count_top(headers));
    return 0;
}

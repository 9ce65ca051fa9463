/* SPDX-License-Identifier: MIT */
/*
 * fuzz_story - headers of anybody's, read as a story: nothing is believed of a stranger, and what is
 * believed is within its bounds. Then each is copied as on a letter, and reads the same.
 */
#include <config.h>

#include "fuzz.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/entries.h"
#include "amqp/table.h"
#include "host/story.h"
#include "ledger/copy.h"

static void read_by(const uint8_t *data, size_t size, const char *author, const char *user)
{
    struct delivery delivery = {.exchange = "", .routing_key = "work"};
    delivery.properties.user_id = author;
    delivery.properties.headers = (struct ackd_bytes){.data = data, .size = size};
    arena_init(&delivery.arena, NULL, 0);
    const struct story *story = story_read(&delivery, "work", user);
    FUZZ_MUST(story == NULL || user == NULL || author != NULL);
    if (story == NULL) {
        FUZZ_MUST(strcmp(delivery.routing_key, "work") == 0);
        FUZZ_MUST(delivery.properties.user_id == author);
    } else {
        FUZZ_MUST(story->failures <= INT32_MAX);
        FUZZ_MUST(delivery.exchange != NULL && delivery.routing_key != NULL);
        FUZZ_MUST(story->error.size <= size);
    }
    (void)story_delivery_count(&delivery);
    arena_fini(&delivery.arena);
}

/* All that is kept or carried, in a table that is a little too small, or not. */
static void copy(const uint8_t *data, size_t size, size_t room)
{
    struct entries entries = {.bytes = malloc(room == 0 ? 1 : room), .room = room};
    struct ackd_headers headers = {.rest = {.data = data, .size = size}};
    const uint8_t *at = data;
    struct ackd_header header;
    FUZZ_MUST(entries.bytes != NULL);
    while (ackd_headers_next(&headers, &header)) {
        const uint8_t *end = headers.rest.data;
        struct ackd_bytes entry = {.data = at, .size = (size_t)(end - at)};
        if (copy_header_fate(header.name, header.name_size) == COPY_KEEP)
            (void)entries_same(&entries, entry);
        else
            (void)entries_prefixed(&entries, STORY_ORIGINAL, entry);
        at = end;
    }
    FUZZ_MUST(entries.size <= room);
    FUZZ_MUST(table_check(entries.bytes, entries.size) == ACKD_OK);
    free(entries.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (table_check(data, size) != ACKD_OK)
        return 0;
    read_by(data, size, NULL, "ackd");
    read_by(data, size, "ackd", "ackd");
    read_by(data, size, NULL, NULL);
    copy(data, size, 20 * size + 64);
    copy(data, size, size / 2);
    return 0;
}

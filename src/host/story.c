/* SPDX-License-Identifier: MIT */
/* story - see the header. */
#include <config.h>

#include "host/story.h"

#include <string.h>

enum { STORY_ORIGINALS = 4 };

/* What is read, before anything of it is believed. */
struct story_reading {
    struct story story;
    struct ackd_bytes queue;
    struct ackd_bytes originals[STORY_ORIGINALS]; /* data NULL: not there */
    bool attempts;
};

static const char *const story_originals[STORY_ORIGINALS] = {STORY_EXCHANGE, STORY_ROUTING_KEY,
                                                             STORY_USER_ID, STORY_EXPIRATION};

static bool story_is(const struct ackd_header *header, const char *name)
{
    return header->name_size == strlen(name) && memcmp(header->name, name, header->name_size) == 0;
}

static void story_read_number(struct story_reading *reading, const struct ackd_header *header)
{
    uint64_t number = header->integer < 0 ? 0 : (uint64_t)header->integer;
    if (story_is(header, STORY_ATTEMPTS)) {
        reading->story.failures = number > INT32_MAX ? INT32_MAX : (uint32_t)number;
        reading->attempts = true;
    } else if (story_is(header, STORY_LEFT)) {
        reading->story.left_ms = number;
    } else if (story_is(header, STORY_EXPIRES)) {
        reading->story.expires_ms = number;
    }
}

static void story_read_text(struct story_reading *reading, const struct ackd_header *header)
{
    if (story_is(header, STORY_QUEUE))
        reading->queue = header->bytes;
    else if (story_is(header, STORY_ERROR))
        reading->story.error = header->bytes;
    else if (story_is(header, STORY_FIRST_FAILED))
        reading->story.first_failed = true;
    for (size_t i = 0; i < STORY_ORIGINALS; i++) {
        if (story_is(header, story_originals[i]))
            reading->originals[i] = header->bytes;
    }
}

static void story_read_headers(const struct delivery *delivery, struct story_reading *ret_reading)
{
    struct story_reading reading = {.attempts = false};
    struct ackd_headers headers = {.rest = delivery->properties.headers};
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        if (header.name_size < strlen(STORY_PREFIX) ||
            memcmp(header.name, STORY_PREFIX, strlen(STORY_PREFIX)) != 0)
            continue;
        if (header.kind == ACKD_HEADER_INTEGER)
            story_read_number(&reading, &header);
        else if (header.kind == ACKD_HEADER_TEXT)
            story_read_text(&reading, &header);
    }
    *ret_reading = reading;
}

/* Texts of the original, terminated; false: out of memory. */
static bool story_restore(struct delivery *delivery, const struct story_reading *reading)
{
    const char *texts[STORY_ORIGINALS] = {NULL};
    for (size_t i = 0; i < STORY_ORIGINALS; i++) {
        struct ackd_bytes bytes = reading->originals[i];
        if (bytes.data == NULL)
            continue;
        texts[i] = arena_strndup(&delivery->arena, bytes.data, bytes.size);
        if (texts[i] == NULL)
            return false;
    }
    delivery->exchange = texts[0] == NULL ? "" : texts[0];
    delivery->routing_key = texts[1] == NULL ? "" : texts[1];
    delivery->properties.user_id = texts[2];
    delivery->properties.expiration = texts[3];
    return true;
}

const struct story *story_read(struct delivery *delivery, const char *queue, const char *user)
{
    const char *author = delivery->properties.user_id;
    struct story_reading reading;
    if (user != NULL && (author == NULL || strcmp(author, user) != 0)) /* S1 */
        return NULL;
    story_read_headers(delivery, &reading);
    if (!reading.attempts || reading.queue.size != strlen(queue) ||
        memcmp(reading.queue.data, queue, reading.queue.size) != 0) /* S2 */
        return NULL;
    struct story *story = arena_alloc(&delivery->arena, sizeof *story);
    if (story == NULL || !story_restore(delivery, &reading))
        return NULL;
    *story = reading.story;
    return story;
}

int64_t story_delivery_count(const struct delivery *delivery)
{
    struct ackd_headers headers = {.rest = delivery->properties.headers};
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        if (header.kind == ACKD_HEADER_INTEGER && story_is(&header, "x-delivery-count"))
            return header.integer;
    }
    return -1;
}

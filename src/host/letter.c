/* SPDX-License-Identifier: MIT */
/* letter - see the header. */
#include <config.h>

#include "host/letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "amqp/channel.h"
#include "amqp/entries.h"
#include "amqp/properties.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/host.h"
#include "host/story.h"
#include "io/system.h"
#include "ledger/copy.h"

enum {
    LETTER_STORY_SIZE = 4096, /* all of a story but its error's text: names of up to 255 bytes */
    LETTER_ID_ROOM = 64,      /* of the header x-ackd-id that the publisher adds */
    LETTER_CUT_ROOM = 32      /* of the header that tells how many are missing */
};

struct letter {
    struct publisher_request request;
    struct job *job;
    letter_done *done;
    struct properties properties;
    struct entries entries;
    unsigned cut; /* headers that did not fit */
    struct arena arena;
};

/* The time now, as text; @text has 32 bytes. */
static const char *letter_time(const struct letter *letter, char *text)
{
    uint64_t now_ns = loop_wall_ns(letter->job->consumer->host->loop);
    time_t now_s = (time_t)(now_ns / NS_PER_S);
    struct tm parts;
    gmtime_r(&now_s, &parts);
    size_t size = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, 32 - size, ".%03uZ", (unsigned)(now_ns % NS_PER_S / NS_PER_MS));
    return text;
}

static bool letter_tell(struct letter *letter, const char *name, const char *text)
{
    return text == NULL || entries_text(&letter->entries, name, text, strlen(text));
}

static bool letter_count(struct letter *letter, const char *name, uint64_t number)
{
    return entries_integer(&letter->entries, name,
                           number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

/* Since 1970, in ms, when its life ends; 0: never. It has lived for an unknown while already. */
static uint64_t letter_expires_ms(const struct letter *letter)
{
    const struct job *job = letter->job;
    const char *expiration = job->delivery->properties.expiration;
    if (job->story != NULL)
        return job->story->expires_ms;
    if (expiration == NULL)
        return 0;
    return loop_wall_ns(job->consumer->host->loop) / NS_PER_MS + strtoull(expiration, NULL, 10);
}

/* What must be on each letter: how often it failed, and what its copy cannot carry itself. */
static bool letter_tell_original(struct letter *letter, const struct letter_text *text)
{
    const struct job *job = letter->job;
    const struct delivery *delivery = job->delivery;
    char now[32];
    uint64_t expires_ms = text->kind == LETTER_DEAD ? 0 : letter_expires_ms(letter);
    bool told = letter_count(letter, STORY_ATTEMPTS, text->failures) &&
                letter_tell(letter, STORY_QUEUE, job->message.queue) &&
                letter_tell(letter, STORY_EXCHANGE, delivery->exchange) &&
                letter_tell(letter, STORY_ROUTING_KEY, delivery->routing_key) &&
                letter_tell(letter, STORY_USER_ID, delivery->properties.user_id) &&
                letter_tell(letter, STORY_EXPIRATION, delivery->properties.expiration);
    if (expires_ms > 0)
        told = told && letter_count(letter, STORY_EXPIRES, expires_ms);
    if (text->left_ms > 0)
        told = told && letter_count(letter, STORY_LEFT, text->left_ms);
    if (text->kind == LETTER_SAME)
        return told;
    told = told && letter_tell(letter, STORY_FAILED, letter_time(letter, now));
    if (job->story == NULL || !job->story->first_failed)
        told = told && letter_tell(letter, STORY_FIRST_FAILED, now);
    return told;
}

/* The whole error tree in at most @max bytes, cut in the middle: its beginning and its end say most.
 */
static void letter_tell_error(struct letter *letter, const struct ackd_error *error, size_t max)
{
    static const char cut[] = "\n... cut ...\n";
    size_t overhead = entries_text_overhead(STORY_ERROR);
    size_t room = letter->entries.room - letter->entries.size;
    size_t length = ackd_error_format(error, NULL, 0);
    char *text = arena_alloc_bytes(&letter->arena, length + 1);
    if (text == NULL) {
        (void)letter_tell(letter, STORY_ERROR, "(out of memory)");
        return;
    }
    ackd_error_format(error, text, length + 1);
    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (max > room / 2)
        max = room / 2; /* the rest is for the publisher's headers */
    if (max < overhead + 2 * sizeof cut)
        return;
    if (length > max - overhead) {
        size_t half = (max - overhead - sizeof cut) / 2;
        memcpy(text + half, cut, sizeof cut - 1);
        memmove(text + half + sizeof cut - 1, text + length - half, half);
        length = 2 * half + sizeof cut - 1;
    }
    (void)entries_text(&letter->entries, STORY_ERROR, text, length);
}

/* What is good to know: what does not fit is left out. */
static void letter_tell_failure(struct letter *letter, const struct letter_text *text)
{
    const struct consumer *consumer = letter->job->consumer;
    const struct ackd_consumer *handler = plugin_consumer(consumer->plugin);
    const struct error_name code = error_name(ackd_error_code(text->error));
    char name[256];
    (void)letter_tell(letter, STORY_ERROR_ID, letter->request.id);
    (void)letter_tell(letter, STORY_ERROR_CODE, code.text);
    letter_tell_error(letter, text->error,
                      text->kind == LETTER_DEAD ? LETTER_ERROR_MAX : LETTER_ERROR_AGAIN_MAX);
    (void)letter_tell(letter, STORY_CONSUMER, consumer->config->name);
    system_hostname(name, sizeof name);
    (void)letter_tell(letter, STORY_HOST, name);
    snprintf(name, sizeof name, "%.120s %.120s", handler->name,
             handler->version == NULL ? "" : handler->version);
    (void)letter_tell(letter, STORY_HANDLER, name);
}

/* Whether the story of the message, which is believed, has a header that this letter tells anew. */
static bool letter_renews(const struct ackd_header *header, enum letter_kind kind)
{
    static const char *const always[] = {
        STORY_ATTEMPTS,    STORY_LEFT,    STORY_EXPIRES,    STORY_QUEUE, STORY_EXCHANGE,
        STORY_ROUTING_KEY, STORY_USER_ID, STORY_EXPIRATION, "x-ackd-id", STORY_CUT};
    static const char *const failed[] = {STORY_ERROR_CODE, STORY_ERROR, STORY_ERROR_ID,
                                         STORY_FAILED,     STORY_HOST,  STORY_CONSUMER,
                                         STORY_HANDLER};
    size_t failed_count = kind == LETTER_SAME ? 0 : sizeof failed / sizeof failed[0];
    size_t always_count = sizeof always / sizeof always[0];
    for (size_t i = 0; i < always_count + failed_count; i++) {
        const char *name = i < always_count ? always[i] : failed[i - always_count];
        if (strlen(name) == header->name_size && memcmp(name, header->name, header->name_size) == 0)
            return true;
    }
    return false;
}

/* One header of the message, as the table says; @carry: those that are told under another name. */
static bool letter_copy_header(struct letter *letter, const struct ackd_header *header,
                               struct ackd_bytes entry, enum letter_kind kind, bool carry)
{
    bool has_story = letter->job->story != NULL;
    switch (copy_header_fate(header->name, header->name_size)) {
    case COPY_KEEP:
        return carry || entries_same(&letter->entries, entry);
    case COPY_CARRY:
        /* Those of a copy of ours are of its way through a delay queue. */
        if (carry && !has_story)
            (void)entries_prefixed(&letter->entries, STORY_ORIGINAL, entry);
        return true;
    case COPY_DROP:
    case COPY_SET:
        /* The story goes on, where there is one. */
        if (carry && has_story && !letter_renews(header, kind) &&
            header->name_size > strlen(STORY_PREFIX) &&
            memcmp(header->name, STORY_PREFIX, strlen(STORY_PREFIX)) == 0)
            (void)entries_same(&letter->entries, entry);
        return true;
    }
    return true;
}

static void letter_copy_headers(struct letter *letter, enum letter_kind kind, bool carry)
{
    struct ackd_headers headers = {.rest = letter->job->delivery->properties.headers};
    const uint8_t *at = headers.rest.data;
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        const uint8_t *end = headers.rest.data;
        struct ackd_bytes entry = {.data = at, .size = (size_t)(end - at)};
        letter->cut += !letter_copy_header(letter, &header, entry, kind, carry);
        at = end;
    }
}

static void letter_take_properties(struct letter *letter, enum letter_kind kind)
{
    const struct job *job = letter->job;
    letter->properties = job->delivery->properties;
    letter->properties.expiration = NULL;
    letter->properties.delivery_mode = 2;
    /* By it a story is believed; a dead letter is for others, who may not be able to send it on. */
    letter->properties.user_id = kind == LETTER_DEAD ? NULL : broker_user(job->consumer->broker);
}

/* Bytes that its headers may have in all. */
static int letter_measure(struct letter *letter, size_t *ret_room)
{
    struct properties bare = letter->properties;
    size_t size = 0;
    bare.headers.size = 0;
    ACKD_TRY(properties_measure(&bare, NULL, 0, &size));
    size_t frame = broker_publish_room(letter->job->consumer->broker);
    size_t taken = size + PROPERTIES_PREFIX_SIZE + sizeof(uint32_t) + LETTER_ID_ROOM;
    *ret_room = frame > taken ? frame - taken : 0;
    return ACKD_OK;
}

static int letter_write(struct letter *letter, const struct letter_text *text)
{
    size_t room = 0;
    letter_take_properties(letter, text->kind);
    ACKD_TRY(letter_measure(letter, &room));
    size_t wanted = 2 * letter->properties.headers.size + LETTER_ERROR_MAX + LETTER_STORY_SIZE;
    letter->entries.room = wanted < room ? wanted : room;
    letter->entries.bytes = arena_alloc_bytes(&letter->arena, letter->entries.room);
    if (letter->entries.bytes == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a copy of a message");
    bool dead = text->kind == LETTER_DEAD;
    if (dead && letter->entries.room > LETTER_CUT_ROOM)
        letter->entries.room -= LETTER_CUT_ROOM;
    bool fits = letter_tell_original(letter, text);
    if (dead)
        letter_tell_failure(letter, text);
    letter_copy_headers(letter, text->kind, false);
    if (!dead && (!fits || letter->cut > 0))
        return ackd_fail(ACKD_E_TOO_LARGE,
                         "headers of %zu bytes leave no room for a copy: the broker takes %zu",
                         letter->properties.headers.size, room);
    if (text->kind == LETTER_AGAIN)
        letter_tell_failure(letter, text);
    letter_copy_headers(letter, text->kind, true);
    if (dead) {
        letter->entries.room += LETTER_CUT_ROOM;
        if (letter->cut > 0)
            (void)letter_count(letter, STORY_CUT, letter->cut);
    }
    letter->properties.headers = (struct ackd_bytes){letter->entries.bytes, letter->entries.size};
    return ACKD_OK;
}

static void letter_published(struct publisher_request *request, int code)
{
    struct letter *letter = LIST_ITEM(request, letter, request);
    metric_add(&letter->job->consumer->metrics,
               code == ACKD_OK ? METRIC_publishes_confirmed : METRIC_publishes_failed, 1);
    letter->done(letter, letter->job, code);
}

int letter_new(struct job *job, const struct letter_text *text, letter_done *done,
               struct letter **ret_letter)
{
    struct letter *letter = calloc(1, sizeof *letter);
    if (letter == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a copy of a message");
    arena_init(&letter->arena, NULL, 0);
    letter->job = job;
    letter->done = done;
    snprintf(letter->request.id, sizeof letter->request.id, "%016" PRIx64,
             random_next(host_random(job->consumer->host)));
    int code = letter_write(letter, text);
    if (code != ACKD_OK) {
        letter_free(&letter);
        return code;
    }
    letter->request.exchange = "";
    letter->request.routing_key = text->queue;
    letter->request.properties = &letter->properties;
    letter->request.body = job->delivery->body;
    letter->request.done = letter_published;
    *ret_letter = letter;
    return ACKD_OK;
}

const char *letter_id(const struct letter *letter)
{
    return letter->request.id;
}

void letter_publish(struct letter *letter)
{
    publisher_publish(letter->job->consumer->broker->publisher, &letter->request);
}

void letter_free(struct letter **letter)
{
    struct letter *freed = *letter;
    if (freed == NULL)
        return;
    *letter = NULL;
    arena_fini(&freed->arena);
    free(freed);
}

/* SPDX-License-Identifier: MIT */
/* dead_letter - see the header. */
#include <config.h>

#include "host/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/host.h"
#include "host/report.h"
#include "io/system.h"

enum { DEAD_LETTER_HEADERS = 12 };

struct dead_letter {
    struct publisher_request request;
    struct job *job;
    struct consumer *consumer;
    dead_letter_done *done;
    struct properties properties;
    struct channel_argument headers[DEAD_LETTER_HEADERS];
    struct arena arena; /* of all its texts */
};

/* Headers of the original that must not be on a copy. */
static bool dead_letter_drops(const struct ackd_header *header)
{
    static const char *const names[] = {"CC", "BCC", "x-death", "x-delivery-count"};
    static const char *const prefixes[] = {"x-first-death-", "x-ackd-"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == header->name_size &&
            memcmp(names[i], header->name, header->name_size) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (header->name_size > strlen(prefixes[i]) &&
            memcmp(header->name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

/* The encoded headers without those: entries are copied as they stand. */
static bool dead_letter_copy_headers(struct dead_letter *letter)
{
    struct ackd_headers headers = {.rest = letter->properties.headers};
    if (headers.rest.size == 0)
        return true;
    uint8_t *copy = arena_alloc_bytes(&letter->arena, headers.rest.size);
    if (copy == NULL)
        return false;
    size_t size = 0;
    const uint8_t *entry = headers.rest.data;
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        const uint8_t *end = headers.rest.data;
        if (!dead_letter_drops(&header)) {
            memcpy(copy + size, entry, (size_t)(end - entry));
            size += (size_t)(end - entry);
        }
        entry = end;
    }
    letter->properties.headers = (struct ackd_bytes){copy, size};
    return true;
}

static const char *dead_letter_text(struct dead_letter *letter, const char *format, ...)
    ACKD_PRINTF(2, 3);
static const char *dead_letter_text(struct dead_letter *letter, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(&letter->arena, format, args);
    va_end(args);
    return text == NULL ? "(out of memory)" : text;
}

/* The whole error tree, cut in the middle: its beginning and its end say most. */
static const char *dead_letter_error(struct dead_letter *letter, const struct ackd_error *error)
{
    static const char cut[] = "\n... cut ...\n";
    size_t length = ackd_error_format(error, NULL, 0);
    char *text = arena_alloc_bytes(&letter->arena, length + 1);
    if (text == NULL)
        return ackd_error_text(error);
    ackd_error_format(error, text, length + 1);
    if (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    if (length > DEAD_LETTER_TEXT_MAX) {
        size_t half = (DEAD_LETTER_TEXT_MAX - sizeof cut) / 2;
        memcpy(text + half, cut, sizeof cut - 1);
        memmove(text + half + sizeof cut - 1, text + length - half, half + 1);
    }
    return text;
}

static const char *dead_letter_time(struct dead_letter *letter)
{
    time_t now_s = (time_t)(loop_wall_ns(letter->consumer->host->loop) / NS_PER_S);
    struct tm parts;
    char text[32];
    gmtime_r(&now_s, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return dead_letter_text(letter, "%s", text);
}

static void dead_letter_write_story(struct dead_letter *letter, const struct ackd_error *error)
{
    const struct job *job = letter->job;
    const struct ackd_consumer *handler = plugin_consumer(letter->consumer->plugin);
    const struct error_name name = error_name(ackd_error_code(error));
    char hostname[256];
    system_hostname(hostname, sizeof hostname);
    const struct channel_argument story[] = {
        {"x-ackd-error-code", dead_letter_text(letter, "%s", name.text)},
        {"x-ackd-error", dead_letter_error(letter, error)},
        {"x-ackd-attempts", dead_letter_text(letter, "%" PRIu32, job->message.attempt)},
        {"x-ackd-failed-at", dead_letter_time(letter)},
        {"x-ackd-host", dead_letter_text(letter, "%s", hostname)},
        {"x-ackd-consumer", job->message.consumer},
        {"x-ackd-handler", dead_letter_text(letter, "%s %s", handler->name,
                                            handler->version == NULL ? "" : handler->version)},
        {"x-ackd-original-queue", job->message.queue},
        {"x-ackd-original-exchange", job->delivery->exchange},
        {"x-ackd-original-routing-key", job->delivery->routing_key},
    };
    ackd_assert(sizeof story <= sizeof letter->headers);
    memcpy(letter->headers, story, sizeof story);
    letter->request.headers = letter->headers;
    letter->request.header_count = sizeof story / sizeof story[0];
}

static void dead_letter_published(struct publisher_request *request, int code)
{
    struct dead_letter *letter = LIST_ITEM(request, dead_letter, request);
    if (code == ACKD_OK)
        ackd_log_debug("dead-letter-confirmed", "%s", request->id);
    letter->done(letter, letter->job, code);
}

int dead_letter_new(struct consumer *consumer, struct job *job, const struct ackd_error *error,
                    dead_letter_done *done, struct dead_letter **ret_letter)
{
    struct dead_letter *letter = calloc(1, sizeof *letter);
    if (letter == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a dead letter");
    arena_init(&letter->arena, NULL, 0);
    letter->job = job;
    letter->consumer = consumer;
    letter->done = done;
    letter->properties = job->delivery->properties;
    letter->properties.user_id = NULL;
    letter->properties.expiration = NULL;
    letter->properties.delivery_mode = 2;
    if (!dead_letter_copy_headers(letter)) {
        dead_letter_free(&letter);
        return ackd_fail(ACKD_E_NOMEM, "a dead letter");
    }
    dead_letter_write_story(letter, error);
    snprintf(letter->request.id, sizeof letter->request.id, "%016" PRIx64,
             random_next(host_random(consumer->host)));
    letter->request.exchange = "";
    letter->request.routing_key = consumer->config->dead_letter;
    letter->request.properties = &letter->properties;
    letter->request.body = job->delivery->body;
    letter->request.done = dead_letter_published;
    char text[1024];
    report_failure_line(error, text, sizeof text);
    const struct error_name name = error_name(ackd_error_code(error));
    struct ackd_log_field fields[] = {ACKD_FIELD("error_id", letter->request.id),
                                      ACKD_FIELD("code", name.text),
                                      ACKD_FIELD("dead_letter", consumer->config->dead_letter),
                                      ACKD_FIELD_INT("attempt", job->message.attempt)};
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(ACKD_LOG_WARNING, "dead", fields, 4, "to the dead letters: %s", text);
    (void)log_context_use(before);
    *ret_letter = letter;
    return ACKD_OK;
}

void dead_letter_publish(struct dead_letter *letter)
{
    publisher_publish(letter->consumer->broker->publisher, &letter->request);
}

void dead_letter_free(struct dead_letter **letter)
{
    struct dead_letter *freed = *letter;
    if (freed == NULL)
        return;
    *letter = NULL;
    arena_fini(&freed->arena);
    free(freed);
}

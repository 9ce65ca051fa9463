/* SPDX-License-Identifier: MIT */
/* position - see the header. It must not know what becomes of a message. */
#include <config.h>

#include "host/position.h"

#include <ackd/error.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/consumer.h"
#include "io/keep.h"

enum { POSITION_UNKNOWN = -1, POSITION_PREFIX_SIZE = 320 };

struct position {
    const struct config_consumer *config;
    struct keep *keep;           /* NULL: it is not stored */
    struct channel_field *field; /* x-stream-offset, to be sent next; borrowed */
    int64_t next;                /* P1; POSITION_UNKNOWN before the first message */
    int64_t delivered;           /* the offset of the last delivery */
    int64_t stored;              /* what was given to be stored last */
    uint64_t began_ns;           /* when it was subscribed first, since 1970; 0: not yet */
    int error;                   /* of storing, as it was told last */
    char prefix[POSITION_PREFIX_SIZE];
};

static void position_at(struct position *position, int64_t offset)
{
    *position->field = (struct channel_field)CHANNEL_FIELD_INTEGER("x-stream-offset", offset);
}

static void position_at_word(struct position *position, enum config_offset word)
{
    static const char *const words[] = {[CONFIG_OFFSET_STORED] = "first",
                                        [CONFIG_OFFSET_FIRST] = "first",
                                        [CONFIG_OFFSET_LAST] = "last",
                                        [CONFIG_OFFSET_NEXT] = "next"};
    *position->field = (struct channel_field)CHANNEL_FIELD_TEXT("x-stream-offset", words[word]);
}

static void position_at_time(struct position *position, int64_t s)
{
    *position->field =
        (struct channel_field){.key = "x-stream-offset", .kind = CHANNEL_TIMESTAMP, .number = s};
}

/* As the configuration says, where nothing is known. */
static void position_begin(struct position *position)
{
    const struct config_consumer *config = position->config;
    if (config->offset_kind == CONFIG_OFFSET_NUMBER)
        position_at(position, config->offset);
    else if (config->offset_kind == CONFIG_OFFSET_TIMESTAMP)
        position_at_time(position, config->offset);
    else if (config->offset_kind == CONFIG_OFFSET_STORED)
        position_at_word(position, config->offset_else);
    else
        position_at_word(position, config->offset_kind);
}

/* What the file says of this queue; POSITION_UNKNOWN where it says nothing. */
static int position_read(struct position *position, const char *path)
{
    char text[KEEP_TEXT_SIZE];
    char *end = NULL;
    int code = keep_read(path, text);
    if (code == ACKD_E_NOT_FOUND)
        return ACKD_OK;
    if (code != ACKD_OK)
        return code;
    size_t length = strlen(position->prefix);
    int64_t next = -1;
    errno = 0;
    if (strncmp(text, position->prefix, length) == 0)
        next = strtoll(text + length, &end, 10);
    if (end == NULL || end == text + length || *end != '\n' || next < 0 || errno != 0) {
        ackd_log_warning("offset-unknown",
                         "'%s' is not the offset of consumer '%s' in stream '%s': it is not used, "
                         "and will be written anew",
                         path, position->config->name, position->config->queue);
        return ACKD_OK;
    }
    position->next = position->stored = next;
    return ACKD_OK;
}

static int position_open(struct position *position, const char *state_directory)
{
    const struct config_consumer *config = position->config;
    char path[1024];
    snprintf(position->prefix, sizeof position->prefix, "ackd offset 1\nqueue %.255s\nnext ",
             config->queue);
    if (config->offset_kind != CONFIG_OFFSET_STORED)
        return ACKD_OK;
    if (state_directory == NULL)
        return ackd_fail(ACKD_E_CONFIG,
                         "consumer '%s' stores the offset in its stream, and there is no place to: "
                         "write 'state' of 'runtime', set STATE_DIRECTORY, or choose another "
                         "'offset'",
                         config->name);
    int length = snprintf(path, sizeof path, "%s/offset.%s", state_directory, config->name);
    if (length < 0 || (size_t)length >= sizeof path)
        return ackd_fail(ACKD_E_CONFIG, "the path of 'state' of 'runtime' is too long");
    ACKD_TRY(position_read(position, path));
    int code = keep_new(path, &position->keep);
    return code != ACKD_E_OS
               ? code
               : ackd_wrap(ACKD_E_CONFIG,
                           "consumer '%s' cannot store how far its stream was read: make the "
                           "directory for the user that ackd runs as, or correct 'state' of "
                           "'runtime'",
                           config->name);
}

int position_new(const struct config_consumer *config, const char *state_directory,
                 struct channel_field *field, struct position **ret_position)
{
    if (config->queue_type != CONFIG_QUEUE_STREAM)
        return ACKD_OK;
    struct position *position = calloc(1, sizeof *position);
    if (position == NULL)
        return ackd_fail(ACKD_E_NOMEM, "consumer '%s'", config->name);
    position->config = config;
    position->field = field;
    position->next = position->stored = position->delivered = POSITION_UNKNOWN;
    int code = position_open(position, state_directory);
    if (code != ACKD_OK) {
        position_free(&position);
        return code;
    }
    position_begin(position);
    *ret_position = position;
    return ACKD_OK;
}

void position_free(struct position **position)
{
    struct position *freed = *position;
    if (freed == NULL)
        return;
    *position = NULL;
    keep_free(&freed->keep);
    free(freed);
}

void position_opened(struct position *position, uint64_t wall_ns)
{
    if (position->next != POSITION_UNKNOWN) {
        position_at(position, position->next); /* P2 */
        position->delivered = position->next - 1;
    } else if (position->began_ns == 0) {
        position->began_ns = wall_ns;
    } else if (position->field->kind == CHANNEL_TEXT &&
               strcmp(position->field->text, "first") != 0) {
        /* Nothing has come so far: what came while the channel was gone is not to be missed. */
        position_at_time(position, (int64_t)(position->began_ns / 1000000000U));
    }
}

/* What the broker says of where the message stands. A publisher may have sent headers of that name,
 * too: the broker puts its own in the place of the first. */
static int64_t position_of(const struct job *job)
{
    struct ackd_header header;
    if (!ackd_message_header(&job->message, "x-stream-offset", &header) ||
        header.kind != ACKD_HEADER_INTEGER)
        return POSITION_UNKNOWN;
    return header.integer;
}

void position_delivered(struct position *position, struct job *job)
{
    int64_t offset = position_of(job);
    /* Offsets rise. One that does not, or is not there, is at least the next: too low is safe (P1). */
    if (offset <= position->delivered)
        offset = position->delivered + 1;
    job->offset = offset;
    position->delivered = offset;
    if (position->next == POSITION_UNKNOWN)
        position->next = offset;
    position_at(position, offset + 1); /* P2 */
}

static void position_store(struct position *position)
{
    char text[KEEP_TEXT_SIZE];
    int error = keep_error(position->keep);
    if (error != position->error && error != 0)
        ackd_log_error("offset-not-stored",
                       "the offset of consumer '%s' cannot be stored: %s; after a restart it reads "
                       "again from %" PRId64 " or before",
                       position->config->name, strerror(error), position->stored);
    position->error = error;
    if (position->next == position->stored && error == 0)
        return;
    snprintf(text, sizeof text, "%s%" PRId64 "\n", position->prefix, position->next);
    keep_put(position->keep, text);
    position->stored = position->next;
}

void position_settled(struct position *position, const struct consumer *consumer)
{
    if (position->delivered == POSITION_UNKNOWN)
        return;
    const struct list *entries = &consumer->ledger.entries;
    int64_t next = position->delivered + 1;
    if (!list_empty(entries)) {
        struct ledger_entry *first = LIST_ITEM(entries->next, ledger_entry, node);
        next = LIST_ITEM(first, job, entry)->offset;
    }
    if (next > position->next)
        position->next = next;
    if (position->keep != NULL)
        position_store(position);
}

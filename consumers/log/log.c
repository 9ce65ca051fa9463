/* SPDX-License-Identifier: MIT */
/*
 * log - a line in the log for each message, and nothing else: to see what a queue holds, to try a
 * configuration, to have something to copy.
 *
 * The message is acknowledged once its line was handed to the log. What stands in a message is
 * escaped there; here it is only cut.
 */
#include <ackd/ackd.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOG_BODY_MAX = 900 }; /* bytes: a line of ackd's log has room for 1023 of text */

struct log {
    int level;     /* index in levels */
    uint64_t body; /* bytes of it that are shown */
};

static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct log, level, CHOICE, .fallback = "info", .choices = levels,
                .help = "level of the lines"),
    ACKD_OPTION(struct log, body, SIZE, .fallback = "200", .max = LOG_BODY_MAX,
                .help = "bytes of a body that are shown; 0: none"),
    ACKD_OPTIONS_END};

/* Where to cut @text so that no character of UTF-8 is cut in two; bytes that are none stay. */
static size_t log_cut(const unsigned char *text, size_t size, size_t max)
{
    if (size <= max)
        return size;
    size_t cut = max;
    while (cut > 0 && max - cut < 3 && (text[cut] & 0xc0) == 0x80)
        cut--;
    return (text[cut] & 0xc0) == 0xc0 ? cut : max;
}

/* The beginning of the body as text; what has a zero byte in it is none. */
static void log_preview(struct ackd_bytes body, uint64_t max, char *ret_text, size_t size)
{
    size_t shown = log_cut(body.data, body.size, (size_t)max);
    if (memchr(body.data, '\0', shown) != NULL) {
        snprintf(ret_text, size, "(%zu bytes that are not text)", body.size);
        return;
    }
    memcpy(ret_text, body.data, shown);
    ret_text[shown] = '\0';
    if (shown < body.size)
        snprintf(ret_text + shown, size - shown, "%s(%zu bytes more)", shown == 0 ? "" : "... ",
                 body.size - shown);
}

struct log_fields {
    struct ackd_log_field all[16];
    size_t count;
};

/* A field that the message may not carry. */
static void log_text(struct log_fields *fields, const char *key, const char *text)
{
    if (text != NULL)
        fields->all[fields->count++] = (struct ackd_log_field)ACKD_FIELD(key, text);
}

static void log_number(struct log_fields *fields, const char *key, uint64_t number)
{
    fields->all[fields->count++] = (struct ackd_log_field)ACKD_FIELD_INT(key, number);
}

static void log_gather(struct log_fields *fields, const struct ackd_message *message)
{
    log_text(fields, "exchange", ackd_message_exchange(message));
    log_text(fields, "routing_key", ackd_message_routing_key(message));
    log_number(fields, "size", ackd_message_body(message).size);
    log_number(fields, "attempt", ackd_message_attempt(message));
    if (ackd_message_redelivered(message))
        log_text(fields, "redelivered", "true");
    log_text(fields, "message_id", ackd_message_id(message));
    log_text(fields, "type", ackd_message_type(message));
    log_text(fields, "content_type", ackd_message_content_type(message));
    log_text(fields, "content_encoding", ackd_message_content_encoding(message));
    log_text(fields, "correlation_id", ackd_message_correlation_id(message));
    log_text(fields, "reply_to", ackd_message_reply_to(message));
    log_text(fields, "app_id", ackd_message_app_id(message));
    if (ackd_message_timestamp_s(message) != 0)
        log_number(fields, "timestamp", ackd_message_timestamp_s(message));
}

static int handle(const struct ackd_message *message, void *state)
{
    const struct log *log = state;
    enum ackd_log_level level = (enum ackd_log_level)(ACKD_LOG_ERROR + log->level);
    if (!ackd_log_enabled(level))
        return ACKD_OK;
    char text[LOG_BODY_MAX + 64];
    struct log_fields fields = {.count = 0};
    log_preview(ackd_message_body(message), log->body, text, sizeof text);
    log_gather(&fields, message);
    ackd_log_event(level, "message", fields.all, fields.count, "%s", text);
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "log", .version = "1", .help = "writes a line in the log for each message",
              .handle = handle, .options = options, .state_size = sizeof(struct log));

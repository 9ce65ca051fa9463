/* SPDX-License-Identifier: MIT */
/* log - the front end: levels, context, and the two text forms. It must not know where lines go. */
#include <config.h>

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { LOG_TEXT_SIZE = 1024, LOG_LINE_SIZE = 2048 };

static _Atomic int log_level = ACKD_LOG_INFO;
static void (*log_write)(const struct log_record *record, void *arg);
static void *log_arg;
static _Thread_local const struct log_context *log_context;

void log_use(void (*write)(const struct log_record *record, void *arg), void *arg)
{
    log_write = write;
    log_arg = arg;
}

void log_set_level(enum ackd_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool ackd_log_enabled(enum ackd_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

const struct log_context *log_context_use(const struct log_context *context)
{
    const struct log_context *before = log_context;
    log_context = context;
    return before;
}

/* Where lines go before a sink is there. */
static void log_write_stderr(const struct log_record *record)
{
    char line[LOG_LINE_SIZE];
    size_t length = log_format_logfmt(record, line, sizeof line);
    fprintf(stderr, "%.*s\n", (int)length, line);
}

void ackd_log_event(enum ackd_log_level level, const char *event,
                    const struct ackd_log_field *fields, size_t count, const char *format, ...)
{
    if (!ackd_log_enabled(level))
        return;
    int os_code = errno;
    char text[LOG_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct log_record record = {.level = level,
                                .event = event,
                                .text = text,
                                .fields = fields,
                                .count = count,
                                .context = log_context};
    if (log_write != NULL)
        log_write(&record, log_arg);
    else
        log_write_stderr(&record);
    errno = os_code;
}

struct log_line {
    char *at;
    size_t size; /* without the terminator */
    size_t length;
};

static void log_put(struct log_line *line, char byte)
{
    if (line->length < line->size)
        line->at[line->length++] = byte;
}

static void log_put_text(struct log_line *line, const char *text)
{
    for (; *text != '\0'; text++)
        log_put(line, *text);
}

/* How many bytes of valid UTF-8 start at @at; 0 if it is not UTF-8. */
static size_t log_utf8_length(const unsigned char *at)
{
    size_t length = at[0] < 0x80         ? 1
                    : (at[0] >> 5) == 6  ? 2
                    : (at[0] >> 4) == 14 ? 3
                    : (at[0] >> 3) == 30 ? 4
                                         : 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return at[0] == 0xc0 || at[0] == 0xc1 || at[0] > 0xf4 ? 0 : length;
}

static void log_put_escaped(struct log_line *line, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        size_t length = log_utf8_length(at);
        if (*at == '"' || *at == '\\') {
            log_put(line, '\\');
            log_put(line, (char)*at);
        } else if (*at == '\n') {
            log_put_text(line, "\\n");
        } else if (length == 0 || *at < 0x20 || *at == 0x7f) {
            /* Also a byte that is not UTF-8, written as the code point of the same number. */
            log_put_text(line, "\\u00");
            log_put(line, hex[*at >> 4]);
            log_put(line, hex[*at & 15]);
        } else {
            for (size_t i = 0; i < length; i++)
                log_put(line, (char)at[i]);
        }
        at += length == 0 ? 1 : length;
    }
}

static const char *log_level_name(enum ackd_log_level level)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    int index = (int)level - ACKD_LOG_ERROR;
    return index >= 0 && index < 5 ? names[index] : "error";
}

static bool log_is_plain(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text == '"' || *text == '\\' || *text == '=' || *text >= 0x7f)
            return false;
    }
    return true;
}

static void log_put_logfmt(struct log_line *line, const struct ackd_log_field *field)
{
    char number[32];
    log_put(line, ' ');
    log_put_text(line, field->key);
    log_put(line, '=');
    if (field->text == NULL) {
        snprintf(number, sizeof number, "%lld", (long long)field->number);
        log_put_text(line, number);
    } else if (log_is_plain(field->text)) {
        log_put_text(line, field->text);
    } else {
        log_put(line, '"');
        log_put_escaped(line, field->text);
        log_put(line, '"');
    }
}

static void log_put_json(struct log_line *line, const struct ackd_log_field *field)
{
    char number[32];
    log_put_text(line, ",\"");
    log_put_escaped(line, field->key);
    log_put_text(line, "\":");
    if (field->text == NULL) {
        snprintf(number, sizeof number, "%lld", (long long)field->number);
        log_put_text(line, number);
    } else {
        log_put(line, '"');
        log_put_escaped(line, field->text);
        log_put(line, '"');
    }
}

static void log_put_fields(struct log_line *line, const struct log_record *record,
                           void (*put)(struct log_line *, const struct ackd_log_field *))
{
    for (const struct log_context *context = record->context; context != NULL;
         context = context->outer) {
        for (size_t i = 0; i < context->count; i++)
            put(line, &context->fields[i]);
    }
    for (size_t i = 0; i < record->count; i++)
        put(line, &record->fields[i]);
}

size_t log_format_logfmt(const struct log_record *record, char *line, size_t size)
{
    struct log_line out = {.at = line, .size = size - 1};
    log_put_text(&out, "level=");
    log_put_text(&out, log_level_name(record->level));
    log_put_text(&out, " event=");
    log_put_text(&out, record->event);
    log_put_text(&out, " msg=\"");
    log_put_escaped(&out, record->text);
    log_put(&out, '"');
    log_put_fields(&out, record, log_put_logfmt);
    line[out.length] = '\0';
    return out.length;
}

size_t log_format_json(const struct log_record *record, char *line, size_t size)
{
    struct log_line out = {.at = line, .size = size - 1};
    log_put_text(&out, "\"level\":\"");
    log_put_text(&out, log_level_name(record->level));
    log_put_text(&out, "\",\"event\":\"");
    log_put_escaped(&out, record->event);
    log_put_text(&out, "\",\"msg\":\"");
    log_put_escaped(&out, record->text);
    log_put(&out, '"');
    log_put_fields(&out, record, log_put_json);
    line[out.length] = '\0';
    return out.length;
}

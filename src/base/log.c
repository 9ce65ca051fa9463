/* SPDX-License-Identifier: MIT */
/* log - the front end: levels, context, and the two text forms. It must not know where lines go. */
#include <config.h>

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum { LOG_TEXT_SIZE = 1024, LOG_LINE_SIZE = 2048 };

static _Atomic int log_level = ACKD_LOG_INFO;
static void (*log_write)(const struct log_record *record, void *arg);
static void *log_arg;
_Thread_local const struct log_context *log_context_now;

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

/* Where lines go before a sink is there. */
static void log_write_stderr(const struct log_record *record)
{
    char line[LOG_LINE_SIZE];
    size_t length = log_format_logfmt(record, line, sizeof line);
    fprintf(stderr, "%.*s\n", (int)length, line);
}

static ACKD_PRINTF(2, 0) void log_event(struct log_record *record, const char *format, va_list args)
{
    int os_code = errno;
    char text[LOG_TEXT_SIZE];
    vsnprintf(text, sizeof text, format, args);
    record->text = text;
    record->context = log_context_now;
    if (log_write != NULL)
        log_write(record, log_arg);
    else
        log_write_stderr(record);
    errno = os_code;
}

void ackd_log_event(enum ackd_log_level level, const char *event,
                    const struct ackd_log_field *fields, size_t count, const char *format, ...)
{
    if (!ackd_log_enabled(level))
        return;
    struct log_record record = {.level = level, .event = event, .fields = fields, .count = count};
    va_list args;
    va_start(args, format);
    log_event(&record, format, args);
    va_end(args);
}

void log_limited(const char *event, const struct ackd_log_field *fields, size_t count,
                 const char *format, ...)
{
    struct log_record record = {
        .level = ACKD_LOG_ERROR, .event = event, .fields = fields, .count = count, .limited = true};
    va_list args;
    va_start(args, format);
    log_event(&record, format, args);
    va_end(args);
}

struct log_line {
    char *at;
    size_t size; /* without the terminator */
    size_t length;
    bool full; /* something did not fit: nothing more is put, so that the cut is the end */
    bool json;
};

/* All of it or, for ever after, nothing: an escape or a character is never cut in two. */
static void log_put(struct log_line *line, const void *bytes, size_t size)
{
    if (line->full || size > line->size - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->at + line->length, bytes, size);
    line->length += size;
}

static void log_put_text(struct log_line *line, const char *text)
{
    log_put(line, text, strlen(text));
}

/*
 * How many bytes the character at @at has; 0 if it is not UTF-8 (RFC 3629, section 4: the second
 * byte is bounded more closely where a longer form than needed, a surrogate or a code point beyond
 * U+10FFFF would begin).
 */
static size_t log_utf8_length(const unsigned char *at)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    if (at[0] == 0xed)
        high = 0x9f;
    if (at[0] == 0xf0)
        low = 0x90;
    if (at[0] == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    size_t length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

/* Terminals obey C1 controls too, which are U+0080 to U+009F: 0xc2 and that byte. */
static bool log_is_control(const unsigned char *at)
{
    return *at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

/* One character of valid UTF-8, or one byte that is none: as the code point of the same number. */
static void log_put_character(struct log_line *line, const unsigned char *at, size_t length)
{
    char escape[8];
    if (*at == '"' || *at == '\\') {
        snprintf(escape, sizeof escape, "\\%c", *at);
        log_put_text(line, escape);
    } else if (*at == '\n') {
        log_put_text(line, "\\n");
    } else if (length == 0 || log_is_control(at)) {
        snprintf(escape, sizeof escape, "\\u%04x", length == 2 ? at[1] : at[0]);
        log_put_text(line, escape);
    } else {
        log_put(line, at, length);
    }
}

static void log_put_escaped(struct log_line *line, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0' && !line->full;) {
        size_t length = log_utf8_length(at);
        log_put_character(line, at, length);
        at += length == 0 ? 1 : length;
    }
}

/* In quotes: when it is cut, the closing one is there all the same. */
static void log_put_quoted(struct log_line *line, const char *text)
{
    if (line->full || line->size - line->length < 2) {
        line->full = true;
        return;
    }
    line->at[line->length++] = '"';
    line->size--;
    log_put_escaped(line, text);
    line->size++;
    line->at[line->length++] = '"';
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

/* What is not a letter, a digit or '_' would end the key too early. */
static void log_put_key(struct log_line *line, const char *key)
{
    if (line->length > 0)
        log_put_text(line, line->json ? "," : " ");
    if (line->json)
        log_put_text(line, "\"");
    for (; *key != '\0'; key++) {
        bool plain = (*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z') ||
                     (*key >= '0' && *key <= '9') || *key == '_';
        log_put(line, plain ? key : "_", 1);
    }
    log_put_text(line, line->json ? "\":" : "=");
}

/* @text is quoted always, or in logfmt where it must be; NULL: the number. */
static void log_put_field(struct log_line *line, const char *key, const char *text, int64_t number,
                          bool quoted)
{
    char digits[32];
    size_t before = line->length;
    log_put_key(line, key);
    bool begun = !line->full;
    size_t value = line->length;
    if (text == NULL) {
        snprintf(digits, sizeof digits, "%lld", (long long)number);
        log_put_text(line, digits);
    } else if (quoted || line->json || !log_is_plain(text)) {
        log_put_quoted(line, text);
    } else {
        log_put_text(line, text);
    }
    if (!begun || line->length == value)
        line->length = before; /* a key without a value would not be valid */
}

static void log_put_fields(struct log_line *line, const struct ackd_log_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        log_put_field(line, fields[i].key, fields[i].text, fields[i].number, false);
}

static size_t log_format(const struct log_record *record, char *text, size_t size, bool json)
{
    ackd_assert(size > 0);
    struct log_line line = {.at = text, .size = size - 1, .json = json};
    log_put_field(&line, "level", log_level_name(record->level), 0, false);
    log_put_field(&line, "event", record->event, 0, false);
    log_put_field(&line, "msg", record->text, 0, true);
    for (const struct log_context *context = record->context; context != NULL;
         context = context->outer)
        log_put_fields(&line, context->fields, context->count);
    log_put_fields(&line, record->fields, record->count);
    text[line.length] = '\0';
    return line.length;
}

size_t log_format_logfmt(const struct log_record *record, char *line, size_t size)
{
    return log_format(record, line, size, false);
}

size_t log_format_json(const struct log_record *record, char *line, size_t size)
{
    return log_format(record, line, size, true);
}

size_t log_escape(const char *text, char *line, size_t size)
{
    ackd_assert(size > 0);
    struct log_line out = {.at = line, .size = size - 1};
    log_put_escaped(&out, text);
    line[out.length] = '\0';
    return out.length;
}

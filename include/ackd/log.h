/* SPDX-License-Identifier: MIT */
/*
 * log - one line per event, with fields.
 *
 * Where lines go is the host's affair: the journal with its fields, logfmt or JSON. A line
 * written while a message is handled, by its children too, also carries the consumer, the queue,
 * the tag and the message's id. Never blocks: a line that cannot be written is counted and dropped.
 * Control characters in texts are escaped.
 *
 *     ackd_log_info("reserved", "%d items for order %s", count, id);
 *     ackd_log_event(ACKD_LOG_WARNING, "slow", ACKD_FIELDS(ACKD_FIELD_INT("ms", ms)), "stock is
 * slow");
 */
#ifndef ACKD_LOG_H
#define ACKD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

/* The numbers are syslog's. */
enum ackd_log_level {
    ACKD_LOG_ERROR = 3,
    ACKD_LOG_WARNING = 4,
    ACKD_LOG_NOTICE = 5,
    ACKD_LOG_INFO = 6,
    ACKD_LOG_DEBUG = 7
};

/* One key and its value; @text NULL means the number. Borrowed for the call. */
struct ackd_log_field {
    const char *key; /* lower case, digits and '_' */
    const char *text;
    int64_t number;
};

#define ACKD_FIELD(key, text) \
    {                         \
        (key), (text), 0      \
    }
#define ACKD_FIELD_INT(key, number)    \
    {                                  \
        (key), NULL, (int64_t)(number) \
    }
#define ACKD_FIELDS(...)                          \
    (const struct ackd_log_field[]){__VA_ARGS__}, \
        sizeof((const struct ackd_log_field[]){__VA_ARGS__}) / sizeof(struct ackd_log_field)
#define ACKD_NO_FIELDS NULL, 0

/* ACKD_FIELDS is for C: in C++ name the array, and give it and its length. */

/* Whether a line of @level would be written: ask before gathering what is costly. */
ACKD_API bool ackd_log_enabled(enum ackd_log_level level);

/* Write a line. @event names its kind, the same word every time: "connected". */
ACKD_API void ackd_log_event(enum ackd_log_level level, const char *event,
                             const struct ackd_log_field *fields, size_t count, const char *format,
                             ...) ACKD_PRINTF(5, 6);

#define ackd_log_error(event, ...) \
    ackd_log_event(ACKD_LOG_ERROR, event, ACKD_NO_FIELDS, __VA_ARGS__)
#define ackd_log_warning(event, ...) \
    ackd_log_event(ACKD_LOG_WARNING, event, ACKD_NO_FIELDS, __VA_ARGS__)
#define ackd_log_notice(event, ...) \
    ackd_log_event(ACKD_LOG_NOTICE, event, ACKD_NO_FIELDS, __VA_ARGS__)
#define ackd_log_info(event, ...) ackd_log_event(ACKD_LOG_INFO, event, ACKD_NO_FIELDS, __VA_ARGS__)
#define ackd_log_debug(event, ...) \
    ackd_log_event(ACKD_LOG_DEBUG, event, ACKD_NO_FIELDS, __VA_ARGS__)

ACKD_END_DECLS

#endif

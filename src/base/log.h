/* SPDX-License-Identifier: MIT */
/*
 * log - from <ackd/log.h> to whatever writes lines.
 *
 * The floors below host return errors and log at debug only; host and cli log. A record is built on
 * the caller's stack and handed to the sink, which io provides; before one is set, lines go to
 * standard error. The context of a thread is a chain of fields that each line carries: the
 * scheduler swaps it with the task.
 */
#ifndef ACKD_BASE_LOG_H
#define ACKD_BASE_LOG_H

#include <ackd/log.h>

struct log_context {
    const struct log_context *outer;
    const struct ackd_log_field *fields;
    size_t count;
};

struct log_record {
    enum ackd_log_level level;
    const char *event;
    const char *text; /* raw: the sink escapes */
    const struct ackd_log_field *fields;
    size_t count;
    const struct log_context *context; /* innermost first; may be NULL */
    bool limited; /* an error of which a flood may come: the sink limits it as it does warnings */
};

/* As ackd_log_event at the level of errors, but limited. */
void log_limited(const char *event, const struct ackd_log_field *fields, size_t count,
                 const char *format, ...) ACKD_PRINTF(4, 5);

/* @write may be called from any thread, and must not block. NULL: standard error again. */
void log_use(void (*write)(const struct log_record *record, void *arg), void *arg);
void log_set_level(enum ackd_log_level level);

/* The context of this thread; for the two functions below alone. */
extern _Thread_local const struct log_context *log_context_now
    __attribute__((tls_model("initial-exec")));

/* Make @context this thread's; NULL for none. Returns the one before. */
static inline const struct log_context *log_context_use(const struct log_context *context)
{
    const struct log_context *before = log_context_now;
    log_context_now = context;
    return before;
}
/* Safe in a signal handler. */
static inline const struct log_context *log_context_current(void)
{
    return log_context_now;
}

/*
 * Format a record without its time as logfmt: level=info event=connected msg="..." key=value.
 * Control characters, quotes and bytes that are not UTF-8 are escaped. What does not fit into @size
 * bytes (at least 1) is left out from the end, and the line is well-formed all the same; always
 * terminated; no newline. Returns the length written.
 */
size_t log_format_logfmt(const struct log_record *record, char *line, size_t size);
/* The same as the inside of a JSON object, without braces. */
size_t log_format_json(const struct log_record *record, char *line, size_t size);
/* The escaping alone, cut and terminated in the same way. Returns the length written. */
size_t log_escape(const char *text, char *line, size_t size);

#endif

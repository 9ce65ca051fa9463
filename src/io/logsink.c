/* SPDX-License-Identifier: MIT */
/*
 * logsink - one sink for the process, used by all its threads under one lock. It must not know what
 * events there are.
 *
 * Standard error is shared with others, so it is not made non-blocking: a socket is written with
 * MSG_DONTWAIT, anything else when poll says that it takes a line. A line is at most what a pipe
 * takes in one piece, so it does not block, and lines of several processes do not mix.
 */
#include <config.h>

#include "io/logsink.h"

#include <ackd/error.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timer.h"
#include "io/journal.h"
#include "io/ratelimit.h"

enum { LOGSINK_LINE_SIZE = PIPE_BUF, LOGSINK_TIME_SIZE = 40 };

static struct {
    pthread_mutex_t lock; /* of all below */
    enum logsink_format format;
    int journal;      /* the socket, where the format is the journal */
    bool socket;      /* standard error is one */
    bool torn;        /* the last line ended in the middle */
    uint64_t dropped; /* lines that could not be written, since this was told */
    struct logsink_counts counts;
    struct ratelimit limit;
    char line[LOGSINK_LINE_SIZE];
} logsink = {.lock = PTHREAD_MUTEX_INITIALIZER, .journal = -1};

static uint64_t logsink_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* 2026-11-21T02:31:00.123Z */
static void logsink_time(char *text)
{
    struct timespec now;
    struct tm parts;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    size_t length = 0;
    if (gmtime_r(&now.tv_sec, &parts) != NULL)
        length = strftime(text, LOGSINK_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, LOGSINK_TIME_SIZE - length, ".%03ldZ", now.tv_nsec / 1000000);
}

static size_t logsink_format_logfmt(const struct log_record *record, const char *time)
{
    size_t length = (size_t)snprintf(logsink.line, sizeof logsink.line, "time=%s ", time);
    return length +
           log_format_logfmt(record, logsink.line + length, sizeof logsink.line - length - 1);
}

static size_t logsink_format_json(const struct log_record *record, const char *time)
{
    size_t length = (size_t)snprintf(logsink.line, sizeof logsink.line, "{\"time\":\"%s\",", time);
    /* Less the brace and the newline. */
    length += log_format_json(record, logsink.line + length, sizeof logsink.line - length - 2);
    logsink.line[length++] = '}';
    return length;
}

/* As much of it as can be written without waiting. */
static ssize_t logsink_write_now(const char *at, size_t size)
{
    if (logsink.socket)
        return send(STDERR_FILENO, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return -1;
    return write(STDERR_FILENO, at, size);
}

static bool logsink_put_line(size_t length)
{
    logsink.line[length++] = '\n';
    if (logsink.torn) {
        if (logsink_write_now("\n", 1) != 1)
            return false;
        logsink.torn = false;
    }
    ssize_t written = logsink_write_now(logsink.line, length);
    logsink.torn = written > 0 && (size_t)written < length;
    return written == (ssize_t)length;
}

static bool logsink_put(const struct log_record *record)
{
    char time[LOGSINK_TIME_SIZE];
    switch (logsink.format) {
    case LOGSINK_JOURNAL: {
        size_t size = journal_format(record, logsink.line, sizeof logsink.line);
        return journal_send(logsink.journal, JOURNAL_SOCKET, logsink.line, size);
    }
    case LOGSINK_JSON:
        logsink_time(time);
        return logsink_put_line(logsink_format_json(record, time));
    case LOGSINK_AUTO:
    case LOGSINK_LOGFMT:
    default:
        logsink_time(time);
        return logsink_put_line(logsink_format_logfmt(record, time));
    }
}

static bool logsink_tell(const char *event, uint64_t count, const char *text)
{
    const struct ackd_log_field field = ACKD_FIELD_INT("lines", count);
    const struct log_record record = {
        .level = ACKD_LOG_WARNING, .event = event, .text = text, .fields = &field, .count = 1};
    return logsink_put(&record);
}

/* Before the next line: what was not written, and what is no longer held back. */
static void logsink_tell_losses(uint64_t now_ns)
{
    char event[RATELIMIT_NAME_SIZE], text[RATELIMIT_NAME_SIZE + 64];
    uint64_t count = 0;
    if (logsink.dropped > 0 &&
        logsink_tell("log_dropped", logsink.dropped, "lines could not be written"))
        logsink.dropped = 0;
    while (ratelimit_report(&logsink.limit, now_ns, event, sizeof event, &count)) {
        snprintf(text, sizeof text, "more lines of '%s' than %d a second were left out", event,
                 RATELIMIT_LINES);
        if (!logsink_tell("log_limited", count, text))
            logsink.dropped += count;
    }
}

static void logsink_write(const struct log_record *record, void *arg)
{
    (void)arg;
    int os_code = errno;
    pthread_mutex_lock(&logsink.lock);
    uint64_t now_ns = logsink_now_ns();
    if ((record->level == ACKD_LOG_WARNING || record->limited) &&
        !ratelimit_admit(&logsink.limit, record->event, now_ns)) {
        logsink.counts.limited++;
    } else {
        logsink_tell_losses(now_ns);
        if (logsink.dropped == 0 && logsink_put(record)) {
            logsink.counts.written++;
        } else {
            logsink.counts.dropped++;
            logsink.dropped++;
        }
    }
    pthread_mutex_unlock(&logsink.lock);
    errno = os_code;
}

static int logsink_start(enum logsink_format format)
{
    struct stat status;
    if (format == LOGSINK_AUTO)
        format = journal_is_stream(STDERR_FILENO) ? LOGSINK_JOURNAL : LOGSINK_LOGFMT;
    int journal = -1;
    if (format == LOGSINK_JOURNAL)
        ACKD_TRY(journal_open(JOURNAL_SOCKET, &journal));
    logsink.format = format;
    logsink.journal = journal;
    logsink.socket = fstat(STDERR_FILENO, &status) == 0 && S_ISSOCK(status.st_mode);
    logsink.torn = false;
    return ACKD_OK;
}

int logsink_open(enum logsink_format format)
{
    logsink_close();
    pthread_mutex_lock(&logsink.lock);
    int code = logsink_start(format);
    pthread_mutex_unlock(&logsink.lock);
    if (code == ACKD_OK)
        log_use(logsink_write, NULL);
    return code;
}

void logsink_close(void)
{
    log_use(NULL, NULL);
    pthread_mutex_lock(&logsink.lock);
    logsink_tell_losses(TIMER_NEVER);
    if (logsink.journal >= 0)
        close(logsink.journal);
    logsink.journal = -1;
    logsink.format = LOGSINK_AUTO;
    pthread_mutex_unlock(&logsink.lock);
}

void logsink_counts(struct logsink_counts *ret_counts)
{
    pthread_mutex_lock(&logsink.lock);
    *ret_counts = logsink.counts;
    pthread_mutex_unlock(&logsink.lock);
}

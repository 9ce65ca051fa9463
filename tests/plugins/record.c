/* SPDX-License-Identifier: MIT */
/*
 * record - a handler that writes down what it does, so that a test can count afterwards.
 *
 * One line per event, each a single write to a file opened with O_APPEND, so that lines of several
 * processes, also of killed ones, stand whole beside one another:
 *
 *     start ID RUNNING ATTEMPT REDELIVERED     RUNNING: handlers in this process, this one included
 *     end ID ok|failed|canceled|dead|dropped
 *     state start|stop
 *     batch SIZE RUNNING                       with 'batch:', before the starts of its messages; it
 *                                              waits once, and marks each message with what it does
 *
 * ID is the message-id, or else the first number of the body. What a message is to do is in its
 * header 'do', and for all messages in the settings: fail, dead, drop, retry, stubborn (does not
 * end when cancelled), hog (holds the loop), overflow (its stack), flaky (where 7
 * divides ID, it fails twice), hold (until there is a file FILE.go), down (fails while there is a file FILE.down). Its header 'wait', in
 * ms, stands for 'delay'; 'after', in ms, is how much later 'retry' wants it again (100).
 */
#include <ackd/ackd.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct record {
    const char *file;
    const char *act; /* 'do' of messages that do not say */
    uint64_t delay;  /* ms of waiting in each message */
    uint64_t burn;   /* ms of holding the loop in each message that hogs */
    bool quiet;      /* no start lines */
    int fd;
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct record, file, PATH, .required = true, .help = "what is appended to"),
    ACKD_OPTION(struct record, act, STRING, .fallback = "", .help = "what messages do"),
    ACKD_OPTION(struct record, delay, DURATION, .fallback = "0ms", .help = "how long each waits"),
    ACKD_OPTION(struct record, burn, DURATION, .fallback = "0ms", .help = "how long a hog burns"),
    ACKD_OPTION(struct record, quiet, BOOLEAN, .fallback = "false", .help = "no start lines"),
    ACKD_OPTIONS_END};

/* Over all loops. */
static atomic_int running;

static void record_line(const struct record *record, const char *line)
{
    if (write(record->fd, line, strlen(line)) < 0)
        ackd_log_error("record", "the record cannot be written");
}

static void identify(const struct ackd_message *message, char id[64])
{
    const char *given = ackd_message_id(message);
    if (given != NULL) {
        snprintf(id, 64, "%s", given);
        return;
    }
    struct ackd_bytes body = ackd_message_body(message);
    const char *text = body.data;
    size_t at = 0, length = 0;
    while (at < body.size && (text[at] < '0' || text[at] > '9'))
        at++;
    while (at < body.size && text[at] >= '0' && text[at] <= '9' && length < 63)
        id[length++] = text[at++];
    id[length] = '\0';
    if (length == 0)
        snprintf(id, 64, "-");
}

static bool is_told(const struct ackd_message *message, const struct record *record,
                    const char *what)
{
    struct ackd_header header;
    if (!ackd_message_header(message, "do", &header) || header.kind != ACKD_HEADER_TEXT)
        return strcmp(record->act, what) == 0;
    return header.bytes.size == strlen(what) &&
           memcmp(header.bytes.data, what, header.bytes.size) == 0;
}

/* Of the header @name; @otherwise without it. */
static uint64_t number(const struct ackd_message *message, const char *name, uint64_t otherwise)
{
    struct ackd_header header;
    bool given = ackd_message_header(message, name, &header);
    return given && header.kind == ACKD_HEADER_INTEGER ? (uint64_t)header.integer : otherwise;
}

/* Holds the thread, as no handler should. */
static void burn(uint64_t ms)
{
    struct timespec now, from;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 <
             (int64_t)ms);
}

/* Deeper than any stack there is. */
static __attribute__((noinline)) unsigned sink(volatile unsigned char *above, unsigned depth)
{
    volatile unsigned char here[512];
    here[depth % sizeof here] = *above;
    return depth == UINT_MAX ? here[0] : sink(here, depth + 1) + here[depth % sizeof here];
}

static bool is_there(const struct record *record, const char *suffix)
{
    char path[1024];
    snprintf(path, sizeof path, "%s.%s", record->file, suffix);
    return access(path, F_OK) == 0;
}

/* With a text of as many bytes as the header 'size' says. */
static int fail_at_length(const struct ackd_message *message)
{
    struct ackd_header header;
    bool given = ackd_message_header(message, "size", &header);
    int size = given && header.kind == ACKD_HEADER_INTEGER ? (int)header.integer : 1;
    return ackd_fail(ACKD_E_USER, "told to fail%*s", size, "");
}

/* What it is told to return. */
static int decide(const struct ackd_message *message, const struct record *record, const char *id)
{
    if (is_told(message, record, "fail"))
        return fail_at_length(message);
    if (is_told(message, record, "flaky") && strtoul(id, NULL, 10) % 7 == 0 &&
        ackd_message_attempt(message) < 3)
        return ackd_fail(ACKD_E_USER, "flaky");
    if (is_told(message, record, "down") && is_there(record, "down"))
        return ackd_fail(ACKD_E_USER, "all is down");
    if (is_told(message, record, "dead"))
        return ackd_dead("told to die");
    if (is_told(message, record, "drop"))
        return ackd_drop("told to be dropped");
    if (is_told(message, record, "retry"))
        return ackd_retry_after(number(message, "after", 100), "told to be tried again");
    return ACKD_OK;
}

static int act(const struct ackd_message *message, const struct record *record, const char *id)
{
    if (is_told(message, record, "overflow")) {
        volatile unsigned char top = 1;
        (void)sink(&top, 0);
    }
    if (is_told(message, record, "hog"))
        burn(record->burn);
    if (is_told(message, record, "stubborn")) {
        struct ackd_shield shield;
        ACKD_TRY(ackd_shield_push(&shield, 3600000));
        int code = ackd_delay(3600000);
        ackd_shield_pop(&shield);
        return code;
    }
    while (is_told(message, record, "hold") && !is_there(record, "go"))
        ACKD_TRY(ackd_delay(20));
    ACKD_TRY(ackd_delay(number(message, "wait", record->delay)));
    return decide(message, record, id);
}

static const char *outcome(int code)
{
    switch (code) {
    case ACKD_OK:
        return "ok";
    case ACKD_CANCELED:
        return "canceled";
    case ACKD_E_DEAD:
        return "dead";
    case ACKD_E_DROP:
        return "dropped";
    default:
        return "failed";
    }
}

static void record_start(const struct record *record, const struct ackd_message *message,
                         const char *id, int count)
{
    char line[160];
    if (record->quiet)
        return;
    snprintf(line, sizeof line, "start %s %d %u %d\n", id, count, ackd_message_attempt(message),
             ackd_message_redelivered(message));
    record_line(record, line);
}

static void record_end(const struct record *record, const char *id, int code)
{
    char line[160];
    snprintf(line, sizeof line, "end %s %s\n", id, outcome(code));
    record_line(record, line);
}

static int handle(const struct ackd_message *message, void *state)
{
    struct record *record = state;
    char id[64];
    identify(message, id);
    record_start(record, message, id, atomic_fetch_add(&running, 1) + 1);
    int code = act(message, record, id);
    record_end(record, id, code);
    atomic_fetch_sub(&running, 1);
    return code;
}

static int mark_all(const struct ackd_batch *batch, const struct record *record)
{
    char id[64];
    int code = ackd_delay(record->delay);
    for (size_t i = 0; i < ackd_batch_size(batch); i++) {
        const struct ackd_message *message = ackd_batch_message(batch, i);
        identify(message, id);
        int mark = code == ACKD_OK ? decide(message, record, id) : code;
        record_end(record, id, mark);
        ACKD_TRY(ackd_batch_mark(message, mark));
    }
    return code;
}

static int handle_batch(const struct ackd_batch *batch, void *state)
{
    struct record *record = state;
    char line[160], id[64];
    int count = atomic_fetch_add(&running, 1) + 1;
    snprintf(line, sizeof line, "batch %zu %d\n", ackd_batch_size(batch), count);
    record_line(record, line);
    for (size_t i = 0; i < ackd_batch_size(batch); i++) {
        identify(ackd_batch_message(batch, i), id);
        record_start(record, ackd_batch_message(batch, i), id, count);
    }
    int code = mark_all(batch, record);
    atomic_fetch_sub(&running, 1);
    return code;
}

static int start(void *state)
{
    struct record *record = state;
    record->fd = open(record->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (record->fd < 0)
        return ackd_fail(ACKD_E_OS, "%s cannot be opened", record->file);
    record_line(record, "state start\n");
    return ACKD_OK;
}

static int stop(void *state)
{
    struct record *record = state;
    record_line(record, "state stop\n");
    close(record->fd);
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "record", .version = "test", .help = "writes down what it does",
              .options = options, .state_size = sizeof(struct record), .start = start,
              .handle = handle, .stop = stop, .handle_batch = handle_batch);

/* SPDX-License-Identifier: MIT */
/*
 * relay - a handler that publishes, and writes down what came of it, so that a test can look.
 *
 * What a message is to do is in its headers: 'exchange' and 'key' say where its body goes, 'size'
 * makes it a body of so many bytes, 'limit' is the time limit in ms, 'optional' and 'times' are as
 * they say, 'gate' is a file that it waits for before that, 'with' is 'properties' for all of them, 'forward' for
 * the message's own headers, 'user' for a user that it is not from. 'do' is 'reply', to answer the
 * message with its body, 'reply-mandatory', to do so by hand, or 'request', to ask for a reply, which is noted. Two lines per message, each a
 * single write to a file opened with O_APPEND:
 *
 *     ID begins
 *     ID CODE TEXT      CODE: "ok", "canceled", or the name of the error
 */
#include <ackd/ackd.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 600, VALUE_SIZE = 256 };

struct relay {
    const char *file;
    const char *start_key, *stop_key, *run_key; /* what start(), stop() and run() publish to */
    const char *act;                            /* 'do' of messages that do not say */
    bool swallow;                               /* a message is done whatever came of it */
    int fd;
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct relay, file, PATH, .required = true, .help = "what is appended to"),
    ACKD_OPTION(struct relay, start_key, STRING, .fallback = "", .help = "where start() publishes"),
    ACKD_OPTION(struct relay, stop_key, STRING, .fallback = "", .help = "where stop() publishes"),
    ACKD_OPTION(struct relay, run_key, STRING, .fallback = "", .help = "where run() publishes"),
    ACKD_OPTION(struct relay, act, STRING, .fallback = "", .help = "what messages do"),
    ACKD_OPTION(struct relay, swallow, BOOLEAN, .fallback = "false", .help = "failures are none"),
    ACKD_OPTIONS_END};

static void note_begin(const struct relay *relay, const char *id)
{
    char line[LINE_SIZE];
    int size = snprintf(line, sizeof line, "%.60s begins\n", id);
    if (write(relay->fd, line, (size_t)size) < 0)
        ackd_log_error("relay", "the file cannot be written");
}

static void note(const struct relay *relay, const char *id, int code)
{
    char line[LINE_SIZE];
    const char *name = code == ACKD_OK         ? "ok"
                       : code == ACKD_CANCELED ? "canceled"
                                               : ackd_code_name(code);
    const char *text =
        code == ACKD_OK || code == ACKD_CANCELED ? "" : ackd_error_text(ackd_error_current());
    int size = snprintf(line, sizeof line, "%.60s %s %.500s\n", id, name, text);
    if (write(relay->fd, line, (size_t)size) < 0)
        ackd_log_error("relay", "the file cannot be written");
}

/* The text of a header, or "". */
static const char *told(const struct ackd_message *message, const char *name, char *value)
{
    struct ackd_header header;
    value[0] = '\0';
    if (ackd_message_header(message, name, &header) && header.kind == ACKD_HEADER_TEXT)
        snprintf(value, VALUE_SIZE, "%.*s", (int)header.bytes.size,
                 (const char *)header.bytes.data);
    return value;
}

static uint64_t number(const struct ackd_message *message, const char *name, uint64_t otherwise)
{
    struct ackd_header header;
    if (!ackd_message_header(message, name, &header) || header.kind != ACKD_HEADER_INTEGER)
        return otherwise;
    return (uint64_t)header.integer;
}

static void give_properties(struct ackd_publication *publication)
{
    static const struct ackd_publication_header headers[] = {
        {"shop", "north", 0}, {"lines", NULL, 7}, {NULL, NULL, 0}};
    publication->content_type = "text/plain";
    publication->content_encoding = "identity";
    publication->correlation_id = "correlation";
    publication->reply_to = "answers";
    publication->id = "the-id";
    publication->type = "order";
    publication->app_id = "relay";
    publication->timestamp_s = 1234567890;
    publication->priority = 3;
    publication->expiration = "3600000";
    publication->transient = true;
    publication->headers = headers;
}

static int request(const struct relay *relay, const struct ackd_message *message,
                   const struct ackd_publication *publication)
{
    struct ackd_bytes reply;
    char line[LINE_SIZE];
    ACKD_TRY(ackd_request(publication, &reply));
    int size = snprintf(line, sizeof line, "%.60s reply %.*s\n", ackd_message_id(message),
                        (int)reply.size, (const char *)reply.data);
    return write(relay->fd, line, (size_t)size) < 0 ? ackd_fail(ACKD_E_OS, "the file") : ACKD_OK;
}

static int relay_one(const struct relay *relay, const struct ackd_message *message)
{
    char exchange[VALUE_SIZE], key[VALUE_SIZE], with[VALUE_SIZE];
    size_t size = (size_t)number(message, "size", 0);
    struct ackd_publication publication = {.exchange = told(message, "exchange", exchange),
                                           .routing_key = told(message, "key", key),
                                           .body = ackd_message_body(message),
                                           .optional = number(message, "optional", 0) > 0,
                                           .timeout_ms = number(message, "limit", 0)};
    if (strcmp(told(message, "with", with), "properties") == 0)
        give_properties(&publication);
    if (strcmp(with, "forward") == 0)
        publication.forward = ackd_message_headers(message);
    if (strcmp(with, "user") == 0)
        publication.user_id = "somebody-else";
    if (size > 0) {
        char *body = ackd_alloc(size);
        if (body == NULL)
            return ACKD_E_NOMEM;
        memset(body, 'x', size);
        publication.body = (struct ackd_bytes){body, size};
    }
    if (told(message, "do", with)[0] == '\0')
        snprintf(with, sizeof with, "%s", relay->act);
    if (strcmp(with, "reply") == 0)
        return ackd_reply(message, publication.body);
    if (strcmp(with, "reply-mandatory") == 0) {
        publication.routing_key = ackd_message_reply_to(message);
        return ackd_publish_message(&publication);
    }
    if (strcmp(with, "request") == 0)
        return request(relay, message, &publication);
    uint64_t times = number(message, "times", 1);
    for (uint64_t i = 0; i < times; i++)
        ACKD_TRY(ackd_publish_message(&publication));
    return ACKD_OK;
}

static int wait_for_gate(const struct ackd_message *message)
{
    char gate[VALUE_SIZE];
    told(message, "gate", gate);
    while (gate[0] != '\0' && access(gate, F_OK) != 0)
        ACKD_TRY(ackd_delay(20));
    return ACKD_OK;
}

static int handle(const struct ackd_message *message, void *state)
{
    const struct relay *relay = state;
    const char *id = ackd_message_id(message);
    note_begin(relay, id == NULL ? "-" : id);
    int code = wait_for_gate(message);
    if (code == ACKD_OK)
        code = relay_one(relay, message);
    note(relay, id == NULL ? "-" : id, code);
    return relay->swallow && code != ACKD_CANCELED ? ACKD_OK : code;
}

static int start(void *state)
{
    struct relay *relay = state;
    relay->fd = open(relay->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (relay->fd < 0)
        return ackd_fail(ACKD_E_OS, "%s cannot be opened", relay->file);
    if (relay->start_key[0] == '\0')
        return ACKD_OK;
    int code = ackd_publish("", relay->start_key, ackd_bytes("started"));
    note(relay, "start", code);
    return code;
}

static int note_detached(const struct ackd_task *task, int code, const struct ackd_error *error,
                         void *arg)
{
    (void)task;
    (void)error;
    note(arg, "detached", code);
    return ACKD_OK;
}

static int publish_detached(void *arg)
{
    const struct relay *relay = arg;
    return ackd_publish("", relay->run_key, ackd_bytes("detached"));
}

static int run(void *state)
{
    struct relay *relay = state;
    const struct ackd_task_options detached = {.name = "detached"};
    if (relay->run_key[0] == '\0')
        return ACKD_OK;
    note(relay, "run", ackd_publish("", relay->run_key, ackd_bytes("runs")));
    return ackd_spawn_detached(ackd_owner_current(), publish_detached, relay, &detached,
                               note_detached, relay);
}

static int stop(void *state)
{
    const struct relay *relay = state;
    int code = ACKD_OK;
    if (relay->stop_key[0] != '\0') {
        code = ackd_publish("", relay->stop_key, ackd_bytes("stopped"));
        note(relay, "stop", code);
    }
    close(relay->fd);
    return code;
}

ACKD_CONSUMER(.name = "relay", .version = "test", .help = "publishes what it is told to",
              .options = options, .state_size = sizeof(struct relay), .start = start,
              .handle = handle, .stop = stop, .run = run);

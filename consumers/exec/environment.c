/* SPDX-License-Identifier: MIT */
/* environment - a list in which setting a name again takes the place of the first. */
#include "environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct environment {
    const char **list;
    size_t count;
    size_t headers; /* of the message that are in it */
    size_t bytes;   /* of their values */
    size_t left_out;
};

/* Of the service manager with ackd: a child that answered in ackd's name would confuse both. */
static const char *const environment_private[] = {
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};

/* Whether @entry sets the name that the first @length bytes of @name are. */
static bool environment_is(const char *entry, const char *name, size_t length)
{
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

static bool environment_is_private(const char *entry)
{
    for (size_t i = 0; i < sizeof environment_private / sizeof *environment_private; i++) {
        if (environment_is(entry, environment_private[i], strlen(environment_private[i])))
            return true;
    }
    return false;
}

static const char **environment_find(struct environment *environment, const char *name,
                                     size_t length)
{
    for (size_t i = 0; i < environment->count; i++) {
        if (environment_is(environment->list[i], name, length))
            return &environment->list[i];
    }
    return NULL;
}

/* @entry is NAME=VALUE, and lives as long as the list. */
static int environment_set(struct environment *environment, const char *entry)
{
    if (entry == NULL)
        return ACKD_E_NOMEM;
    const char **place = environment_find(environment, entry, strcspn(entry, "="));
    if (place == NULL && environment->count == ENVIRONMENT_MAX)
        return ackd_fail(ACKD_E_FULL, "a program is given at most %d variables", ENVIRONMENT_MAX);
    if (place == NULL)
        place = &environment->list[environment->count++];
    *place = entry;
    return ACKD_OK;
}

static int environment_text(struct environment *environment, const char *name, const char *value)
{
    return value == NULL ? ACKD_OK
                         : environment_set(environment, ackd_printf("ACKD_%s=%s", name, value));
}

static int environment_number(struct environment *environment, const char *name, uint64_t number)
{
    return environment_set(environment, ackd_printf("ACKD_%s=%" PRIu64, name, number));
}

static int environment_properties(struct environment *environment,
                                  const struct ackd_message *message)
{
    ACKD_TRY(environment_text(environment, "CONSUMER", ackd_message_consumer(message)));
    ACKD_TRY(environment_text(environment, "QUEUE", ackd_message_queue(message)));
    ACKD_TRY(environment_text(environment, "EXCHANGE", ackd_message_exchange(message)));
    ACKD_TRY(environment_text(environment, "ROUTING_KEY", ackd_message_routing_key(message)));
    ACKD_TRY(environment_text(environment, "REDELIVERED",
                              ackd_message_redelivered(message) ? "1" : "0"));
    ACKD_TRY(environment_number(environment, "ATTEMPT", ackd_message_attempt(message)));
    ACKD_TRY(environment_number(environment, "SIZE", ackd_message_body(message).size));
    ACKD_TRY(environment_text(environment, "MESSAGE_ID", ackd_message_id(message)));
    ACKD_TRY(environment_text(environment, "TYPE", ackd_message_type(message)));
    ACKD_TRY(environment_text(environment, "CONTENT_TYPE", ackd_message_content_type(message)));
    ACKD_TRY(
        environment_text(environment, "CONTENT_ENCODING", ackd_message_content_encoding(message)));
    ACKD_TRY(environment_text(environment, "CORRELATION_ID", ackd_message_correlation_id(message)));
    ACKD_TRY(environment_text(environment, "REPLY_TO", ackd_message_reply_to(message)));
    ACKD_TRY(environment_text(environment, "APP_ID", ackd_message_app_id(message)));
    ACKD_TRY(environment_text(environment, "USER_ID", ackd_message_user_id(message)));
    if (ackd_message_timestamp_s(message) != 0)
        ACKD_TRY(environment_number(environment, "TIMESTAMP", ackd_message_timestamp_s(message)));
    return ACKD_OK;
}

/* ACKD_HEADER_ and the name in capitals, with '_' for what a shell would not take. */
static void environment_header_name(const struct ackd_header *header, char *ret_name)
{
    char *at = stpcpy(ret_name, "ACKD_HEADER_");
    for (size_t i = 0; i < header->name_size; i++) {
        char byte = header->name[i];
        if (byte >= 'a' && byte <= 'z')
            byte = (char)(byte - 'a' + 'A');
        bool plain = (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        *at++ = plain ? byte : '_';
    }
    *at = '\0';
}

/* Its value as text; NULL for a kind that has none, or one that is too large. */
static const char *environment_header_value(const struct ackd_header *header, char *number,
                                            size_t size)
{
    switch (header->kind) {
    case ACKD_HEADER_TEXT:
        if (header->bytes.size > ENVIRONMENT_VALUE_MAX ||
            memchr(header->bytes.data, '\0', header->bytes.size) != NULL)
            return NULL;
        return ackd_printf("%.*s", (int)header->bytes.size, (const char *)header->bytes.data);
    case ACKD_HEADER_BOOLEAN:
    case ACKD_HEADER_INTEGER:
    case ACKD_HEADER_TIMESTAMP:
        snprintf(number, size, "%" PRId64, header->integer);
        return number;
    case ACKD_HEADER_REAL:
        snprintf(number, size, "%.17g", header->real);
        return number;
    case ACKD_HEADER_VOID:
    case ACKD_HEADER_DECIMAL:
    case ACKD_HEADER_BYTES:
    case ACKD_HEADER_TABLE:
    case ACKD_HEADER_ARRAY:
        break;
    }
    return NULL;
}

static int environment_header(struct environment *environment, const struct ackd_header *header)
{
    char number[64];
    char name[sizeof "ACKD_HEADER_" + ENVIRONMENT_NAME_MAX];
    const char *value = NULL;
    if (header->name_size <= ENVIRONMENT_NAME_MAX &&
        environment->headers < ENVIRONMENT_HEADERS_MAX) {
        environment_header_name(header, name);
        value = environment_header_value(header, number, sizeof number);
    }
    if (value == NULL || environment->bytes + strlen(value) > ENVIRONMENT_BYTES_MAX ||
        environment_find(environment, name, strlen(name)) != NULL) {
        environment->left_out++;
        return ACKD_OK;
    }
    environment->headers++;
    environment->bytes += strlen(value);
    return environment_set(environment, ackd_printf("%s=%s", name, value));
}

int environment_make(const struct ackd_message *message, char *const *inherited,
                     const char *const *added, const char *const **ret_list)
{
    struct environment environment = {
        .list = ackd_alloc((ENVIRONMENT_MAX + 1) * sizeof *environment.list)};
    if (environment.list == NULL)
        return ACKD_E_NOMEM;
    for (size_t i = 0; inherited != NULL && inherited[i] != NULL; i++) {
        if (strncmp(inherited[i], "ACKD_", 5) != 0 && !environment_is_private(inherited[i]))
            ACKD_TRY(environment_set(&environment, inherited[i]));
    }
    for (size_t i = 0; added != NULL && added[i] != NULL; i++)
        ACKD_TRY(environment_set(&environment, added[i]));
    ACKD_TRY(environment_properties(&environment, message));
    struct ackd_headers headers = ackd_message_headers(message);
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header))
        ACKD_TRY(environment_header(&environment, &header));
    if (environment.left_out > 0)
        ACKD_TRY(environment_number(&environment, "HEADERS_LEFT_OUT", environment.left_out));
    environment.list[environment.count] = NULL;
    *ret_list = environment.list;
    return ACKD_OK;
}

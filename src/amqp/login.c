/* SPDX-License-Identifier: MIT */
/* login - the answers to connection.start and connection.tune. It must not know channels. */
#include <config.h>

#include "amqp/login.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/method.h"

int login_header(struct connection *connection)
{
    return buffer_append(&connection->output, "AMQP\0\0\x09\x01", 8);
}

static void login_forget(char **secret)
{
    if (*secret == NULL)
        return;
    explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void login_wipe(struct connection *connection)
{
    login_forget(&connection->user);
    login_forget(&connection->password);
}

static amqp_table_entry_t login_entry_text(const char *key, const char *text)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(text)},
    };
}

static amqp_table_entry_t login_entry_yes(const char *key)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1},
    };
}

/* "RabbitMQ 3.10.8" */
static void login_note_server(struct connection *connection, const amqp_table_t *server)
{
    amqp_bytes_t product = amqp_cstring_bytes("a broker");
    amqp_bytes_t version = amqp_cstring_bytes("of unknown version");
    for (int i = 0; i < server->num_entries; i++) {
        const amqp_table_entry_t *entry = &server->entries[i];
        if (entry->value.kind != AMQP_FIELD_KIND_UTF8)
            continue;
        if (entry->key.len == 7 && memcmp(entry->key.bytes, "product", 7) == 0)
            product = entry->value.value.bytes;
        if (entry->key.len == 7 && memcmp(entry->key.bytes, "version", 7) == 0)
            version = entry->value.value.bytes;
    }
    int product_size = product.len < 60 ? (int)product.len : 60;
    int version_size = version.len < 60 ? (int)version.len : 60;
    snprintf(connection->server, sizeof connection->server, "%.*s %.*s", product_size,
             (const char *)product.bytes, version_size, (const char *)version.bytes);
}

/* Whether @word is one of the words of @list, which are apart by one blank. */
static bool login_offers(amqp_bytes_t list, const char *word)
{
    const char *at = list.bytes;
    const char *end = at + list.len;
    size_t size = strlen(word);
    while (at < end) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *stop = blank == NULL ? end : blank;
        if ((size_t)(stop - at) == size && memcmp(at, word, size) == 0)
            return true;
        at = stop + 1;
    }
    return false;
}

/* What PLAIN says: an empty identity, the user and the password, each behind a zero octet. */
static char *login_plain(const struct connection *connection, size_t *ret_size)
{
    size_t user = strlen(connection->user);
    size_t password = strlen(connection->password);
    char *response = malloc(user + password + 2);
    if (response == NULL)
        return NULL;
    response[0] = '\0';
    memcpy(response + 1, connection->user, user);
    response[1 + user] = '\0';
    memcpy(response + 2 + user, connection->password, password);
    *ret_size = user + password + 2;
    return response;
}

/* Write start-ok with @response; refuse one that the broker would not even answer. */
static int login_write_start_ok(struct connection *connection, const char *mechanism,
                                amqp_bytes_t response)
{
    amqp_table_entry_t capabilities[] = {
        login_entry_yes("consumer_cancel_notify"),
        login_entry_yes("connection.blocked"),
        login_entry_yes("basic.nack"),
        login_entry_yes("publisher_confirms"),
        login_entry_yes("authentication_failure_close"),
        login_entry_yes("exchange_exchange_bindings"),
    };
    amqp_table_entry_t properties[] = {
        login_entry_text("product", "ackd"),
        login_entry_text("version", connection->version),
        login_entry_text("platform", "C"),
        login_entry_text("connection_name", connection->name),
        {.key = amqp_cstring_bytes("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE,
                   .value.table = {.num_entries = sizeof capabilities / sizeof capabilities[0],
                                   .entries = capabilities}}},
    };
    amqp_connection_start_ok_t start_ok = {
        .client_properties = {.num_entries = sizeof properties / sizeof properties[0],
                              .entries = properties},
        .mechanism = amqp_cstring_bytes(mechanism),
        .response = response,
        .locale = amqp_cstring_bytes("en_US"),
    };
    size_t room =
        METHOD_ROOM + strlen(connection->version) + strlen(connection->name) + response.len;
    struct buffer whole;
    buffer_init(&whole, SIZE_MAX);
    int code = method_write(&whole, 0, AMQP_CONNECTION_START_OK_METHOD, &start_ok, room);
    if (code == ACKD_OK && buffer_size(&whole) > LOGIN_FRAME_MAX)
        code = ackd_fail(ACKD_E_TOO_LARGE,
                         "the login (connection.start-ok) has %zu bytes, RabbitMQ answers nothing "
                         "to more than %d: use a shorter password or connection name",
                         buffer_size(&whole), LOGIN_FRAME_MAX);
    if (code == ACKD_OK)
        code = buffer_append(&connection->output, buffer_bytes(&whole), buffer_size(&whole));
    if (whole.data != NULL)
        explicit_bzero(whole.data, whole.end);
    buffer_fini(&whole);
    return code;
}

int login_start(struct connection *connection, const void *method, struct connection_event *event)
{
    const amqp_connection_start_t *start = method;
    (void)event;
    if (start->version_major != 0 || start->version_minor != 9)
        return inside_fault(connection, FAULT_NOT_IMPLEMENTED,
                            "the broker speaks AMQP %u-%u, ackd speaks 0-9-1", start->version_major,
                            start->version_minor);
    login_note_server(connection, &start->server_properties);
    const char *mechanism = connection->mechanism == CONNECTION_PLAIN ? "PLAIN" : "EXTERNAL";
    if (!login_offers(start->mechanisms, mechanism))
        return ackd_fail(ACKD_E_REFUSED, "%s does not offer the login mechanism %s, but only: %.*s",
                         connection->server, mechanism,
                         start->mechanisms.len < 200 ? (int)start->mechanisms.len : 200,
                         (const char *)start->mechanisms.bytes);
    char *response = NULL;
    size_t size = 0;
    if (connection->mechanism == CONNECTION_PLAIN) {
        response = login_plain(connection, &size);
        if (response == NULL)
            return ackd_fail(ACKD_E_NOMEM, "to log in");
    }
    int code =
        login_write_start_ok(connection, mechanism, (amqp_bytes_t){.len = size, .bytes = response});
    if (response != NULL)
        explicit_bzero(response, size);
    free(response);
    if (code != ACKD_OK)
        return code;
    login_wipe(connection);
    connection->state = INSIDE_TUNING;
    return TAKEN_SILENT;
}

int login_secure(struct connection *connection, const void *method, struct connection_event *event)
{
    (void)method;
    (void)event;
    return inside_fault(connection, FAULT_NOT_IMPLEMENTED,
                        "the broker asks for one more round of login (connection.secure), which "
                        "%s does not have",
                        connection->mechanism == CONNECTION_PLAIN ? "PLAIN" : "EXTERNAL");
}

static uint16_t login_heartbeat(uint16_t ours, uint16_t theirs)
{
    if (ours == 0 || theirs == 0)
        return ours == 0 ? theirs : ours;
    return ours < theirs ? ours : theirs;
}

int login_tune(struct connection *connection, const void *method, struct connection_event *event)
{
    const amqp_connection_tune_t *tune = method;
    (void)event;
    connection->frame_max = tune->frame_max == 0 ? FRAME_MAX_DEFAULT : tune->frame_max;
    connection->channel_max = tune->channel_max == 0 ? LOGIN_CHANNEL_MAX : tune->channel_max;
    connection->heartbeat_s = login_heartbeat(connection->heartbeat_s, tune->heartbeat);
    if (connection->frame_max < LOGIN_FRAME_MAX_LEAST)
        return inside_fault(
            connection, FAULT_SYNTAX,
            "the broker offers frames of at most %u bytes, %d is the least there is",
            connection->frame_max, LOGIN_FRAME_MAX_LEAST);
    amqp_connection_tune_ok_t tune_ok = {.channel_max = connection->channel_max,
                                         .frame_max = connection->frame_max,
                                         .heartbeat = connection->heartbeat_s};
    ACKD_TRY(method_write(&connection->output, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &tune_ok,
                          METHOD_ROOM));
    amqp_connection_open_t open = {0};
    ACKD_TRY(method_string(connection->vhost, "virtual host", &open.virtual_host));
    ACKD_TRY(method_write(&connection->output, 0, AMQP_CONNECTION_OPEN_METHOD, &open, METHOD_ROOM));
    connection->state = INSIDE_OPENING;
    return TAKEN_SILENT;
}

/* SPDX-License-Identifier: MIT */
/*
 * amqptool - what a test does on the other side of the broker: declare, publish, look, take away.
 *
 *     amqptool [-p PORT] declare QUEUE [KEY=VALUE]...   durable; a number is sent as a number
 *     amqptool [-p PORT] delete|purge|depth|consumers QUEUE
 *     amqptool [-p PORT] publish [OPTION]... QUEUE [COUNT]
 *     amqptool [-p PORT] get|drain [-H] QUEUE           to standard output, a line each
 *     amqptool [-p PORT] requeue QUEUE                  take one and give it back
 *
 * It blocks and exits at the first failure, which suits a test and nothing else. librabbitmq
 * connects and does the rare calls; publishing writes frames of its own making, because that is
 * fast and because the worst messages cannot be made with a well-behaved encoder.
 */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_RABBITMQ_C_AMQP_H
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

enum { CHANNEL = 1, FRAME_MAX = 131072, FRAME_EXTRA = 8, WINDOW = 2000, PROPERTIES_MAX = 15 };

_Noreturn static void die(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
_Noreturn static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("amqptool: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* Bytes that grow. A test tool may run out of memory by dying. */
struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

static uint8_t *bytes_extend(struct bytes *bytes, size_t size)
{
    if (bytes->size + size > bytes->capacity) {
        bytes->capacity = (bytes->size + size) * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL)
            die("out of memory");
    }
    bytes->size += size;
    return bytes->data + bytes->size - size;
}

static void put(struct bytes *bytes, const void *data, size_t size)
{
    if (size > 0)
        memcpy(bytes_extend(bytes, size), data, size);
}

/* The low @width bytes of @value, most significant first. */
static void put_number(struct bytes *bytes, uint64_t value, unsigned width)
{
    uint8_t *at = bytes_extend(bytes, width);
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

static void put_short_string(struct bytes *bytes, const char *text)
{
    size_t size = strlen(text);
    if (size > 255)
        die("'%s' is longer than 255 bytes", text);
    put_number(bytes, size, 1);
    put(bytes, text, size);
}

static void put_long_string(struct bytes *bytes, const void *data, size_t size)
{
    put_number(bytes, size, 4);
    put(bytes, data, size);
}

/* ---- headers of messages, as bytes of a field table without its length ---- */

/* NAME=VALUE; a whole number is sent as a 64-bit integer, anything else as a string. */
static void put_entry(struct bytes *table, const char *name, const char *value)
{
    char *end;
    long long number = strtoll(value, &end, 10);
    put_short_string(table, name);
    if (*value != '\0' && *end == '\0') {
        put_number(table, 'l', 1);
        put_number(table, (uint64_t)number, 8);
    } else {
        put_number(table, 'S', 1);
        put_long_string(table, value, strlen(value));
    }
}

static void put_assignment(struct bytes *table, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL)
        die("'%s' is not NAME=VALUE", assignment);
    char *name = strndup(assignment, (size_t)(equals - assignment));
    put_entry(table, name, equals + 1);
    free(name);
}

/* NAME=VALUE,VALUE...: an array of strings. */
static void put_array(struct bytes *table, const char *assignment)
{
    struct bytes values = {0};
    const char *at = strchr(assignment, '=');
    if (at == NULL)
        die("'%s' is not NAME=VALUE,VALUE", assignment);
    size_t name_size = (size_t)(at - assignment);
    do {
        size_t size = strcspn(++at, ",");
        put_number(&values, 'S', 1);
        put_long_string(&values, at, size);
        at += size;
    } while (*at == ',');
    put_number(table, name_size, 1);
    put(table, assignment, name_size);
    put_number(table, 'A', 1);
    put_long_string(table, values.data, values.size);
    free(values.data);
}

/* @depth tables, each the only entry of the one around it: six bytes a level. */
static void put_nested(struct bytes *table, unsigned depth)
{
    for (unsigned inside = depth; inside > 0; inside--) {
        put_number(table, 0, 1); /* an empty name */
        put_number(table, 'F', 1);
        put_number(table, 6 * (uint64_t)(inside - 1), 4);
    }
}

/* One header that alone makes the table at least @size bytes. */
static void put_oversized(struct bytes *table, size_t size)
{
    char *value = calloc(1, size + 1);
    if (value == NULL)
        die("out of memory");
    memset(value, 'x', size);
    put_short_string(table, "large");
    put_number(table, 'S', 1);
    put_long_string(table, value, size);
    free(value);
}

/* ---- connection ---- */

static struct link {
    amqp_connection_state_t state;
    int fd;
} tool;

static void check_reply(amqp_rpc_reply_t reply, const char *what)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        die("%s: %s", what, amqp_error_string2(reply.library_error));
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
        reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_t *close = reply.reply.decoded;
        die("%s: %d %.*s", what, close->reply_code, (int)close->reply_text.len,
            (char *)close->reply_text.bytes);
    }
    die("%s: refused by the broker", what);
}

static void check_rpc(const char *what)
{
    check_reply(amqp_get_rpc_reply(tool.state), what);
}

static void link_open(const char *host, int port, const char *user, const char *password)
{
    tool.state = amqp_new_connection();
    amqp_socket_t *socket = tool.state == NULL ? NULL : amqp_tcp_socket_new(tool.state);
    if (socket == NULL)
        die("out of memory");
    int status = amqp_socket_open(socket, host, port);
    if (status != AMQP_STATUS_OK)
        die("%s:%d: %s", host, port, amqp_error_string2(status));
    check_reply(
        amqp_login(tool.state, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, user, password),
        "log in");
    amqp_channel_open(tool.state, CHANNEL);
    check_rpc("open a channel");
    tool.fd = amqp_get_sockfd(tool.state);
}

/* The answer to a close comes after all that was sent before it was dealt with. */
static void link_close(void)
{
    check_reply(amqp_channel_close(tool.state, CHANNEL, AMQP_REPLY_SUCCESS), "close the channel");
    check_reply(amqp_connection_close(tool.state, AMQP_REPLY_SUCCESS), "close");
    amqp_destroy_connection(tool.state);
}

/* The library's socket does not block, so waiting is ours. */
static void send_all(struct bytes *out)
{
    struct pollfd writable = {tool.fd, POLLOUT, 0};
    for (size_t sent = 0; sent < out->size;) {
        ssize_t count = write(tool.fd, out->data + sent, out->size - sent);
        if (count < 0 && errno == EAGAIN)
            poll(&writable, 1, -1);
        else if (count < 0 && errno != EINTR)
            die("write: %s", strerror(errno));
        if (count > 0)
            sent += (size_t)count;
    }
    out->size = 0;
}

/* ---- publishing ---- */

struct publish {
    const char *exchange, *queue;
    const char *body;     /* template: %d is the number */
    const char *file;     /* a message per line instead */
    struct bytes headers; /* of every message */
    size_t body_size;     /* 0: as the template says; else padded to it */
    uint64_t first;       /* the first number */
    bool transient, confirm;
    unsigned long keys;       /* header 'key': the number modulo this; 0: none */
    const char *id_prefix;    /* message-id; NULL: none */
    const char *content_type; /* NULL: application/json */
    size_t property_count;
    const char *properties[PROPERTIES_MAX + 1]; /* further ones, as NAME=VALUE; ended by NULL */
};

/* The further properties from @first to @last of those in the order of their flags. */
static unsigned put_properties(struct bytes *payload, const struct publish *publish, size_t first,
                               size_t last)
{
    static const struct {
        const char *name;
        unsigned flag, width; /* of a number; 0: a string */
    } rows[] = {{"content-encoding", AMQP_BASIC_CONTENT_ENCODING_FLAG, 0},
                {"priority", AMQP_BASIC_PRIORITY_FLAG, 1},
                {"correlation-id", AMQP_BASIC_CORRELATION_ID_FLAG, 0},
                {"reply-to", AMQP_BASIC_REPLY_TO_FLAG, 0},
                {"expiration", AMQP_BASIC_EXPIRATION_FLAG, 0},
                {"timestamp", AMQP_BASIC_TIMESTAMP_FLAG, 8},
                {"type", AMQP_BASIC_TYPE_FLAG, 0},
                {"user-id", AMQP_BASIC_USER_ID_FLAG, 0},
                {"app-id", AMQP_BASIC_APP_ID_FLAG, 0}};
    unsigned flags = 0;
    for (size_t i = first; i <= last; i++) {
        size_t size = strlen(rows[i].name);
        for (const char *const *at = publish->properties; *at != NULL; at++) {
            if (strncmp(*at, rows[i].name, size) != 0 || (*at)[size] != '=')
                continue;
            flags |= rows[i].flag;
            if (payload != NULL && rows[i].width == 0)
                put_short_string(payload, *at + size + 1);
            else if (payload != NULL)
                put_number(payload, strtoull(*at + size + 1, NULL, 10), rows[i].width);
        }
    }
    return flags;
}

static void put_frame(struct bytes *out, int type, const struct bytes *payload)
{
    put_number(out, (uint64_t)type, 1);
    put_number(out, CHANNEL, 2);
    put_number(out, payload->size, 4);
    put(out, payload->data, payload->size);
    put_number(out, 0xCE, 1);
}

static void put_publish_method(struct bytes *out, const struct publish *publish)
{
    static struct bytes payload;
    payload.size = 0;
    put_number(&payload, 60, 2);
    put_number(&payload, 40, 2);
    put_number(&payload, 0, 2);
    put_short_string(&payload, publish->exchange);
    put_short_string(&payload, publish->queue);
    put_number(&payload, 0, 1);
    put_frame(out, 1, &payload);
}

/* Properties in the order of their flags. */
static void put_content_header(struct bytes *out, const struct publish *publish, uint64_t number,
                               size_t body_size)
{
    static struct bytes payload;
    static struct bytes headers;
    bool with_headers = publish->headers.size > 0 || publish->keys > 0;
    payload.size = headers.size = 0;
    put(&headers, publish->headers.data, publish->headers.size);
    if (publish->keys > 0) {
        char key[32];
        snprintf(key, sizeof key, "%llu", (unsigned long long)number % publish->keys);
        put_entry(&headers, "key", key);
    }
    put_number(&payload, 60, 2);
    put_number(&payload, 0, 2);
    put_number(&payload, body_size, 8);
    put_number(&payload,
               AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                   (with_headers ? AMQP_BASIC_HEADERS_FLAG : 0) |
                   (publish->id_prefix != NULL ? AMQP_BASIC_MESSAGE_ID_FLAG : 0) |
                   put_properties(NULL, publish, 0, 8),
               2);
    put_short_string(&payload, publish->content_type);
    put_properties(&payload, publish, 0, 0);
    if (with_headers)
        put_long_string(&payload, headers.data, headers.size);
    put_number(&payload, publish->transient ? 1 : 2, 1);
    put_properties(&payload, publish, 1, 4);
    if (publish->id_prefix != NULL) {
        char id[128];
        snprintf(id, sizeof id, "%s%llu", publish->id_prefix, (unsigned long long)number);
        put_short_string(&payload, id);
    }
    put_properties(&payload, publish, 5, 8);
    if (payload.size > FRAME_MAX - FRAME_EXTRA)
        die("the headers need %zu bytes, a frame has %d", payload.size, FRAME_MAX - FRAME_EXTRA);
    put_frame(out, 2, &payload);
}

static void put_body(struct bytes *out, const char *body, size_t size)
{
    while (size > 0) {
        size_t part = size < FRAME_MAX - FRAME_EXTRA ? size : FRAME_MAX - FRAME_EXTRA;
        struct bytes payload = {(uint8_t *)(uintptr_t)body, part, part};
        put_frame(out, 3, &payload);
        body += part;
        size -= part;
        if (out->size > 1 << 20)
            send_all(out);
    }
}

static void put_message(struct bytes *out, const struct publish *publish, uint64_t number,
                        const char *body, size_t size)
{
    put_publish_method(out, publish);
    put_content_header(out, publish, number, size);
    put_body(out, body, size);
    if (out->size > 1 << 18)
        send_all(out);
}

/* Read confirms until all up to @number are there. */
static void await_confirms(uint64_t *confirmed, uint64_t number)
{
    while (*confirmed < number) {
        amqp_frame_t frame;
        amqp_maybe_release_buffers(tool.state);
        int status = amqp_simple_wait_frame(tool.state, &frame);
        if (status != AMQP_STATUS_OK)
            die("confirms: %s", amqp_error_string2(status));
        if (frame.frame_type != AMQP_FRAME_METHOD)
            continue;
        if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
            die("not confirmed: %s", amqp_method_name(frame.payload.method.id));
        amqp_basic_ack_t *ack = frame.payload.method.decoded;
        /* Without 'multiple' they may come out of order; counting is enough, for none is sent
         * twice. */
        *confirmed = ack->multiple ? ack->delivery_tag : *confirmed + 1;
    }
}

/* Fill in the template; the memory is reused. */
static const struct bytes *fill(const struct publish *publish, uint64_t number)
{
    static struct bytes body;
    body.size = 0;
    for (const char *at = publish->body; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 'd') {
            char digits[24];
            put(&body, digits,
                (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number));
            at++;
        } else {
            put(&body, at, 1);
        }
    }
    if (body.size < publish->body_size) {
        size_t missing = publish->body_size - body.size;
        memset(bytes_extend(&body, missing), ' ', missing);
    }
    return &body;
}

static void publish_numbers(const struct publish *publish, uint64_t count)
{
    struct bytes out = {NULL, 0, 0};
    uint64_t confirmed = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct bytes *body = fill(publish, publish->first + i);
        put_message(&out, publish, publish->first + i, (const char *)body->data, body->size);
        if (publish->confirm && (i + 1) % WINDOW == 0) {
            send_all(&out);
            await_confirms(&confirmed, i + 1);
        }
    }
    send_all(&out);
    if (publish->confirm)
        await_confirms(&confirmed, count);
    free(out.data);
}

static void publish_lines(const struct publish *publish)
{
    FILE *file = strcmp(publish->file, "-") == 0 ? stdin : fopen(publish->file, "r");
    struct bytes out = {NULL, 0, 0};
    char *line = NULL;
    size_t capacity = 0;
    uint64_t count = 0, confirmed = 0;
    if (file == NULL)
        die("%s: %s", publish->file, strerror(errno));
    for (ssize_t size; (size = getline(&line, &capacity, file)) >= 0; count++) {
        if (size > 0 && line[size - 1] == '\n')
            size--;
        put_message(&out, publish, publish->first + count, line, (size_t)size);
        if (publish->confirm && (count + 1) % WINDOW == 0) {
            send_all(&out);
            await_confirms(&confirmed, count + 1);
        }
    }
    send_all(&out);
    if (publish->confirm)
        await_confirms(&confirmed, count);
    free(line);
    free(out.data);
    if (file != stdin)
        fclose(file);
}

static const char publish_help[] =
    "amqptool publish [OPTION]... QUEUE [COUNT]\n"
    "  -b TEXT   body; %d becomes the number   -f FILE  a message per line instead\n"
    "  -n NUMBER the first number (1)          -s SIZE  pad bodies with spaces to SIZE bytes\n"
    "  -h N=V    a header                      -i TEXT  message-id: TEXT and the number\n"
    "  -x NAME   exchange                      -t TYPE  content-type\n"
    "  -c        wait for confirms             -e       transient, not persistent\n"
    "  -P N=V    a property                    -A N=V,V an array of strings as a header\n"
    "  -k COUNT  a header 'key' of the number modulo COUNT\n"
    "  -N DEPTH  headers nested so deep        -L SIZE  one header of SIZE bytes";

static bool publish_option(struct publish *publish, int option)
{
    switch (option) {
    case 'b':
        publish->body = optarg;
        return true;
    case 'f':
        publish->file = optarg;
        return true;
    case 'n':
        publish->first = strtoull(optarg, NULL, 10);
        return true;
    case 's':
        publish->body_size = strtoull(optarg, NULL, 10);
        return true;
    case 'h':
        put_assignment(&publish->headers, optarg);
        return true;
    case 'A':
        put_array(&publish->headers, optarg);
        return true;
    case 'P':
        if (publish->property_count < PROPERTIES_MAX)
            publish->properties[publish->property_count++] = optarg;
        return true;
    case 'i':
        publish->id_prefix = optarg;
        return true;
    case 'x':
        publish->exchange = optarg;
        return true;
    case 't':
        publish->content_type = optarg;
        return true;
    case 'c':
        publish->confirm = true;
        return true;
    case 'e':
        publish->transient = true;
        return true;
    case 'k':
        publish->keys = strtoul(optarg, NULL, 10);
        return true;
    case 'N':
        put_nested(&publish->headers, (unsigned)strtoul(optarg, NULL, 10));
        return true;
    case 'L':
        put_oversized(&publish->headers, strtoull(optarg, NULL, 10));
        return true;
    default:
        return false;
    }
}

static void do_publish(int argc, char **argv)
{
    struct publish publish = {
        .exchange = "",
        .body = "{\"order\": %d, \"customer\": \"c%d\", \"items\": [1, 2, 3]}",
        .content_type = "application/json",
        .first = 1,
    };
    for (int option; (option = getopt(argc, argv, "+b:f:n:s:h:i:x:t:cek:N:L:P:A:")) != -1;)
        if (!publish_option(&publish, option))
            die("usage: %s", publish_help);
    if (optind >= argc)
        die("usage: %s", publish_help);
    publish.queue = argv[optind];
    if (publish.confirm) {
        amqp_confirm_select(tool.state, CHANNEL);
        check_rpc("confirm.select");
    }
    if (publish.file != NULL)
        publish_lines(&publish);
    else
        publish_numbers(&publish, optind + 1 < argc ? strtoull(argv[optind + 1], NULL, 10) : 1);
    free(publish.headers.data);
}

/* ---- queues ---- */

static amqp_table_t arguments_of(int count, char **assignments)
{
    amqp_table_entry_t *entries = calloc((size_t)count + 1, sizeof *entries);
    if (entries == NULL)
        die("out of memory");
    for (int i = 0; i < count; i++) {
        char *equals = strchr(assignments[i], '='), *end;
        if (equals == NULL)
            die("'%s' is not KEY=VALUE", assignments[i]);
        *equals = '\0';
        entries[i].key = amqp_cstring_bytes(assignments[i]);
        entries[i].value.value.i64 = strtoll(equals + 1, &end, 10);
        entries[i].value.kind = AMQP_FIELD_KIND_I64;
        if (*end != '\0' || end == equals + 1) {
            entries[i].value.kind = AMQP_FIELD_KIND_UTF8;
            entries[i].value.value.bytes = amqp_cstring_bytes(equals + 1);
        }
    }
    return (amqp_table_t){count, entries};
}

static void do_declare(int argc, char **argv)
{
    if (argc < 2)
        die("usage: amqptool declare QUEUE [KEY=VALUE]...");
    amqp_table_t arguments = arguments_of(argc - 2, argv + 2);
    amqp_queue_declare(tool.state, CHANNEL, amqp_cstring_bytes(argv[1]), 0, 1, 0, 0, arguments);
    check_rpc(argv[1]);
    free(arguments.entries);
}

/* What a passive declare says. */
static void do_count(int argc, char **argv)
{
    if (argc != 2)
        die("usage: amqptool %s QUEUE", argv[0]);
    amqp_queue_declare_ok_t *ok = amqp_queue_declare(
        tool.state, CHANNEL, amqp_cstring_bytes(argv[1]), 1, 1, 0, 0, amqp_empty_table);
    check_rpc(argv[1]);
    printf("%u\n", strcmp(argv[0], "depth") == 0 ? ok->message_count : ok->consumer_count);
}

static void do_delete(int argc, char **argv)
{
    if (argc != 2)
        die("usage: amqptool delete QUEUE");
    amqp_queue_delete(tool.state, CHANNEL, amqp_cstring_bytes(argv[1]), 0, 0);
    check_rpc(argv[1]);
}

static void do_purge(int argc, char **argv)
{
    if (argc != 2)
        die("usage: amqptool purge QUEUE");
    amqp_queue_purge(tool.state, CHANNEL, amqp_cstring_bytes(argv[1]));
    check_rpc(argv[1]);
}

/* ---- reading ---- */

static void print_escaped(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

static void print_value(const amqp_field_value_t *value)
{
    switch ((amqp_field_value_kind_t)value->kind) {
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        print_escaped(value->value.bytes.bytes, value->value.bytes.len);
        return;
    case AMQP_FIELD_KIND_BOOLEAN:
        printf("%s", value->value.boolean ? "true" : "false");
        return;
    case AMQP_FIELD_KIND_I8:
        printf("%d", value->value.i8);
        return;
    case AMQP_FIELD_KIND_U8:
        printf("%u", value->value.u8);
        return;
    case AMQP_FIELD_KIND_I16:
        printf("%d", value->value.i16);
        return;
    case AMQP_FIELD_KIND_U16:
        printf("%u", value->value.u16);
        return;
    case AMQP_FIELD_KIND_I32:
        printf("%d", (int)value->value.i32);
        return;
    case AMQP_FIELD_KIND_U32:
        printf("%u", (unsigned)value->value.u32);
        return;
    case AMQP_FIELD_KIND_I64:
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        printf("%lld", (long long)value->value.i64);
        return;
    case AMQP_FIELD_KIND_F32:
        printf("%g", (double)value->value.f32);
        return;
    case AMQP_FIELD_KIND_F64:
        printf("%g", value->value.f64);
        return;
    case AMQP_FIELD_KIND_DECIMAL:
    case AMQP_FIELD_KIND_ARRAY:
    case AMQP_FIELD_KIND_TABLE:
    case AMQP_FIELD_KIND_VOID:
        printf("(%c)", value->kind);
        return;
    }
}

/* NAME=VALUE and a tab for each; text and numbers only, the rest by kind. */
static void print_headers(const amqp_message_t *message)
{
    const amqp_basic_properties_t *properties = &message->properties;
    const struct {
        amqp_flags_t flag;
        const char *name;
        amqp_bytes_t text;
    } texts[] = {
        {AMQP_BASIC_CONTENT_TYPE_FLAG, "content-type", properties->content_type},
        {AMQP_BASIC_CONTENT_ENCODING_FLAG, "content-encoding", properties->content_encoding},
        {AMQP_BASIC_CORRELATION_ID_FLAG, "correlation-id", properties->correlation_id},
        {AMQP_BASIC_REPLY_TO_FLAG, "reply-to", properties->reply_to},
        {AMQP_BASIC_EXPIRATION_FLAG, "expiration", properties->expiration},
        {AMQP_BASIC_MESSAGE_ID_FLAG, "message-id", properties->message_id},
        {AMQP_BASIC_TYPE_FLAG, "type", properties->type},
        {AMQP_BASIC_USER_ID_FLAG, "user-id", properties->user_id},
        {AMQP_BASIC_APP_ID_FLAG, "app-id", properties->app_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (properties->_flags & texts[i].flag)
            printf("%s=%.*s\t", texts[i].name, (int)texts[i].text.len, (char *)texts[i].text.bytes);
    }
    if (properties->_flags & AMQP_BASIC_TIMESTAMP_FLAG)
        printf("timestamp=%llu\t", (unsigned long long)properties->timestamp);
    if (properties->_flags & AMQP_BASIC_PRIORITY_FLAG)
        printf("priority=%d\t", properties->priority);
    if (properties->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
        printf("delivery-mode=%d\t", properties->delivery_mode);
    if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
        return;
    for (int i = 0; i < properties->headers.num_entries; i++) {
        const amqp_table_entry_t *entry = &properties->headers.entries[i];
        printf("%.*s=", (int)entry->key.len, (char *)entry->key.bytes);
        print_value(&entry->value);
        putchar('\t');
    }
}

/* Take one message into @ret_tag; false if there is none. */
static bool take(const char *queue, bool no_ack, bool print, bool headers, uint64_t *ret_tag)
{
    amqp_maybe_release_buffers(tool.state);
    amqp_rpc_reply_t reply = amqp_basic_get(tool.state, CHANNEL, amqp_cstring_bytes(queue), no_ack);
    check_reply(reply, queue);
    if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD)
        return false;
    *ret_tag = ((amqp_basic_get_ok_t *)reply.reply.decoded)->delivery_tag;
    amqp_message_t message;
    check_reply(amqp_read_message(tool.state, CHANNEL, &message, 0), "read a message");
    if (print && headers)
        print_headers(&message);
    if (print) {
        print_escaped(message.body.bytes, message.body.len);
        putchar('\n');
    }
    amqp_destroy_message(&message);
    return true;
}

static void do_take(int argc, char **argv)
{
    bool all = strcmp(argv[0], "drain") == 0, headers = false;
    uint64_t tag;
    for (int option; (option = getopt(argc, argv, "+H")) != -1;) {
        if (option != 'H')
            die("usage: amqptool %s [-H] QUEUE", argv[0]);
        headers = true;
    }
    if (optind + 1 != argc)
        die("usage: amqptool %s [-H] QUEUE", argv[0]);
    bool found = take(argv[optind], true, true, headers, &tag);
    if (!all && !found)
        die("%s is empty", argv[optind]);
    while (all && found)
        found = take(argv[optind], true, true, headers, &tag);
}

static void do_requeue(int argc, char **argv)
{
    uint64_t tag;
    if (argc != 2)
        die("usage: amqptool requeue QUEUE");
    if (!take(argv[1], false, false, false, &tag))
        die("%s is empty", argv[1]);
    if (amqp_basic_reject(tool.state, CHANNEL, tag, 1) != AMQP_STATUS_OK)
        die("requeue failed");
}

static const struct command {
    const char *name;
    void (*run)(int argc, char **argv);
} commands[] = {
    {"declare", do_declare}, {"delete", do_delete},   {"purge", do_purge},
    {"depth", do_count},     {"consumers", do_count}, {"publish", do_publish},
    {"get", do_take},        {"drain", do_take},      {"requeue", do_requeue},
};

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1", *user = "guest", *password = "guest";
    int port = 5672;
    for (int option; (option = getopt(argc, argv, "+o:p:u:w:")) != -1;) {
        switch (option) {
        case 'o':
            host = optarg;
            break;
        case 'p':
            port = atoi(optarg);
            break;
        case 'u':
            user = optarg;
            break;
        case 'w':
            password = optarg;
            break;
        default:
            die("usage: amqptool [-o HOST] [-p PORT] [-u USER] [-w PASSWORD] COMMAND");
        }
    }
    argc -= optind;
    argv += optind;
    for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[0], commands[i].name) != 0)
            continue;
        link_open(host, port, user, password);
        optind = 1;
        commands[i].run(argc, argv);
        link_close();
        return 0;
    }
    die("declare, delete, purge, depth, consumers, publish, get, drain or requeue");
}

/* SPDX-License-Identifier: MIT */
/*
 * transcript - plays what a client says, out of a transcript, to a broker, and prints the transcript
 * that results: what the fake broker answers, or what a real one does.
 *
 *   transcript fake FILE               against the fake broker, in this process
 *   transcript real PORT VHOST FILE    against a broker on the loopback
 *
 * A transcript is lines: '#' a comment, '>' what the client says, '<' what the broker answered to it.
 * Only the client's lines are played; the broker's tell how many answers are waited for, so that
 * playing is quick where a broker still answers as it did. Where there are none, a real broker is
 * listened to for a while.
 *
 * The client is raw: it writes what it is told, in whatever order. What differs from broker to broker
 * and from day to day is not printed: properties of the server, headers that are no integers.
 */
#include <config.h>

#include <ackd/error.h>
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "amqp/frame.h"
#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/wire.h"
#include "base/assert.h"
#include "base/timer.h"
#include "fakebroker.h"

enum {
    LINE_SIZE = 1024,
    WORDS_MAX = 16,
    ANSWERS_MAX = 64,
    FRAME_MAX = 131072,
    QUIET_MS = 250,    /* a real broker that says nothing for so long has answered */
    PATIENCE_MS = 5000 /* for answers that are expected */
};

static struct {
    struct fakebroker *fake; /* NULL: a real one */
    struct fakebroker_link *link;
    uint64_t now_ns; /* of the fake one */
    int socket;      /* -1: none */
    uint16_t port;
    const char *vhost;
    struct buffer output; /* the client's */
    struct buffer input;
    amqp_pool_t pool;
    FILE *out; /* of the answer that is being written */
    struct answer {
        uint16_t channel;
        char *text;
    } answer[ANSWERS_MAX]; /* to the client's last line */
    unsigned answers;
    bool recorded; /* the transcript has answers */
} play = {.socket = -1};

/* A line's words: the first is what is said, the others are NAME=VALUE or NAME. */
struct words {
    size_t count;
    char *word[WORDS_MAX];
};

_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "transcript: %s\n", what);
    exit(EXIT_FAILURE);
}

/* NULL: it is not there; "" for one without a value. */
static const char *value_of(const struct words *words, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 1; i < words->count; i++) {
        const char *word = words->word[i];
        if (strncmp(word, name, size) == 0 && (word[size] == '=' || word[size] == '\0'))
            return word[size] == '=' ? word + size + 1 : "";
    }
    return NULL;
}

static uint64_t number_of(const struct words *words, const char *name)
{
    const char *value = value_of(words, name);
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

static amqp_bytes_t string_of(const struct words *words, const char *name)
{
    const char *value = value_of(words, name);
    return amqp_cstring_bytes(value == NULL ? "" : value);
}

/* What the broker says. */

static void print_string(const char *name, amqp_bytes_t bytes)
{
    fprintf(play.out, " %s=%.*s", name, (int)bytes.len, (const char *)bytes.bytes);
}

static void print_close(uint16_t code, amqp_bytes_t text, uint16_t class_id, uint16_t method_id)
{
    fprintf(play.out, " code=%u class=%u method=%u", code, class_id, method_id);
    print_string("text", text);
}

static void print_delivery(const amqp_basic_deliver_t *deliver)
{
    print_string("consumer", deliver->consumer_tag);
    fprintf(play.out, " tag=%" PRIu64 "%s", deliver->delivery_tag,
            deliver->redelivered ? " redelivered" : "");
    print_string("exchange", deliver->exchange);
    print_string("key", deliver->routing_key);
}

static void print_declared(const amqp_queue_declare_ok_t *ok)
{
    print_string("queue", ok->queue);
    fprintf(play.out, " messages=%u consumers=%u", ok->message_count, ok->consumer_count);
}

static void print_arguments(uint32_t id, const void *method)
{
    union {
        const void *any;
        const amqp_connection_tune_t *tune;
        const amqp_connection_close_t *end;
        const amqp_channel_close_t *close;
        const amqp_queue_declare_ok_t *declared;
        const amqp_queue_delete_ok_t *deleted;
        const amqp_basic_consume_ok_t *consumed;
        const amqp_basic_cancel_ok_t *canceled;
        const amqp_basic_cancel_t *cancel;
        const amqp_basic_deliver_t *delivery;
        const amqp_basic_return_t *back;
        const amqp_basic_ack_t *ack;
        const amqp_basic_nack_t *nack;
    } of = {.any = method};
    if (id == AMQP_CONNECTION_TUNE_METHOD) {
        fprintf(play.out, " channel-max=%u frame-max=%u", of.tune->channel_max, of.tune->frame_max);
    } else if (id == AMQP_CONNECTION_CLOSE_METHOD) {
        print_close(of.end->reply_code, of.end->reply_text, of.end->class_id, of.end->method_id);
    } else if (id == AMQP_CHANNEL_CLOSE_METHOD) {
        print_close(of.close->reply_code, of.close->reply_text, of.close->class_id,
                    of.close->method_id);
    } else if (id == AMQP_QUEUE_DECLARE_OK_METHOD) {
        print_declared(of.declared);
    } else if (id == AMQP_QUEUE_DELETE_OK_METHOD) {
        fprintf(play.out, " messages=%u", of.deleted->message_count);
    } else if (id == AMQP_BASIC_CONSUME_OK_METHOD) {
        print_string("tag", of.consumed->consumer_tag);
    } else if (id == AMQP_BASIC_CANCEL_OK_METHOD) {
        print_string("tag", of.canceled->consumer_tag);
    } else if (id == AMQP_BASIC_CANCEL_METHOD) {
        print_string("tag", of.cancel->consumer_tag);
        fprintf(play.out, "%s", of.cancel->nowait ? " nowait" : "");
    } else if (id == AMQP_BASIC_DELIVER_METHOD) {
        print_delivery(of.delivery);
    } else if (id == AMQP_BASIC_RETURN_METHOD) {
        fprintf(play.out, " code=%u", of.back->reply_code);
        print_string("text", of.back->reply_text);
        print_string("exchange", of.back->exchange);
        print_string("key", of.back->routing_key);
    } else if (id == AMQP_BASIC_ACK_METHOD) {
        fprintf(play.out, " tag=%" PRIu64 "%s", of.ack->delivery_tag,
                of.ack->multiple ? " multiple" : "");
    } else if (id == AMQP_BASIC_NACK_METHOD) {
        fprintf(play.out, " tag=%" PRIu64 "%s", of.nack->delivery_tag,
                of.nack->multiple ? " multiple" : "");
    }
}

static void print_header(const uint8_t *payload, size_t size)
{
    struct arena arena;
    struct properties properties;
    arena_init(&arena, NULL, 0);
    fprintf(play.out, " size=%" PRIu64, wire_get_64(payload + 4));
    if (properties_read(payload + 12, size - 12, &arena, &properties) != ACKD_OK)
        give_up("a header that cannot be read");
    struct ackd_headers headers = {.rest = properties.headers};
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        if (header.kind == ACKD_HEADER_INTEGER)
            fprintf(play.out, " %.*s=%" PRId64, (int)header.name_size, header.name, header.integer);
    }
    arena_fini(&arena);
}

static void print_payload(const struct frame *frame, const uint8_t *payload)
{
    if (frame->type == FRAME_METHOD) {
        uint32_t id = 0;
        void *method = NULL;
        if (method_read(&play.pool, payload, frame->size, &id, &method) != ACKD_OK)
            give_up("a method that cannot be read");
        fprintf(play.out, "< %s %u", method_name(id), frame->channel);
        print_arguments(id, method);
    } else if (frame->type == FRAME_HEADER) {
        fprintf(play.out, "< header %u", frame->channel);
        print_header(payload, frame->size);
    } else {
        fprintf(play.out, "< body %u %.*s", frame->channel, (int)frame->size,
                (const char *)payload);
    }
}

/* Heartbeats are not part of it. */
static void print_frame(const struct frame *frame, const uint8_t *payload)
{
    if (frame->type == FRAME_HEARTBEAT)
        return;
    if (play.answers == ANSWERS_MAX)
        give_up("too many answers to one line");
    struct answer *answer = &play.answer[play.answers++];
    size_t size = 0;
    answer->channel = frame->channel;
    play.out = open_memstream(&answer->text, &size);
    if (play.out == NULL)
        give_up("out of memory");
    print_payload(frame, payload);
    fclose(play.out);
}

/* In the order of channels: which of several says something first is chance. */
static void print_answers(void)
{
    for (unsigned channel = 0, printed = 0; printed < play.answers; channel++) {
        for (unsigned i = 0; i < play.answers; i++) {
            if (play.answer[i].channel != channel)
                continue;
            printf("%s\n", play.answer[i].text);
            free(play.answer[i].text);
            printed++;
        }
    }
    play.answers = 0;
}

static void print_frames(void)
{
    const struct frame_limits limits = {.method_max = FRAME_MAX,
                                        .header_max = FRAME_MAX,
                                        .body_max = FRAME_MAX,
                                        .channel_max = 2047};
    for (;;) {
        struct frame frame;
        size_t taken = 0;
        const uint8_t *at = buffer_bytes(&play.input);
        if (frame_take(at, buffer_size(&play.input), &limits, &frame, &taken) != ACKD_OK)
            give_up("a frame that is none");
        if (taken == 0)
            return;
        print_frame(&frame, at + FRAME_HEAD_SIZE);
        buffer_consume(&play.input, taken);
    }
}

/* Transport. */

static void append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (buffer_append(buffer, bytes, size) != ACKD_OK)
        give_up("out of memory");
}

static void hang_up(void)
{
    if (play.link != NULL)
        fakebroker_hang_up(&play.link);
    if (play.socket >= 0)
        close(play.socket);
    play.socket = -1;
    buffer_clear(&play.input);
    buffer_clear(&play.output);
}

static void fake_listen(void)
{
    if (play.link == NULL)
        return;
    struct buffer *said = fakebroker_output(play.link);
    append(&play.input, buffer_bytes(said), buffer_size(said));
    buffer_consume(said, buffer_size(said));
    print_frames();
    if (fakebroker_ended(play.link))
        hang_up();
}

static void fake_exchange(void)
{
    if (play.link != NULL)
        fakebroker_receive(play.link, buffer_bytes(&play.output), buffer_size(&play.output));
    buffer_clear(&play.output);
    fake_listen();
}

/* Listen until @expected answers have come; where none are recorded, until it is quiet. */
static void real_listen(unsigned expected)
{
    while (play.socket >= 0 && (!play.recorded || play.answers < expected)) {
        struct pollfd wait = {.fd = play.socket, .events = POLLIN};
        if (poll(&wait, 1, play.recorded ? PATIENCE_MS : QUIET_MS) == 0)
            return;
        static uint8_t bytes[65536];
        ssize_t size = recv(play.socket, bytes, sizeof bytes, 0);
        if (size <= 0) {
            hang_up();
            return;
        }
        append(&play.input, bytes, (size_t)size);
        print_frames();
    }
}

static void real_exchange(unsigned expected)
{
    size_t size = buffer_size(&play.output);
    if (play.socket >= 0 &&
        send(play.socket, buffer_bytes(&play.output), size, MSG_NOSIGNAL) != (ssize_t)size)
        give_up("the broker takes no bytes");
    buffer_clear(&play.output);
    real_listen(expected);
}

static void exchange(unsigned expected)
{
    if (play.fake != NULL)
        fake_exchange();
    else
        real_exchange(expected);
}

/* What the client says. */

static void say(uint16_t channel, uint32_t id, const void *method)
{
    if (method_write(&play.output, channel, id, method, 4096) != ACKD_OK)
        give_up("a method that cannot be written");
}

static void connect_real(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(play.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    play.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (play.socket < 0 ||
        connect(play.socket, (const struct sockaddr *)&address, sizeof address) != 0)
        give_up("no broker is there");
}

static void say_connect(void)
{
    if (play.fake == NULL)
        connect_real();
    else
        play.link = fakebroker_accept(play.fake);
    append(&play.output, "AMQP\0\0\x09\x01", 8);
}

static void say_start_ok(const struct words *words)
{
    char response[256];
    int size = snprintf(response, sizeof response, "%c%s%c%s", 0, value_of(words, "user"), 0,
                        value_of(words, "password"));
    amqp_table_entry_t can[] = {
        {.key = amqp_cstring_bytes("consumer_cancel_notify"),
         .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
        {.key = amqp_cstring_bytes("authentication_failure_close"),
         .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
    };
    amqp_table_entry_t properties[] = {
        {.key = amqp_cstring_bytes("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {2, can}}}};
    amqp_connection_start_ok_t start_ok = {.client_properties = {1, properties},
                                           .mechanism = amqp_cstring_bytes("PLAIN"),
                                           .response = {(size_t)size, response},
                                           .locale = amqp_cstring_bytes("en_US")};
    say(0, AMQP_CONNECTION_START_OK_METHOD, &start_ok);
}

static void say_declare(uint16_t channel, const struct words *words)
{
    static const char *const names[][2] = {{"type", "x-queue-type"},
                                           {"limit", "x-delivery-limit"},
                                           {"ttl", "x-message-ttl"},
                                           {"max", "x-max-length"},
                                           {"overflow", "x-overflow"},
                                           {"dead-exchange", "x-dead-letter-exchange"},
                                           {"dead-key", "x-dead-letter-routing-key"}};
    amqp_table_entry_t entries[8];
    int count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = value_of(words, names[i][0]);
        if (value == NULL)
            continue;
        amqp_table_entry_t *entry = &entries[count++];
        *entry = (amqp_table_entry_t){.key = amqp_cstring_bytes(names[i][1])};
        entry->value.kind = AMQP_FIELD_KIND_UTF8;
        entry->value.value.bytes = amqp_cstring_bytes(value);
        if (i >= 1 && i <= 3) {
            entry->value.kind = AMQP_FIELD_KIND_I32;
            entry->value.value.i32 = (int32_t)strtol(value, NULL, 10);
        }
    }
    amqp_queue_declare_t declare = {.queue = string_of(words, "queue"),
                                    .passive = value_of(words, "passive") != NULL,
                                    .durable = 1,
                                    .arguments = {count, entries}};
    say(channel, AMQP_QUEUE_DECLARE_METHOD, &declare);
}

static void say_publish(uint16_t channel, const struct words *words)
{
    const char *body = value_of(words, "body");
    size_t size = body == NULL ? 0 : strlen(body);
    uint8_t header[15], *at = NULL;
    amqp_basic_publish_t publish = {.exchange = string_of(words, "exchange"),
                                    .routing_key = string_of(words, "key"),
                                    .mandatory = value_of(words, "mandatory") != NULL};
    say(channel, AMQP_BASIC_PUBLISH_METHOD, &publish);
    at = wire_put_64(wire_put_16(wire_put_16(header, 60), 0), size);
    wire_put_8(wire_put_16(at, 0x1000), 2); /* delivery mode */
    uint8_t frame[FRAME_OVERHEAD + LINE_SIZE];
    memcpy(frame_put_head(frame, FRAME_HEADER, channel, sizeof header), header, sizeof header);
    frame_put_end(frame + FRAME_HEAD_SIZE + sizeof header);
    append(&play.output, frame, FRAME_OVERHEAD + sizeof header);
    if (size == 0)
        return;
    memcpy(frame_put_head(frame, FRAME_BODY, channel, (uint32_t)size), body, size);
    frame_put_end(frame + FRAME_HEAD_SIZE + size);
    append(&play.output, frame, FRAME_OVERHEAD + size);
}

static bool say_on_connection(const char *what, const struct words *words)
{
    uint64_t nothing[8] = {0};
    if (strcmp(what, "connect") == 0) {
        say_connect();
    } else if (strcmp(what, "start-ok") == 0) {
        say_start_ok(words);
    } else if (strcmp(what, "tune-ok") == 0) {
        amqp_connection_tune_ok_t tune_ok = {.channel_max = 2047, .frame_max = FRAME_MAX};
        say(0, AMQP_CONNECTION_TUNE_OK_METHOD, &tune_ok);
    } else if (strcmp(what, "open") == 0) {
        const char *name = value_of(words, "vhost");
        amqp_connection_open_t open = {.virtual_host =
                                           amqp_cstring_bytes(name == NULL ? play.vhost : name)};
        say(0, AMQP_CONNECTION_OPEN_METHOD, &open);
    } else if (strcmp(what, "close") == 0) {
        amqp_connection_close_t close = {.reply_code = 200};
        say(0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    } else if (strcmp(what, "close-ok") == 0) {
        say(0, AMQP_CONNECTION_CLOSE_OK_METHOD, nothing);
    } else {
        return false;
    }
    return true;
}

static bool say_settlement(const char *what, uint16_t channel, const struct words *words)
{
    uint64_t tag = number_of(words, "tag");
    bool multiple = value_of(words, "multiple") != NULL;
    bool requeue = value_of(words, "requeue") != NULL;
    if (strcmp(what, "ack") == 0) {
        amqp_basic_ack_t ack = {.delivery_tag = tag, .multiple = multiple};
        say(channel, AMQP_BASIC_ACK_METHOD, &ack);
    } else if (strcmp(what, "nack") == 0) {
        amqp_basic_nack_t nack = {.delivery_tag = tag, .multiple = multiple, .requeue = requeue};
        say(channel, AMQP_BASIC_NACK_METHOD, &nack);
    } else if (strcmp(what, "reject") == 0) {
        amqp_basic_reject_t reject = {.delivery_tag = tag, .requeue = requeue};
        say(channel, AMQP_BASIC_REJECT_METHOD, &reject);
    } else {
        return false;
    }
    return true;
}

static bool say_queue(const char *what, uint16_t channel, const struct words *words)
{
    if (strcmp(what, "declare") == 0) {
        say_declare(channel, words);
    } else if (strcmp(what, "delete") == 0) {
        amqp_queue_delete_t delete = {.queue = string_of(words, "queue")};
        say(channel, AMQP_QUEUE_DELETE_METHOD, &delete);
    } else if (strcmp(what, "qos") == 0) {
        amqp_basic_qos_t qos = {.prefetch_count = (uint16_t)number_of(words, "prefetch"),
                                .prefetch_size = (uint32_t)number_of(words, "size")};
        say(channel, AMQP_BASIC_QOS_METHOD, &qos);
    } else if (strcmp(what, "consume") == 0) {
        amqp_basic_consume_t consume = {.queue = string_of(words, "queue"),
                                        .consumer_tag = string_of(words, "tag"),
                                        .no_ack = value_of(words, "no-ack") != NULL};
        say(channel, AMQP_BASIC_CONSUME_METHOD, &consume);
    } else if (strcmp(what, "cancel") == 0) {
        amqp_basic_cancel_t cancel = {.consumer_tag = string_of(words, "tag")};
        say(channel, AMQP_BASIC_CANCEL_METHOD, &cancel);
    } else {
        return false;
    }
    return true;
}

static bool say_on_channel(const char *what, uint16_t channel, const struct words *words)
{
    uint64_t nothing[8] = {0};
    if (strcmp(what, "open-channel") == 0) {
        say(channel, AMQP_CHANNEL_OPEN_METHOD, nothing);
    } else if (strcmp(what, "close-channel") == 0) {
        amqp_channel_close_t close = {.reply_code = 200};
        say(channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
    } else if (strcmp(what, "close-channel-ok") == 0) {
        say(channel, AMQP_CHANNEL_CLOSE_OK_METHOD, nothing);
    } else if (strcmp(what, "confirm") == 0) {
        say(channel, AMQP_CONFIRM_SELECT_METHOD, nothing);
    } else if (strcmp(what, "publish") == 0) {
        say_publish(channel, words);
    } else {
        return say_queue(what, channel, words) || say_settlement(what, channel, words);
    }
    return true;
}

static void pass_time(uint64_t ms)
{
    if (play.fake == NULL) {
        struct timespec time = {.tv_sec = (time_t)(ms / 1000),
                                .tv_nsec = (long)(ms % 1000) * 1000000};
        nanosleep(&time, NULL);
    } else {
        play.now_ns += ms * NS_PER_MS;
        fakebroker_tick(play.fake, play.now_ns);
    }
}

/* One line of the client's, and the answers to it. */
static void play_line(char *line, unsigned expected)
{
    struct words words = {.count = 0};
    char *rest = NULL;
    printf("> %s\n", line);
    for (char *word = strtok_r(line, " ", &rest); word != NULL && words.count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        words.word[words.count++] = word;
    if (words.count == 0)
        give_up("an empty line of the client's");
    const char *what = words.word[0];
    uint16_t channel = words.count < 2 ? 0 : (uint16_t)strtoul(words.word[1], NULL, 10);
    if (strcmp(what, "wait") == 0)
        pass_time(channel);
    else if (strcmp(what, "hang-up") == 0)
        hang_up();
    else if (!say_on_connection(what, &words) && !say_on_channel(what, channel, &words))
        give_up(what);
    exchange(expected);
    print_answers();
}

/* The file with its client's lines played. */
static void play_file(FILE *file)
{
    char line[LINE_SIZE], said[LINE_SIZE] = "";
    unsigned expected = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "< ", 2) == 0) {
            expected++;
            continue;
        }
        if (said[0] != '\0')
            play_line(said, expected);
        said[0] = '\0';
        expected = 0;
        if (strncmp(line, "> ", 2) == 0)
            snprintf(said, sizeof said, "%s", line + 2);
        else
            printf("%s\n", line);
    }
    if (said[0] != '\0')
        play_line(said, expected);
    hang_up();
}

int main(int argc, char **argv)
{
    bool fake = argc == 3 && strcmp(argv[1], "fake") == 0;
    if (!fake && (argc != 5 || strcmp(argv[1], "real") != 0))
        give_up("transcript fake FILE | transcript real PORT VHOST FILE");
    char line[LINE_SIZE];
    FILE *file = fopen(argv[argc - 1], "r");
    if (file == NULL)
        give_up("no such file");
    buffer_init(&play.output, SIZE_MAX / 2);
    buffer_init(&play.input, SIZE_MAX / 2);
    init_amqp_pool(&play.pool, METHOD_POOL_PAGE);
    play.vhost = "/";
    if (fake) {
        static const struct fakebroker_options options = {.user = "guest", .password = "guest"};
        play.fake = fakebroker_new(&options);
    } else {
        play.port = (uint16_t)strtoul(argv[2], NULL, 10);
        play.vhost = argv[3];
    }
    while (!play.recorded && fgets(line, sizeof line, file) != NULL)
        play.recorded = line[0] == '<';
    rewind(file);
    play_file(file);
    fclose(file);
    fakebroker_free(&play.fake);
    buffer_fini(&play.output);
    buffer_fini(&play.input);
    empty_amqp_pool(&play.pool);
    return EXIT_SUCCESS;
}

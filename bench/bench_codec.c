/* SPDX-License-Identifier: MIT */
/*
 * bench_codec - what one message costs the amqp floor: from received bytes to a delivery that is
 * freed again, and an acknowledgement on its way out. With --json one object for each line.
 *
 * The bytes are copied to where the connection wants them in reads of 64 KiB, as a socket's are; the
 * copying is part of the figure.
 */
#include <config.h>

#include <ackd/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "amqp/channel.h"
#include "amqp/connection.h"
#include "amqp/frame.h"
#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/wire.h"
#include "base/timer.h"

enum { BATCH = 1000, ROUNDS = 9 };

struct bench {
    const char *name;
    size_t body_size;
    size_t batch;   /* messages in the stream */
    unsigned turns; /* of the stream, in a round */
    bool headers;
    bool ack;
};

static uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* the machine may have other work */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void bench_must(bool good)
{
    if (!good) {
        fprintf(stderr, "bench_codec: %s\n", ackd_error_text(ackd_error_current()));
        exit(EXIT_FAILURE);
    }
}

static void say(struct buffer *stream, uint16_t channel, uint32_t id, const void *method)
{
    bench_must(method_write(stream, channel, id, method, METHOD_ROOM) == ACKD_OK);
}

/* Read the stream to its end; returns how many messages came. */
static size_t bench_read(struct connection *connection, const struct buffer *stream, bool ack)
{
    const uint8_t *from = buffer_bytes(stream);
    size_t left = buffer_size(stream);
    size_t count = 0;
    struct connection_event event;
    while (left > 0) {
        uint8_t *at = NULL;
        size_t size = 0;
        connection_space(connection, &at, &size);
        size = size < left ? size : left;
        memcpy(at, from, size);
        from += size;
        left -= size;
        connection_received(connection, size);
        while (connection_next(connection, &event)) {
            bench_must(event.kind != CONNECTION_FAILED);
            if (event.kind != CHANNEL_DELIVERY)
                continue;
            count++;
            if (ack)
                bench_must(channel_ack(connection, 1, event.tag, false) == ACKD_OK);
            delivery_free(&event.delivery);
        }
        buffer_clear(connection_output(connection));
    }
    return count;
}

static struct connection *bench_connect(struct delivery_pool *pool)
{
    static const struct connection_options options = {
        .user = "guest", .password = "guest", .vhost = "/", .name = "bench", .version = "0"};
    struct connection *connection = NULL;
    struct buffer stream;
    buffer_init(&stream, SIZE_MAX / 2);
    bench_must(connection_new(&options, pool, &connection) == ACKD_OK);
    bench_must(connection_start(connection) == ACKD_OK);
    amqp_connection_start_t start = {.version_minor = 9,
                                     .mechanisms = amqp_cstring_bytes("PLAIN"),
                                     .locales = amqp_cstring_bytes("en_US")};
    amqp_connection_tune_t tune = {.frame_max = 131072, .channel_max = 2047};
    amqp_connection_open_ok_t open_ok = {0};
    say(&stream, 0, AMQP_CONNECTION_START_METHOD, &start);
    say(&stream, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
    say(&stream, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &open_ok);
    bench_must(bench_read(connection, &stream, false) == 0);
    bench_must(channel_open(connection, 1) == ACKD_OK);
    buffer_clear(&stream);
    amqp_channel_open_ok_t channel_open_ok = {0};
    say(&stream, 1, AMQP_CHANNEL_OPEN_OK_METHOD, &channel_open_ok);
    bench_must(bench_read(connection, &stream, false) == 0);
    buffer_fini(&stream);
    return connection;
}

static void frame_append(struct buffer *stream, enum frame_type type, const void *payload,
                         size_t size)
{
    uint8_t *at = NULL;
    bench_must(buffer_reserve(stream, size + FRAME_OVERHEAD, &at) == ACKD_OK);
    at = frame_put_head(at, type, 1, (uint32_t)size);
    memcpy(at, payload, size);
    frame_put_end(at + size);
    buffer_commit(stream, size + FRAME_OVERHEAD);
}

static void bench_message(struct buffer *stream, const struct bench *bench, uint64_t tag,
                          const uint8_t *body)
{
    static const struct channel_argument headers[] = {
        {"trace-id", "0123456789abcdef"}, {"customer", "4711"}, {"region", "eu-west"}};
    struct properties properties = {.delivery_mode = 2, .priority = -1};
    size_t count = 0;
    if (bench->headers) {
        properties.content_type = "application/json";
        properties.message_id = "018f2f6e-8b1c-7c3e-9d40-123456789abc";
        properties.timestamp_s = 1790000000;
        count = 3;
    }
    amqp_basic_deliver_t deliver = {.consumer_tag = amqp_cstring_bytes("ackd.orders.1"),
                                    .delivery_tag = tag,
                                    .exchange = amqp_cstring_bytes("shop"),
                                    .routing_key = amqp_cstring_bytes("order.created")};
    say(stream, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
    uint8_t header[512];
    uint8_t *at = wire_put_64(wire_put_32(header, 60u << 16), bench->body_size);
    at = properties_write(at, &properties, headers, count);
    frame_append(stream, FRAME_HEADER, header, (size_t)(at - header));
    for (size_t done = 0; done < bench->body_size; done += 131064) {
        size_t left = bench->body_size - done;
        frame_append(stream, FRAME_BODY, body + done, left < 131064 ? left : 131064);
    }
}

/* The best of a few rounds: the others were disturbed. */
static void bench_run(const struct bench *bench, bool json)
{
    struct delivery_pool *pool = NULL;
    struct buffer stream;
    uint8_t *body = calloc(1, bench->body_size + 1);
    bench_must(body != NULL && delivery_pool_new(128, 1024, &pool) == ACKD_OK);
    struct connection *connection = bench_connect(pool);
    buffer_init(&stream, SIZE_MAX / 2);
    for (size_t i = 0; i < bench->batch; i++)
        bench_message(&stream, bench, i + 1, body);
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = bench_now_ns();
        for (unsigned i = 0; i < bench->turns; i++)
            bench_must(bench_read(connection, &stream, bench->ack) == bench->batch);
        double ns =
            (double)(bench_now_ns() - start) / ((double)bench->turns * (double)bench->batch);
        best = round == 0 || ns < best ? ns : best;
    }
    double gib = bench->body_size == 0 ? 0 : (double)bench->body_size / best * 1e9 / (1 << 30);
    printf(json ? "{\"bench\":\"codec\",\"case\":\"%s\",\"ns\":%.1f,\"gib_per_s\":%.2f}\n"
                : "%-28s %12.1f ns/message %8.2f GiB/s\n",
           bench->name, best, gib);
    buffer_fini(&stream);
    connection_free(&connection);
    delivery_pool_free(&pool);
    free(body);
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"100 B", 100, BATCH, 200, false, false},
        {"100 B, acked", 100, BATCH, 200, false, true},
        {"100 B, properties, headers", 100, BATCH, 200, true, false},
        {"1 KiB", 1024, BATCH, 100, false, false},
        {"16 KiB", 16384, BATCH, 10, false, false},
        {"1 MiB", 1 << 20, 16, 4, false, false},
    };
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
        bench_run(&benches[i], json);
    return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/*
 * raw - the limit: a reader that looks at frame headers only and answers each read with one
 * acknowledgement of all that came. No handler, no copy, no promise.
 *
 *     raw PREFETCH, with the port in ACKD_BENCH_PORT
 */
#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum { RAW_ROOM = 256 * 1024, RAW_READ = 64 * 1024 };

struct raw {
    int fd;
    size_t size;       /* bytes of a frame that is not whole */
    uint64_t body;     /* bytes of content that are still to come */
    uint64_t tag;      /* of the delivery at hand */
    uint64_t complete; /* the last delivery that came whole */
    uint64_t acked;
    uint8_t in[RAW_ROOM];
};

static uint8_t *raw_put_login(uint8_t *at)
{
    static const char login[] = "\0guest\0guest";
    uint8_t *frame = at;
    at = wire_begin_method(at, 0, WIRE_CONNECTION_START_OK);
    at = wire_put32(at, 0);
    at = wire_put_short(at, "PLAIN");
    at = wire_put_long(at, login, sizeof login - 1);
    at = wire_put_short(at, "en_US");
    at = wire_end(frame, at);
    frame = at;
    at = wire_begin_method(at, 0, WIRE_CONNECTION_TUNE_OK);
    at = wire_put16(at, 0);
    at = wire_put32(at, WIRE_FRAME_MAX);
    at = wire_put16(at, 0);
    at = wire_end(frame, at);
    frame = at;
    at = wire_begin_method(at, 0, WIRE_CONNECTION_OPEN);
    at = wire_put_short(at, "/");
    at = wire_put16(at, 0);
    return wire_end(frame, at);
}

static uint8_t *raw_put_consume(uint8_t *at, uint16_t prefetch)
{
    uint8_t *frame = at;
    at = wire_begin_method(at, 1, WIRE_CHANNEL_OPEN);
    at = wire_put_short(at, "");
    at = wire_end(frame, at);
    frame = at;
    at = wire_begin_method(at, 1, WIRE_BASIC_QOS);
    at = wire_put32(at, 0);
    at = wire_put16(at, prefetch);
    at = wire_put8(at, 0);
    at = wire_end(frame, at);
    frame = at;
    at = wire_begin_method(at, 1, WIRE_BASIC_CONSUME);
    at = wire_put16(at, 0);
    at = wire_put_short(at, "bench");
    at = wire_put_short(at, "raw");
    at = wire_put8(at, 0);
    at = wire_put32(at, 0);
    return wire_end(frame, at);
}

/* All of the handshake at once: what the broker answers is known. */
static int raw_greet(const struct raw *raw, uint16_t prefetch)
{
    uint8_t out[512];
    uint8_t *at = wire_put_bytes(out, "AMQP\0\0\x09\x01", 8);
    at = raw_put_login(at);
    at = raw_put_consume(at, prefetch);
    return send(raw->fd, out, (size_t)(at - out), 0) == at - out;
}

static void raw_frame(struct raw *raw, const uint8_t *frame, size_t size)
{
    const uint8_t *payload = frame + WIRE_FRAME_HEAD;
    if (frame[0] == WIRE_METHOD && wire_get32(payload) == WIRE_BASIC_DELIVER)
        raw->tag = wire_get64(payload + 5 + payload[4]);
    else if (frame[0] == WIRE_HEADER)
        raw->body = wire_get64(payload + 4);
    else if (frame[0] == WIRE_BODY)
        raw->body -= size - WIRE_FRAME_COST;
    if (frame[0] != WIRE_METHOD && raw->body == 0)
        raw->complete = raw->tag;
}

static void raw_frames(struct raw *raw)
{
    size_t at = 0;
    while (raw->size - at >= WIRE_FRAME_COST) {
        size_t size = wire_get32(raw->in + at + 3) + (size_t)WIRE_FRAME_COST;
        if (size > raw->size - at)
            break;
        raw_frame(raw, raw->in + at, size);
        at += size;
    }
    memmove(raw->in, raw->in + at, raw->size - at);
    raw->size -= at;
}

static int raw_ack(struct raw *raw)
{
    if (raw->complete == raw->acked)
        return 1;
    uint8_t out[32];
    uint8_t *at = wire_begin_method(out, 1, WIRE_BASIC_ACK);
    at = wire_put64(at, raw->complete);
    at = wire_put8(at, 1);
    at = wire_end(out, at);
    raw->acked = raw->complete;
    return send(raw->fd, out, (size_t)(at - out), MSG_NOSIGNAL) == at - out;
}

int main(int argc, char **argv)
{
    static struct raw raw;
    const char *port = getenv("ACKD_BENCH_PORT");
    if (argc != 2 || port == NULL)
        return EXIT_FAILURE;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int yes = 1;
    raw.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(raw.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(raw.fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        !raw_greet(&raw, (uint16_t)atoi(argv[1]))) {
        fprintf(stderr, "raw: no broker\n");
        return EXIT_FAILURE;
    }
    for (;;) {
        size_t room = sizeof raw.in - raw.size;
        ssize_t size = recv(raw.fd, raw.in + raw.size, room < RAW_READ ? room : RAW_READ, 0);
        if (size <= 0)
            return EXIT_SUCCESS;
        raw.size += (size_t)size;
        raw_frames(&raw);
        if (!raw_ack(&raw))
            return EXIT_SUCCESS;
    }
}

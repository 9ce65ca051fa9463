/* SPDX-License-Identifier: MIT */
/* client - the owner of a stream in the tests: it counts callbacks and keeps what came. */
#ifndef ACKD_TESTS_UNIT_IO_CLIENT_H
#define ACKD_TESTS_UNIT_IO_CLIENT_H

#include "base/buffer.h"
#include "io/stream.h"

enum { CLIENT_TEXT_SIZE = 1024 };

struct client {
    struct loop *loop;
    struct stream *stream;
    struct stream_options options;
    struct buffer in;     /* what was received and not thrown away */
    struct buffer out;    /* sent when it opens, and whenever there is room */
    size_t space;         /* bytes offered at a time; 0: 16 KiB */
    uint64_t received;    /* bytes in all */
    size_t received_stop; /* stop the loop there; 0: never */
    unsigned opened, sent, closed, calls_inside;
    bool inside;       /* a call of the stream is under way */
    bool stop_opened;  /* stop the loop when it opened */
    bool close_opened; /* close the stream in opened() */
    bool discard;      /* do not keep what is received */
    bool checks;       /* what is received must be client_byte() of its place */
    bool wrong;        /* it was not */
    int code;
    char text[CLIENT_TEXT_SIZE];
};

uint8_t client_byte(uint64_t place);

void client_init(struct client *client, uint16_t port);
void client_fini(struct client *client);
void client_open(struct client *client);
/* Run the loop until something stops it, or for @ms. */
void client_run(struct client *client, uint64_t ms);
/* Open, and run until opened() or closed(). */
void client_connect(struct client *client);
bool client_send(struct client *client, const void *at, size_t size);

#endif

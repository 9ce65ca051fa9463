/* SPDX-License-Identifier: MIT */
/*
 * server - the other half of a conversation, for the unit tests of this floor: a connection, what
 * the server says to it, and what comes of that.
 */
#ifndef ACKD_TESTS_AMQP_SERVER_H
#define ACKD_TESTS_AMQP_SERVER_H

#include "amqp/connection.h"
#include "amqp/librabbitmq.h"
#include "amqp/method.h"
#include "base/buffer.h"

struct server {
    struct delivery_pool *pool;
    struct connection *connection;
    struct connection_options options;
    struct buffer bytes; /* what the server said and the connection has not read yet */
    uint32_t frame_max;  /* that it offers */
    uint16_t channel_max;
    uint16_t heartbeat_s;
    size_t chunk; /* bytes that the connection reads at once; 0: as many as it wants */
};

/* A connection that was started, and its options. */
void server_init(struct server *server);
/* As above, with options of the test's own in server->options. */
void server_begin(struct server *server);
void server_fini(struct server *server);

/* Say a method on a channel. */
void server_say(struct server *server, uint16_t channel, uint32_t id, const void *method);
void server_say_bytes(struct server *server, const void *bytes, size_t size);
void server_say_start(struct server *server, const char *mechanisms);
void server_say_tune(struct server *server);
/* A frame of any type. */
void server_say_frame(struct server *server, uint8_t type, uint16_t channel, const void *payload,
                      size_t size);
/* The frames of a message: with @properties as they are on the wire, flags first. */
void server_say_deliver(struct server *server, uint16_t channel, uint64_t tag);
void server_say_header(struct server *server, uint16_t channel, uint64_t body_size,
                       const void *properties, size_t size);
void server_say_body(struct server *server, uint16_t channel, const void *body, size_t size,
                     size_t fragment_max);

/* Let the connection read, and take its next event; false if all was read and none came. */
bool server_event(struct server *server, struct connection_event *event);
/* The next event, which must be of @kind. */
struct connection_event server_expect(struct server *server, enum connection_event_kind kind);
/* All is read and nothing comes of it. */
void server_expect_nothing(struct server *server);
/* The connection fails, and its text has @text in it. */
struct connection_event server_expect_failure(struct server *server, const char *text);

/* Through the login; then with one open channel. The output is empty. */
void server_log_in(struct server *server);
void server_open_channel(struct server *server, uint16_t channel);

/* What the connection wrote must be this method next: it is taken out. Decoded until the next call.
 */
const void *server_read(struct server *server, uint16_t channel, uint32_t id);
void server_read_nothing(struct server *server);

#endif

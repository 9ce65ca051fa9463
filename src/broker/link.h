/* SPDX-License-Identifier: MIT */
/*
 * link - a connection to a broker that comes back by itself, for ever, over a list of hosts.
 *
 * It joins a stream (io) and a connection (amqp), keeps the heartbeats and the deadlines of each
 * step, and tells its channels when it is up and when it is down. It must not know what its
 * channels are for.
 *
 *   K1  A link is in one state of link.def; only link_move changes it.
 *   K2  Until link_close, it is up, or on its way up, or waits with a timer armed.
 *   K3  down() is called once for each up(), before anything of the next connection.
 */
#ifndef ACKD_BROKER_LINK_H
#define ACKD_BROKER_LINK_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "amqp/channel.h"
#include "base/list.h"
#include "base/random.h"
#include "broker/backoff.h"
#include "broker/closing.h"
#include "io/stream.h"

enum link_state {
#define LINK_STATE(name, text) LINK_##name,
#include "broker/link.def"
#undef LINK_STATE
};

struct link;

struct link_host {
    const char *name;
    uint16_t port;
};

/* What the owner hears. During down() the reason is the current error. */
struct link_events {
    void (*up)(struct link *link, void *arg);
    /* The next try is in @retry_ms. @severe: it looks like a matter of configuration. */
    void (*down)(struct link *link, uint64_t retry_ms, bool severe, void *arg);
    /* The broker does not take publishes: @why; NULL: it does again. */
    void (*blocked)(struct link *link, const char *why, void *arg);
};

/* Borrowed while the link lives, but for `login.name`, which is copied. */
struct link_options {
    struct loop *loop;
    struct random *random;
    struct delivery_pool *pool;
    struct connection_options login;
    const struct link_host *hosts;
    size_t host_count;
    struct tls *tls; /* NULL: plain */
    uint64_t reconnect_first_ms;
    uint64_t reconnect_max_ms;
    uint64_t spread_ms; /* the first try waits for a random part of this */
    const struct link_events *events;
    void *arg;
};

/* A channel of the link: a member of what uses it. */
struct link_channel {
    struct list node;
    struct link *link;
    uint16_t number;                            /* on the present connection; 0: none */
    void (*up)(struct link_channel *channel);   /* the link is up: open a channel */
    void (*down)(struct link_channel *channel); /* the link is down; the reason is current */
    void (*event)(struct link_channel *channel, const struct connection_event *event);
};

ACKD_MUST_CHECK int link_new(const struct link_options *options, struct link **ret_link);
/* Closes at once if need be. The channels must have been removed. */
void link_free(struct link **link);

/* Start: now, or within spread_ms. */
void link_open(struct link *link);
/* Close in order: connection.close, then its answer or two seconds; the state becomes LINK_CLOSED.
 */
void link_close(struct link *link);

/* Join a channel; its up() is called when the link is up, at once from the next turn if it is. */
void link_add(struct link *link, struct link_channel *channel);
void link_remove(struct link_channel *channel);

/* Take a free number for @channel on the present connection and route its events. ACKD_E_FULL. */
ACKD_MUST_CHECK int link_take_number(struct link_channel *channel);
void link_drop_number(struct link_channel *channel);

/* The present connection; NULL unless the link is open or closing. */
struct connection *link_connection(struct link *link);
/* Send what has gathered: once per turn. */
void link_flush(struct link *link);
/* Stop and resume reading: for back-pressure. While stopped, silence of the broker does not count.
 */
void link_pause(struct link *link);
void link_resume(struct link *link);
bool link_paused(const struct link *link);

/* End this connection and go on to the next, because of the current error. */
void link_fail(struct link *link);

/* K2: whether a deadline or a next try is armed. */
bool link_waits(const struct link *link);
enum link_state link_state(const struct link *link);
/* How the broker closed the last connection; NULL: it did not, or there is another one now. Also
 * during down(). */
const struct closing *link_closing(const struct link *link);
/* "127.0.0.1:5672" while there is a connection. */
const char *link_peer(const struct link *link);
const char *link_server(const struct link *link);
struct loop *link_loop(const struct link *link);
struct random *link_random(const struct link *link);

#endif

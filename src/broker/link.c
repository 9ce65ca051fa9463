/* SPDX-License-Identifier: MIT */
/*
 * link - see the header. A try goes through CONNECTING, LOGIN, OPEN; whatever ends it leads to
 * WAITING, and a timer from there to the next host.
 */
#include <config.h>

#include "broker/link.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    LINK_MAGIC = 0x6c696e6b,
    LINK_LOGIN_MS = 10000,  /* the server gives up at 10 s too */
    LINK_CLOSE_MS = 2000,   /* for the answer to connection.close */
    LINK_STABLE_MS = 10000, /* a connection that lived shorter does not reset the backoff */
    LINK_SEVERE_FIRST_MS = 5000,
    LINK_SEVERE_MAX_MS = 60000,
    LINK_KNOCK_MAX_MS = 1500, /* where nobody listens: a try costs the broker nothing */
    LINK_WHO_SIZE = 256
};

struct link {
    uint32_t magic;
    enum link_state state;
    struct link_options options;
    char *name;              /* owned, of the connections */
    struct link_host *hosts; /* owned, shuffled; the names are borrowed */
    size_t host;             /* the next to try */
    size_t tried;            /* tries of this round that have failed, or did not live long */
    struct stream *stream;
    struct connection *connection;
    struct list channels;
    struct link_channel **routes; /* by channel number */
    size_t route_count;
    struct timer step;      /* the deadline of the present step, or the next try */
    struct timer heartbeat; /* twice per interval */
    struct timer join;      /* tells channels that joined later that the link is up */
    uint64_t opened_ns;
    uint64_t received_ns; /* when something was last read */
    uint64_t sending_ns;  /* since when a write is under way; 0: none */
    bool sent_something;  /* since the last heartbeat tick */
    bool paused;
    bool told_up;
    const struct closing *closing; /* of the last connection; NULL: the broker did not close it */
    struct backoff backoff;
    struct backoff severe_backoff;
    struct backoff knock_backoff;
};

/* Which states may follow which (K1): a bit for each. */
#define LINK_BIT(state) (1U << (state))
static const unsigned link_moves[] = {
    [LINK_IDLE] = LINK_BIT(LINK_CONNECTING) | LINK_BIT(LINK_WAITING) | LINK_BIT(LINK_CLOSED),
    [LINK_CONNECTING] = LINK_BIT(LINK_LOGIN) | LINK_BIT(LINK_WAITING) | LINK_BIT(LINK_CLOSED),
    [LINK_LOGIN] = LINK_BIT(LINK_OPEN) | LINK_BIT(LINK_WAITING) | LINK_BIT(LINK_CLOSED),
    [LINK_OPEN] = LINK_BIT(LINK_CLOSING) | LINK_BIT(LINK_WAITING) | LINK_BIT(LINK_CLOSED),
    [LINK_CLOSING] = LINK_BIT(LINK_CLOSED),
    [LINK_WAITING] = LINK_BIT(LINK_CONNECTING) | LINK_BIT(LINK_CLOSED),
    [LINK_CLOSED] = 0,
};

static void link_move(struct link *link, enum link_state state)
{
    ackd_assert(link_moves[link->state] & LINK_BIT(state));
    link->state = state;
}

bool link_waits(const struct link *link)
{
    return timer_armed(&link->step);
}

enum link_state link_state(const struct link *link)
{
    return link->state;
}

const struct closing *link_closing(const struct link *link)
{
    return link->closing;
}

const char *link_peer(const struct link *link)
{
    return link->stream == NULL ? "" : stream_peer(link->stream);
}

const char *link_server(const struct link *link)
{
    return link->connection == NULL ? "" : connection_server(link->connection);
}

struct loop *link_loop(const struct link *link)
{
    return link->options.loop;
}

struct random *link_random(const struct link *link)
{
    return link->options.random;
}

struct connection *link_connection(struct link *link)
{
    return link->state == LINK_OPEN || link->state == LINK_CLOSING ? link->connection : NULL;
}

static uint64_t link_now_ns(const struct link *link)
{
    return loop_now_ns(link->options.loop);
}

static void link_arm(struct link *link, struct timer *timer, uint64_t ms)
{
    timer_start(loop_timers(link->options.loop), timer, timer_after_ms(link_now_ns(link), ms));
}

void link_flush(struct link *link)
{
    if (link->stream == NULL || link->connection == NULL)
        return;
    struct buffer *output = connection_output(link->connection);
    if (buffer_size(output) == 0)
        return;
    if (stream_send(link->stream, output)) {
        link->sent_something = true;
        link->sending_ns = stream_unsent(link->stream) == 0 ? 0 : link_now_ns(link);
    }
}

/* Let go of the present connection and of everything that belongs to it. */
static void link_drop_connection(struct link *link)
{
    timer_stop(&link->step);
    timer_stop(&link->heartbeat);
    timer_stop(&link->join);
    stream_close(&link->stream);
    connection_free(&link->connection);
    link->paused = false;
    link->sending_ns = 0;
    if (link->route_count > 0)
        memset(link->routes, 0, link->route_count * sizeof *link->routes);
}

/* K3: tell the channels, once. The current error is the reason, and stays current for each of them.
 */
static void link_tell_down(struct link *link)
{
    if (!link->told_up)
        return;
    link->told_up = false;
    const struct ackd_error *reason = error_take();
    struct list channels;
    list_init(&channels);
    list_append_all(&channels, &link->channels);
    struct list *node;
    while ((node = list_take(&channels)) != NULL) {
        struct link_channel *channel = LIST_ITEM(node, link_channel, node);
        list_append(&link->channels, node);
        channel->number = 0;
        (void)error_give(ackd_error_ref(reason));
        channel->down(channel);
    }
    (void)error_give(reason);
}

static bool link_is_severe(const struct ackd_error *error)
{
    for (; error != NULL; error = ackd_error_cause(error)) {
        int code = ackd_error_code(error);
        if (code == ACKD_E_TLS || code == ACKD_E_REFUSED)
            return true;
    }
    return false;
}

/* The system says that there is nobody: no host has taken our connection. */
static bool link_knocked(const struct link *link)
{
    return link->state == LINK_CONNECTING && ackd_error_code(ackd_error_current()) == ACKD_E_OS;
}

/* How long to wait: not at all while hosts of this round are left. */
static uint64_t link_wait_ms(struct link *link, struct backoff *backoff)
{
    link->tried++;
    if (link->tried < link->options.host_count)
        return 0;
    link->tried = 0;
    return backoff_next_ms(backoff, link->options.random);
}

void link_fail(struct link *link)
{
    if (link->state == LINK_WAITING || link->state == LINK_CLOSED || link->state == LINK_IDLE)
        return;
    bool severe = link_is_severe(ackd_error_current());
    bool lived = link->told_up && link_now_ns(link) - link->opened_ns >= LINK_STABLE_MS * NS_PER_MS;
    if (lived) {
        link->tried = 0;
        backoff_reset(&link->backoff);
        backoff_reset(&link->severe_backoff);
    }
    struct backoff *backoff = severe               ? &link->severe_backoff
                              : link_knocked(link) ? &link->knock_backoff
                                                   : &link->backoff;
    if (backoff != &link->knock_backoff)
        backoff_reset(&link->knock_backoff);
    /* What the server is owed, a close-ok say, goes out if the kernel takes it now. Where the peer
     * is gone that fails, and is not why. */
    const struct ackd_error *reason = ackd_error_ref(ackd_error_current());
    link_flush(link);
    (void)error_give(reason);
    bool closing = link->state == LINK_CLOSING;
    link_drop_connection(link);
    link_move(link, closing ? LINK_CLOSED : LINK_WAITING);
    link_tell_down(link);
    if (link->state != LINK_WAITING)
        return; /* it was closing, or a channel's down() closed it */
    uint64_t wait_ms = link_wait_ms(link, backoff);
    link_arm(link, &link->step, wait_ms);
    link->options.events->down(link, wait_ms, severe, link->options.arg);
}

static void link_tell_up(struct link *link)
{
    struct list *node = link->channels.next;
    while (node != &link->channels && link->state == LINK_OPEN) {
        struct link_channel *channel = LIST_ITEM(node, link_channel, node);
        node = node->next;
        if (channel->number == 0)
            channel->up(channel);
    }
}

static void link_opened(struct link *link)
{
    size_t count = (size_t)connection_channel_max(link->connection) + 1;
    if (count > link->route_count) {
        struct link_channel **routes = calloc(count, sizeof *routes);
        if (routes == NULL) {
            (void)ackd_fail(ACKD_E_NOMEM, "a table of %zu channels", count);
            link_fail(link);
            return;
        }
        free(link->routes);
        link->routes = routes;
        link->route_count = count;
    }
    timer_stop(&link->step);
    link_move(link, LINK_OPEN);
    link->opened_ns = link->received_ns = link_now_ns(link);
    link->told_up = true;
    uint64_t heartbeat_ms = (uint64_t)connection_heartbeat_s(link->connection) * 1000;
    if (heartbeat_ms > 0)
        link_arm(link, &link->heartbeat, heartbeat_ms / 2);
    link->options.events->up(link, link->options.arg);
    link_tell_up(link);
}

static void link_closed_by_server(struct link *link, const struct connection_event *event)
{
    char who[LINK_WHO_SIZE];
    snprintf(who, sizeof who, "%s closed the connection", link_peer(link));
    link->closing = closing_find(CLOSING_CONNECTION, event->code, event->text);
    (void)closing_fail(link->closing, who, event->code, event->text);
    link_fail(link);
}

static void link_event(struct link *link, const struct connection_event *event)
{
    if (event->channel != 0) {
        struct link_channel *channel =
            event->channel < link->route_count ? link->routes[event->channel] : NULL;
        if (channel != NULL) {
            channel->event(channel, event);
        } else if (event->delivery != NULL) {
            struct delivery *delivery = event->delivery;
            delivery_free(&delivery); /* its channel was given up: the broker redelivers */
        }
        return;
    }
    if (event->kind == CONNECTION_OPENED) {
        link_opened(link);
    } else if (event->kind == CONNECTION_BLOCKED) {
        link->options.events->blocked(link, event->text, link->options.arg);
    } else if (event->kind == CONNECTION_UNBLOCKED) {
        link->options.events->blocked(link, NULL, link->options.arg);
    } else if (event->kind == CONNECTION_CLOSED) {
        link_closed_by_server(link, event);
    } else if (event->kind == CONNECTION_CLOSE_OK) {
        (void)ackd_fail(ACKD_E_CLOSED, "closed in order");
        link_fail(link);
    } else if (event->kind == CONNECTION_FAILED) {
        (void)ackd_wrap(ackd_error_code(ackd_error_current()), "%s", link_peer(link));
        link_fail(link);
    }
}

static void link_on_opened(void *arg)
{
    struct link *link = OBJECT_CAST(link, LINK_MAGIC, arg);
    link_move(link, LINK_LOGIN);
    link_arm(link, &link->step, LINK_LOGIN_MS);
    if (connection_start(link->connection) != ACKD_OK) {
        link_fail(link);
        return;
    }
    link_flush(link);
}

static void link_on_space(void *arg, uint8_t **ret_at, size_t *ret_size)
{
    struct link *link = OBJECT_CAST(link, LINK_MAGIC, arg);
    connection_space(link->connection, ret_at, ret_size);
}

static void link_on_received(void *arg, size_t size)
{
    struct link *link = OBJECT_CAST(link, LINK_MAGIC, arg);
    struct connection *connection = link->connection;
    link->received_ns = link_now_ns(link);
    connection_received(connection, size);
    struct connection_event event;
    /* An event may end this connection. */
    while (link->connection == connection && connection_next(connection, &event))
        link_event(link, &event);
    link_flush(link);
}

static void link_on_sent(void *arg)
{
    struct link *link = OBJECT_CAST(link, LINK_MAGIC, arg);
    link->sending_ns = 0;
    link_flush(link);
}

static void link_on_closed(void *arg, int code)
{
    struct link *link = OBJECT_CAST(link, LINK_MAGIC, arg);
    (void)error_for(code);
    if (link->state == LINK_LOGIN)
        (void)ackd_wrap(code, "%s closed the connection while we waited for %s", link_peer(link),
                        connection_step(link->connection));
    link_fail(link);
}

static const struct stream_events link_stream_events = {
    .opened = link_on_opened,
    .space = link_on_space,
    .received = link_on_received,
    .sent = link_on_sent,
    .closed = link_on_closed,
};

/* Try the next host. */
static void link_connect(struct link *link)
{
    const struct link_host *host = &link->hosts[link->host];
    link->host = (link->host + 1) % link->options.host_count;
    link->closing = NULL;
    link_move(link, LINK_CONNECTING);
    struct stream_options options = {
        .host = host->name, .port = host->port, .tls = link->options.tls};
    int code = connection_new(&link->options.login, link->options.pool, &link->connection);
    if (code == ACKD_OK)
        code = stream_open(link->options.loop, &options, &link_stream_events, link, &link->stream);
    if (code != ACKD_OK)
        link_fail(link);
}

static void link_step_over(struct timer *timer)
{
    struct link *link = LIST_ITEM(timer, link, step);
    switch (link->state) {
    case LINK_WAITING:
        link_connect(link);
        break;
    case LINK_LOGIN:
        (void)ackd_fail(ACKD_E_TIMEOUT, "%s did not send %s within %d s: is it a RabbitMQ broker?",
                        link_peer(link), connection_step(link->connection), LINK_LOGIN_MS / 1000);
        link_fail(link);
        break;
    case LINK_CLOSING:
        (void)ackd_fail(ACKD_E_TIMEOUT, "%s did not answer connection.close", link_peer(link));
        link_fail(link);
        break;
    case LINK_IDLE:
    case LINK_CONNECTING:
    case LINK_OPEN:
    case LINK_CLOSED:
        ackd_assert(false);
    }
}

/* Twice per interval: say that we are here, and look whether the peer is. */
static void link_heartbeat_due(struct timer *timer)
{
    struct link *link = LIST_ITEM(timer, link, heartbeat);
    uint64_t now_ns = link_now_ns(link);
    uint64_t interval_s = connection_heartbeat_s(link->connection);
    uint64_t patience_ns = 2 * interval_s * NS_PER_S;
    uint64_t silent_ns = now_ns - link->received_ns;
    if (!link->paused && silent_ns >= patience_ns) {
        (void)ackd_fail(ACKD_E_DISCONNECTED,
                        "nothing came from %s for %llu s: it is taken for dead", link_peer(link),
                        (unsigned long long)(2 * interval_s));
        link_fail(link);
        return;
    }
    if (link->sending_ns != 0 && now_ns - link->sending_ns >= patience_ns) {
        (void)ackd_fail(ACKD_E_DISCONNECTED, "%s has taken no bytes for %llu s", link_peer(link),
                        (unsigned long long)(2 * interval_s));
        link_fail(link);
        return;
    }
    uint64_t next_ns = interval_s * NS_PER_S / 2;
    if (!link->paused && patience_ns - silent_ns < next_ns)
        next_ns = patience_ns - silent_ns; /* not later than its patience */
    timer_start(loop_timers(link->options.loop), timer, now_ns + next_ns);
    if (!link->sent_something && connection_heartbeat(link->connection) != ACKD_OK) {
        link_fail(link);
        return;
    }
    link_flush(link);
    link->sent_something = false;
}

static void link_join_due(struct timer *timer)
{
    struct link *link = LIST_ITEM(timer, link, join);
    link_tell_up(link);
    link_flush(link);
}

static void link_shuffle(struct link *link)
{
    for (size_t i = link->options.host_count; i > 1; i--) {
        size_t other = (size_t)random_below(link->options.random, i);
        struct link_host kept = link->hosts[i - 1];
        link->hosts[i - 1] = link->hosts[other];
        link->hosts[other] = kept;
    }
}

int link_new(const struct link_options *options, struct link **ret_link)
{
    ackd_assert(options->host_count > 0);
    struct link *link = calloc(1, sizeof *link);
    struct link_host *hosts = calloc(options->host_count, sizeof *hosts);
    char *name = strdup(options->login.name);
    if (link == NULL || hosts == NULL || name == NULL) {
        free(link);
        free(hosts);
        free(name);
        return ackd_fail(ACKD_E_NOMEM, "a link to a broker");
    }
    memcpy(hosts, options->hosts, options->host_count * sizeof *hosts);
    link->magic = LINK_MAGIC;
    link->options = *options;
    link->options.login.name = link->name = name;
    link->hosts = hosts;
    list_init(&link->channels);
    timer_init(&link->step, link_step_over);
    timer_init(&link->heartbeat, link_heartbeat_due);
    timer_init(&link->join, link_join_due);
    backoff_init(&link->backoff, options->reconnect_first_ms, options->reconnect_max_ms);
    backoff_init(&link->severe_backoff, LINK_SEVERE_FIRST_MS, LINK_SEVERE_MAX_MS);
    uint64_t knock_ms = options->reconnect_max_ms < LINK_KNOCK_MAX_MS ? options->reconnect_max_ms
                                                                      : LINK_KNOCK_MAX_MS;
    backoff_init(&link->knock_backoff, options->reconnect_first_ms,
                 knock_ms > options->reconnect_first_ms ? knock_ms : options->reconnect_first_ms);
    link_shuffle(link);
    *ret_link = link;
    return ACKD_OK;
}

void link_free(struct link **link)
{
    struct link *freed = *link;
    if (freed == NULL)
        return;
    *link = NULL;
    ackd_assert(list_empty(&freed->channels));
    link_drop_connection(freed);
    freed->magic = 0;
    free(freed->routes);
    free(freed->hosts);
    free(freed->name);
    free(freed);
}

void link_open(struct link *link)
{
    if (link->options.spread_ms == 0) {
        link_connect(link);
        return;
    }
    link_move(link, LINK_WAITING);
    link_arm(link, &link->step, random_below(link->options.random, link->options.spread_ms));
}

void link_close(struct link *link)
{
    if (link->state == LINK_CLOSED || link->state == LINK_CLOSING)
        return;
    if (link->state == LINK_OPEN &&
        connection_close(link->connection, 200, "stopping") == ACKD_OK) {
        timer_stop(&link->heartbeat);
        link_move(link, LINK_CLOSING);
        if (link->paused)
            link_resume(link); /* the answer must be read */
        link_arm(link, &link->step, LINK_CLOSE_MS);
        link_flush(link);
        return;
    }
    link_drop_connection(link);
    link_move(link, LINK_CLOSED);
    (void)ackd_fail(ACKD_E_CLOSED, "closed before it was open");
    link_tell_down(link);
}

void link_add(struct link *link, struct link_channel *channel)
{
    channel->link = link;
    channel->number = 0;
    list_append(&link->channels, &channel->node);
    if (link->state == LINK_OPEN && link->told_up)
        link_arm(link, &link->join, 0);
}

void link_remove(struct link_channel *channel)
{
    link_drop_number(channel);
    list_remove(&channel->node);
    channel->link = NULL;
}

int link_take_number(struct link_channel *channel)
{
    struct link *link = channel->link;
    ackd_assert(link->state == LINK_OPEN);
    link_drop_number(channel);
    uint16_t number = channel_free_number(link->connection);
    if (number == 0)
        return ackd_fail(ACKD_E_FULL, "no channel is left on the connection to %s",
                         link_peer(link));
    ackd_assert(number < link->route_count);
    channel->number = number;
    link->routes[number] = channel;
    return ACKD_OK;
}

void link_drop_number(struct link_channel *channel)
{
    struct link *link = channel->link;
    if (channel->number != 0 && link->routes[channel->number] == channel)
        link->routes[channel->number] = NULL;
    channel->number = 0;
}

void link_pause(struct link *link)
{
    if (link->state != LINK_OPEN || link->paused)
        return;
    link->paused = true;
    stream_pause(link->stream);
}

void link_resume(struct link *link)
{
    if (!link->paused)
        return;
    link->paused = false;
    link->received_ns = link_now_ns(link);
    stream_resume(link->stream);
}

bool link_paused(const struct link *link)
{
    return link->paused;
}

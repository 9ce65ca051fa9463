/* SPDX-License-Identifier: MIT */
/*
 * sim_stream - io/stream.h over wires: a kernel's buffer on the daemon's side, a delay and pieces of
 * drawn size in both directions, and faults where the test wants them.
 *
 * A wire outlives its stream: the server hears of the end later, by what still arrives or by
 * silence.
 */
#include <config.h>

#include "sim.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { SIM_STEP_MS = 5000 }; /* of resolving, connecting */

struct sim_wire {
    struct list node;
    struct stream *stream; /* NULL: the daemon let go of it */
    void *connection;      /* NULL: the server did */
    struct sim_weather weather;
    struct timer to_daemon;
    struct timer to_server;
    struct buffer kernel; /* written by the daemon, on its way */
    uint64_t cut_daemon;  /* bytes until it breaks; UINT64_MAX: never */
    uint64_t cut_server;
    bool frozen;
    bool shut;     /* the server writes no more */
    bool finished; /* the daemon closed: the server hears it behind the last byte */
};

struct stream {
    struct list node;
    struct loop *loop;
    struct stream_events events;
    void *arg;
    struct sim_wire *wire;
    struct timer step; /* connecting, sent(), closed() */
    struct buffer sending;
    const struct ackd_error *failure;
    bool open;
    bool failed;
    bool paused;
    bool sent_due;
    char peer[32];
};

static struct {
    struct list wires;
    struct list streams;
    struct sim_server server;
    enum sim_connect connect;
    struct sim_weather weather;
    bool weather_set;
} net;

void sim_streams_begin(void)
{
    memset(&net, 0, sizeof net);
    list_init(&net.wires);
    list_init(&net.streams);
}

void sim_set_server(const struct sim_server *server)
{
    net.server = *server;
}

void sim_set_connect(enum sim_connect connect)
{
    net.connect = connect;
}

void sim_set_weather(const struct sim_weather *weather)
{
    net.weather = *weather;
    net.weather_set = true;
}

void sim_draw_weather(struct sim_weather *weather)
{
    weather->whole = false;
    static const uint64_t latencies_us[] = {20, 200, 2000, 20000};
    static const size_t chunks[] = {40, 300, 1500, 65536, 65536, 65536};
    weather->latency_ns = latencies_us[sim_between(0, 3)] * NS_PER_US;
    weather->chunk_max = chunks[sim_between(0, 5)];
    weather->window = sim_chance(50) ? 65536 : sim_between(20, 4000);
}

static void sim_wire_free(struct sim_wire *wire)
{
    timer_stop(&wire->to_daemon);
    timer_stop(&wire->to_server);
    list_remove(&wire->node);
    buffer_fini(&wire->kernel);
    free(wire);
}

/* The server's side ends. */
static void sim_wire_lose(struct sim_wire *wire)
{
    void *connection = wire->connection;
    wire->connection = NULL;
    if (connection != NULL)
        net.server.lost(connection);
    if (wire->stream == NULL)
        sim_wire_free(wire);
}

void sim_streams_end(void)
{
    sim_that(list_empty(&net.streams));
    while (!list_empty(&net.wires)) {
        struct sim_wire *wire = LIST_ITEM(net.wires.next, sim_wire, node);
        sim_that(wire->stream == NULL);
        sim_wire_lose(wire);
    }
    if (net.server.ended != NULL)
        net.server.ended(net.server.arg);
}

enum { SIM_GAP = 16 }; /* what follows directly comes so many times sooner */

static void sim_wire_arm(struct sim_wire *wire, struct timer *timer)
{
    uint64_t latency_ns = wire->weather.latency_ns;
    if (!wire->frozen && !timer_armed(timer))
        sim_after_ns(timer, sim_between(latency_ns / 2, latency_ns));
}

static void sim_wire_go_on(struct sim_wire *wire, struct timer *timer)
{
    if (!wire->frozen && !timer_armed(timer))
        sim_after_ns(timer, sim_between(0, wire->weather.latency_ns / SIM_GAP));
}

/* closed() comes later, from the world's step. */
static void sim_stream_fail(struct stream *stream, int code, const char *why)
{
    if (stream->failed)
        return;
    stream->failed = true;
    struct error_slot slot = {.error = NULL};
    struct error_slot *before = error_slot_use(&slot);
    (void)ackd_fail(code, "%s", why);
    stream->failure = error_take();
    (void)error_slot_use(before);
    sim_after_ns(&stream->step, sim_between(0, 1000));
}

/* It breaks in the middle: both sides lose what was on its way; the server may notice late. */
static void sim_wire_break(struct sim_wire *wire)
{
    wire->frozen = true;
    timer_stop(&wire->to_daemon);
    if (wire->stream != NULL)
        sim_stream_fail(wire->stream, ACKD_E_DISCONNECTED, "the connection was reset");
    wire->finished = true;
    buffer_clear(&wire->kernel);
    static const uint64_t notices_ms[] = {0, 1, 50, 3000};
    sim_after_ns(&wire->to_server, notices_ms[sim_between(0, 3)] * NS_PER_MS);
}

void sim_wire_cut(struct sim_wire *wire, bool to_daemon, uint64_t bytes)
{
    if (to_daemon)
        wire->cut_daemon = bytes;
    else
        wire->cut_server = bytes;
}

void sim_wire_freeze(struct sim_wire *wire)
{
    wire->frozen = true;
    timer_stop(&wire->to_daemon);
    timer_stop(&wire->to_server);
}

bool sim_wire_is_frozen(const struct sim_wire *wire)
{
    return wire->frozen;
}

struct sim_wire *sim_wire_at(size_t index)
{
    list_for_each (node, &net.wires) {
        if (index-- == 0)
            return LIST_ITEM(node, sim_wire, node);
    }
    return NULL;
}

/* How many of @size bytes arrive at once; *cut counts down to where it breaks. */
static size_t sim_wire_piece(const struct sim_wire *wire, size_t size, uint64_t *cut)
{
    size_t piece = size < wire->weather.chunk_max ? size : wire->weather.chunk_max;
    if (!wire->weather.whole && (size > piece || sim_chance(50)))
        piece = sim_between(1, piece);
    if (*cut == UINT64_MAX)
        return piece;
    piece = piece < *cut ? piece : (size_t)*cut;
    *cut -= piece;
    return piece;
}

void sim_wire_kick(struct sim_wire *wire)
{
    if (wire->stream != NULL)
        sim_wire_arm(wire, &wire->to_daemon);
}

void sim_wire_shut(struct sim_wire *wire)
{
    wire->shut = true;
    sim_wire_kick(wire);
}

struct sim_arrival {
    struct stream *stream;
    const uint8_t *bytes;
    size_t size;
    size_t taken;
};

static void sim_stream_receive(void *arg)
{
    struct sim_arrival *arrival = arg;
    struct stream *stream = arrival->stream;
    uint8_t *at = NULL;
    size_t size = 0;
    stream->events.space(stream->arg, &at, &size);
    sim_that(size > 0);
    arrival->taken = size < arrival->size ? size : arrival->size;
    sim_copy(at, arrival->bytes, arrival->taken);
    stream->events.received(stream->arg, arrival->taken);
}

static void sim_wire_to_daemon(struct timer *timer)
{
    struct sim_wire *wire = LIST_ITEM(timer, sim_wire, to_daemon);
    struct stream *stream = wire->stream;
    if (stream == NULL || !stream->open || stream->paused || stream->failed)
        return;
    if (wire->cut_daemon == 0) {
        sim_wire_break(wire);
        return;
    }
    struct buffer *output = wire->connection == NULL ? NULL : net.server.output(wire->connection);
    if (output == NULL || buffer_size(output) == 0) {
        if (wire->shut)
            sim_stream_fail(stream, ACKD_E_DISCONNECTED, "the broker closed the connection");
        return;
    }
    size_t piece = sim_wire_piece(wire, buffer_size(output), &wire->cut_daemon);
    struct buffer bytes; /* of its own: what arrives may make the server write */
    buffer_init(&bytes, piece);
    error_ignore(buffer_append(&bytes, buffer_bytes(output), piece));
    sim_that(buffer_size(&bytes) == piece);
    buffer_consume(output, piece);
    struct sim_arrival arrival = {.stream = stream};
    while (buffer_size(&bytes) > 0 && wire->stream != NULL) {
        arrival.bytes = buffer_bytes(&bytes);
        arrival.size = buffer_size(&bytes);
        sim_on_loop(stream->loop, sim_stream_receive, &arrival);
        buffer_consume(&bytes, arrival.taken);
    }
    buffer_fini(&bytes);
    if (wire->connection != NULL && wire->stream != NULL)
        sim_wire_go_on(wire, &wire->to_daemon);
    if (wire->connection != NULL && net.server.sent != NULL)
        net.server.sent(wire->connection);
}

/* What fits goes from the daemon to the kernel. */
static void sim_stream_fill(struct stream *stream)
{
    struct sim_wire *wire = stream->wire;
    size_t used = buffer_size(&wire->kernel);
    size_t room = used < wire->weather.window ? wire->weather.window - used : 0;
    size_t size = buffer_size(&stream->sending);
    size = size < room ? size : room;
    if (size > 0) {
        bool aside = sim_memory_aside(true);
        error_ignore(buffer_append(&wire->kernel, buffer_bytes(&stream->sending), size));
        (void)sim_memory_aside(aside);
        buffer_consume(&stream->sending, size);
        sim_wire_arm(wire, &wire->to_server);
    }
}

static void sim_stream_sent(void *arg)
{
    struct stream *stream = arg;
    stream->sent_due = false;
    stream->events.sent(stream->arg);
}

static void sim_wire_to_server(struct timer *timer)
{
    struct sim_wire *wire = LIST_ITEM(timer, sim_wire, to_server);
    if (wire->cut_server == 0 && !wire->finished) {
        sim_wire_break(wire);
        return;
    }
    if (wire->cut_server == 0)
        buffer_clear(&wire->kernel);
    size_t size = buffer_size(&wire->kernel);
    if (size == 0) {
        if (wire->finished)
            sim_wire_lose(wire);
        return;
    }
    size_t piece = sim_wire_piece(wire, size, &wire->cut_server);
    if (wire->connection != NULL && !wire->shut)
        net.server.received(wire->connection, buffer_bytes(&wire->kernel), piece);
    buffer_consume(&wire->kernel, piece);
    struct stream *stream = wire->stream;
    if (stream != NULL && !stream->failed) {
        sim_stream_fill(stream);
        if (stream->sent_due && buffer_size(&stream->sending) == 0)
            sim_on_loop(stream->loop, sim_stream_sent, stream);
    }
    sim_wire_go_on(wire, &wire->to_server);
}

static void sim_stream_opened(void *arg)
{
    struct stream *stream = arg;
    stream->open = true;
    stream->events.opened(stream->arg);
}

static void sim_stream_closed(void *arg)
{
    struct stream *stream = arg;
    int code = error_give(stream->failure);
    stream->failure = NULL;
    stream->events.closed(stream->arg, code);
}

static void sim_stream_connect(struct stream *stream)
{
    struct sim_wire *wire = calloc(1, sizeof *wire);
    sim_that(wire != NULL);
    list_append(&net.wires, &wire->node);
    wire->stream = stream;
    wire->weather = net.weather;
    if (!net.weather_set)
        sim_draw_weather(&wire->weather);
    wire->cut_daemon = wire->cut_server = UINT64_MAX;
    timer_init(&wire->to_daemon, sim_wire_to_daemon);
    timer_init(&wire->to_server, sim_wire_to_server);
    buffer_init(&wire->kernel, SIZE_MAX);
    stream->wire = wire;
    snprintf(stream->peer, sizeof stream->peer, "192.0.2.1:5672");
    wire->connection = net.server.accept(wire, net.server.arg);
    sim_on_loop(stream->loop, sim_stream_opened, stream);
    if (wire->connection != NULL)
        sim_wire_kick(wire);
}

static void sim_stream_step(struct timer *timer)
{
    struct stream *stream = LIST_ITEM(timer, stream, step);
    if (stream->failed)
        sim_on_loop(stream->loop, sim_stream_closed, stream);
    else if (net.connect == SIM_CONNECT)
        sim_stream_connect(stream);
    else if (net.connect == SIM_CONNECT_REFUSED)
        sim_stream_fail(stream, ACKD_E_OS, "connection refused");
    else
        sim_stream_fail(stream, net.connect == SIM_CONNECT_SILENT ? ACKD_E_TIMEOUT : ACKD_E_RESOLVE,
                        "no answer");
}

int stream_open(struct loop *loop, const struct stream_options *options,
                const struct stream_events *events, void *arg, struct stream **ret_stream)
{
    sim_that(options->host != NULL && options->port != 0);
    bool aside = sim_memory_aside(true);
    struct stream *stream = calloc(1, sizeof *stream);
    sim_that(stream != NULL);
    (void)sim_memory_aside(aside);
    list_append(&net.streams, &stream->node);
    stream->loop = loop;
    stream->events = *events;
    stream->arg = arg;
    timer_init(&stream->step, sim_stream_step);
    buffer_init(&stream->sending, SIZE_MAX);
    bool slow = net.connect == SIM_CONNECT_SILENT || net.connect == SIM_CONNECT_UNRESOLVED;
    sim_after_ns(&stream->step, slow ? SIM_STEP_MS * NS_PER_MS : sim_between(1, 5 * NS_PER_MS));
    *ret_stream = stream;
    return ACKD_OK;
}

/* What the kernel has still goes out, unless it resets because something unread is there. */
static void sim_wire_let_go(struct sim_wire *wire)
{
    wire->stream = NULL;
    wire->finished = true;
    timer_stop(&wire->to_daemon);
    if (wire->connection == NULL) {
        sim_wire_free(wire);
        return;
    }
    if (buffer_size(net.server.output(wire->connection)) > 0 && sim_chance(50))
        buffer_clear(&wire->kernel);
    if (wire->frozen && !timer_armed(&wire->to_server)) {
        wire->frozen = false;
        buffer_clear(&wire->kernel);
        sim_after_ns(&wire->to_server, sim_between(0, 20000) * NS_PER_MS);
        return;
    }
    sim_wire_arm(wire, &wire->to_server);
}

void stream_close(struct stream **stream)
{
    struct stream *closed = *stream;
    if (closed == NULL)
        return;
    *stream = NULL;
    list_remove(&closed->node);
    timer_stop(&closed->step);
    if (closed->wire != NULL)
        sim_wire_let_go(closed->wire);
    ackd_error_unref(closed->failure);
    buffer_fini(&closed->sending);
    free(closed);
}

void sim_streams_kill(void)
{
    while (!list_empty(&net.streams)) {
        struct stream *stream = LIST_ITEM(net.streams.next, stream, node);
        stream_close(&stream);
    }
}

bool stream_send(struct stream *stream, struct buffer *out)
{
    if (!stream->open || stream->sent_due)
        return false;
    if (buffer_size(out) == 0)
        return true;
    stream->sending.limit = out->limit;
    buffer_swap(&stream->sending, out);
    sim_that(buffer_size(out) == 0);
    if (!stream->failed)
        sim_stream_fill(stream);
    stream->sent_due = buffer_size(&stream->sending) > 0;
    return true;
}

size_t stream_unsent(const struct stream *stream)
{
    return buffer_size(&stream->sending);
}

void stream_pause(struct stream *stream)
{
    stream->paused = true;
}

void stream_resume(struct stream *stream)
{
    stream->paused = false;
    if (stream->wire != NULL)
        sim_wire_kick(stream->wire);
}

const char *stream_peer(const struct stream *stream)
{
    return stream->peer;
}

int tls_new(const struct tls_options *options, struct tls **ret_tls)
{
    (void)options;
    *ret_tls = NULL;
    return ackd_fail(ACKD_E_TLS, "there is no TLS in a simulation");
}

void tls_free(struct tls **tls)
{
    *tls = NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * stream - a connection over libuv: look up, connect, TLS, then bytes both ways. It must not know
 * what the bytes mean.
 *
 * How the invariants of stream.h are kept:
 *   S1  Every failure goes through stream_fail, which only marks and arms `kick`; closed() is
 * called from there, once, and nothing of the stream is touched after it. S2  stream_open,
 * stream_send and stream_close call nothing but stream_fail. S3  While paused libuv does not read,
 * and what TLS still holds is left there.
 *
 * The memory goes when the owner has called stream_close and libuv has let go of the socket.
 */
#include <config.h>

#include "io/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "io/address.h"
#include "io/loop_uv.h"
#include "io/resolve.h"
#include "io/tls.h"

#define STREAM_MAGIC UINT32_C(0x73747265)

enum {
    STREAM_HOST_SIZE = 256,
    STREAM_PEER_SIZE = 64,
    STREAM_ATTEMPTS_SIZE = 512,   /* of text about the addresses that failed */
    STREAM_TIMEOUT_MS = 5000,     /* of each step */
    STREAM_KEEPALIVE_S = 30,      /* of silence, then ten probes a second apart */
    STREAM_TLS_CHUNK = 64 * 1024, /* bytes encrypted, or read to be decrypted, at a time */
    STREAM_TLS_LIMIT = 4 * STREAM_TLS_CHUNK
};

/* One way, but for the addresses: RESOLVING, CONNECTING, HANDSHAKING with TLS only, OPEN; FAILED.
 */
enum stream_state {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_HANDSHAKING,
    STREAM_OPEN,
    STREAM_FAILED /* closed() was called, or kick is armed to call it */
};

enum stream_socket { STREAM_SOCKET_NONE, STREAM_SOCKET_OPEN, STREAM_SOCKET_CLOSING };

struct stream {
    uint32_t magic;
    enum stream_state state;
    enum stream_socket socket;
    bool released; /* by stream_close: no callback any more */
    bool paused;
    bool sent_due; /* stream_send left bytes behind: sent() is due when they are gone */
    struct loop *loop;
    struct stream_events events;
    void *arg;
    struct stream_options options; /* with host pointing into this structure */
    char host[STREAM_HOST_SIZE];
    char peer[STREAM_PEER_SIZE];
    char attempts[STREAM_ATTEMPTS_SIZE];
    int attempt_status;       /* libuv's, of the last address */
    struct timer deadline;    /* of the step */
    struct timer kick;        /* what must not happen inside the owner's call */
    struct resolve *resolve;  /* while RESOLVING */
    struct addrinfo *found;   /* owned */
    struct addrinfo *address; /* in found: being tried */
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    size_t writing;      /* bytes of plain, or of wire with TLS, that libuv holds; 0: none */
    struct buffer plain; /* the owner's bytes under way */
    struct buffer wire;  /* the same encrypted, with TLS */
    struct tls_session *session;
    const struct ackd_error *failure; /* owned: why closed() will be called */
};

static struct stream *stream_of(void *pointer)
{
    return OBJECT_CAST(stream, STREAM_MAGIC, pointer);
}

static void stream_free(struct stream *stream)
{
    ackd_assert(stream->socket == STREAM_SOCKET_NONE);
    ackd_assert(stream->writing == 0);
    timer_stop(&stream->deadline);
    timer_stop(&stream->kick);
    if (stream->found != NULL)
        freeaddrinfo(stream->found);
    tls_session_free(&stream->session);
    buffer_fini(&stream->plain);
    buffer_fini(&stream->wire);
    ackd_error_unref(stream->failure);
    stream->magic = 0;
    free(stream);
}

static void stream_arm(struct stream *stream, uint64_t timeout_ms)
{
    uint64_t now_ns = loop_now_ns(stream->loop);
    timer_start(loop_timers(stream->loop), &stream->deadline, timer_after_ms(now_ns, timeout_ms));
}

static void stream_kick(struct stream *stream)
{
    timer_start(loop_timers(stream->loop), &stream->kick, loop_now_ns(stream->loop));
}

static void stream_connect(struct stream *stream);

static void stream_socket_closed(uv_handle_t *handle)
{
    struct stream *stream = stream_of(handle->data);
    stream->socket = STREAM_SOCKET_NONE;
    if (stream->released) {
        stream_free(stream);
    } else if (stream->state == STREAM_CONNECTING) {
        stream->address = stream->address->ai_next;
        stream_connect(stream);
    }
}

static void stream_close_socket(struct stream *stream)
{
    if (stream->socket != STREAM_SOCKET_OPEN)
        return;
    stream->socket = STREAM_SOCKET_CLOSING;
    uv_close((uv_handle_t *)&stream->tcp, stream_socket_closed);
}

/* The current error is why. */
static void stream_fail(struct stream *stream)
{
    ackd_assert(stream->state != STREAM_FAILED);
    stream->failure = error_take();
    stream->state = STREAM_FAILED;
    timer_stop(&stream->deadline);
    resolve_cancel(&stream->resolve);
    stream_close_socket(stream);
    stream_kick(stream);
}

/* What ended an open connection. */
static void stream_fail_os(struct stream *stream, int status)
{
    if (status == UV_EOF)
        (void)ackd_fail(ACKD_E_DISCONNECTED, "%s closed the connection", stream->peer);
    else if (status == UV_ECONNRESET || status == UV_EPIPE)
        (void)ackd_fail(ACKD_E_DISCONNECTED, "%s reset the connection", stream->peer);
    else if (status == UV_ETIMEDOUT)
        (void)ackd_fail(ACKD_E_TIMEOUT, "%s does not answer any more", stream->peer);
    else
        (void)loop_fail_os(status, "the connection to %s: %s", stream->peer, uv_strerror(status));
    stream_fail(stream);
}

/* What goes to the socket next: with TLS, what is encrypted, which may have to be made first. */
static int stream_fill(struct stream *stream, struct buffer **ret_source)
{
    *ret_source = &stream->plain;
    if (stream->session == NULL)
        return ACKD_OK;
    *ret_source = &stream->wire;
    if (buffer_size(&stream->wire) > 0)
        return ACKD_OK;
    struct buffer *outgoing = tls_session_outgoing(stream->session);
    size_t size = buffer_size(&stream->plain);
    if (buffer_size(outgoing) == 0 && size > 0 && stream->state == STREAM_OPEN) {
        if (size > STREAM_TLS_CHUNK)
            size = STREAM_TLS_CHUNK;
        ACKD_TRY(tls_session_write(stream->session, buffer_bytes(&stream->plain), size));
        buffer_consume(&stream->plain, size);
    }
    buffer_swap(&stream->wire, outgoing);
    return ACKD_OK;
}

static void stream_pump(struct stream *stream);

static void stream_written(uv_write_t *write, int status)
{
    struct stream *stream = stream_of(write->data);
    size_t size = stream->writing;
    stream->writing = 0;
    if (stream->released || stream->state == STREAM_FAILED)
        return;
    if (status != 0) {
        stream_fail_os(stream, status);
        return;
    }
    buffer_consume(stream->session == NULL ? &stream->plain : &stream->wire, size);
    stream_pump(stream);
    if (stream->state == STREAM_OPEN && stream->sent_due && stream->writing == 0) {
        stream->sent_due = false;
        stream->events.sent(stream->arg);
    }
}

static uv_buf_t stream_rest(const struct buffer *source)
{
    size_t size = buffer_size(source);
    /* libuv counts in unsigned int; what is beyond goes with the next write. */
    unsigned length = size > 1U << 30 ? 1U << 30 : (unsigned)size;
    return uv_buf_init((char *)(uintptr_t)buffer_bytes(source), length);
}

/* Write until all is written, libuv holds the rest, or it fails. */
static void stream_pump(struct stream *stream)
{
    while (stream->writing == 0 && stream->state != STREAM_FAILED) {
        struct buffer *source = NULL;
        if (stream_fill(stream, &source) != ACKD_OK) {
            stream_fail(stream);
            return;
        }
        if (buffer_size(source) == 0)
            return;
        uv_buf_t rest = stream_rest(source);
        int status = uv_try_write((uv_stream_t *)&stream->tcp, &rest, 1);
        if (status > 0) {
            buffer_consume(source, (size_t)status);
            continue;
        }
        if (status == UV_EAGAIN) {
            status =
                uv_write(&stream->write, (uv_stream_t *)&stream->tcp, &rest, 1, stream_written);
            stream->writing = status == 0 ? rest.len : 0;
        }
        if (status < 0)
            stream_fail_os(stream, status);
    }
}

/* Decrypt what has come, into the owner's places. */
static int stream_decrypt(struct stream *stream)
{
    while (stream->state == STREAM_OPEN && !stream->paused && !stream->released &&
           tls_session_readable(stream->session)) {
        uint8_t *at = NULL;
        size_t size = 0, got = 0;
        stream->events.space(stream->arg, &at, &size);
        if (stream->released)
            return ACKD_OK;
        ackd_assert(size > 0);
        ACKD_TRY(tls_session_read(stream->session, at, size, &got));
        if (got == 0)
            return ACKD_OK;
        stream->events.received(stream->arg, got);
    }
    return ACKD_OK;
}

static void stream_opened(struct stream *stream)
{
    timer_stop(&stream->deadline);
    stream->state = STREAM_OPEN;
    if (stream->paused)
        uv_read_stop((uv_stream_t *)&stream->tcp);
    stream->events.opened(stream->arg);
}

/* Hand the kernel what TLS says last, an alert or a farewell; nobody waits for it. */
static void stream_send_last(struct stream *stream)
{
    if (stream->writing > 0 || buffer_size(&stream->wire) > 0)
        return;
    uv_buf_t rest = stream_rest(tls_session_outgoing(stream->session));
    if (rest.len > 0)
        (void)uv_try_write((uv_stream_t *)&stream->tcp, &rest, 1);
}

/* Let TLS have what came in, and send what it has to say to that. */
static void stream_process(struct stream *stream)
{
    int code = ACKD_OK;
    if (stream->state == STREAM_HANDSHAKING) {
        bool done = false;
        code = tls_session_handshake(stream->session, &done);
        if (code == ACKD_OK && done)
            stream_opened(stream);
    }
    if (code == ACKD_OK)
        code = stream_decrypt(stream);
    if (stream->released || stream->state == STREAM_FAILED)
        return;
    if (code == ACKD_OK) {
        stream_pump(stream);
        return;
    }
    stream_send_last(stream);
    stream_fail(stream);
}

static void stream_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct stream *stream = stream_of(handle->data);
    uint8_t *at = NULL;
    size_t size = 0;
    (void)suggested;
    if (stream->session == NULL) {
        stream->events.space(stream->arg, &at, &size);
        ackd_assert(size > 0 || stream->released);
    } else if (buffer_reserve(tls_session_incoming(stream->session), STREAM_TLS_CHUNK, &at) == 0) {
        size = STREAM_TLS_CHUNK;
    }
    /* Nothing at all is told to stream_read as UV_ENOBUFS. */
    *ret_buf = uv_buf_init((char *)at, size > UINT32_MAX ? UINT32_MAX : (unsigned)size);
}

static void stream_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
    struct stream *stream = stream_of(handle->data);
    (void)buf;
    if (stream->released || stream->state == STREAM_FAILED || size == 0)
        return;
    if (size == UV_EOF && stream->state == STREAM_HANDSHAKING) {
        (void)ackd_fail(ACKD_E_TLS,
                        "%s closed the connection during the TLS handshake: is it a TLS port, and "
                        "does it want a client certificate (tls.cert)?",
                        stream->peer);
        stream_fail(stream);
    } else if (size < 0) {
        stream_fail_os(stream, (int)size);
    } else if (stream->session == NULL) {
        stream->events.received(stream->arg, (size_t)size);
    } else {
        buffer_commit(tls_session_incoming(stream->session), (size_t)size);
        stream_process(stream);
    }
}

static void stream_start_reading(struct stream *stream)
{
    int status = uv_read_start((uv_stream_t *)&stream->tcp, stream_alloc, stream_read);
    if (status != 0 && status != UV_EALREADY)
        stream_fail_os(stream, status);
}

/* The socket is connected. */
static void stream_established(struct stream *stream)
{
    timer_stop(&stream->deadline);
    freeaddrinfo(stream->found);
    stream->found = stream->address = NULL;
    (void)uv_tcp_nodelay(&stream->tcp, 1);
    /* No TCP_USER_TIMEOUT: it would end a connection that the broker keeps waiting on purpose. */
    (void)uv_tcp_keepalive(&stream->tcp, 1, STREAM_KEEPALIVE_S);
    if (stream->options.tls == NULL) {
        stream_opened(stream);
        if (!stream->released && stream->state == STREAM_OPEN && !stream->paused)
            stream_start_reading(stream);
        return;
    }
    if (tls_session_new(stream->options.tls, stream->host, &stream->session) != ACKD_OK) {
        stream_fail(stream);
        return;
    }
    stream->state = STREAM_HANDSHAKING;
    stream_arm(stream, stream->options.tls_timeout_ms);
    stream_start_reading(stream);
    if (stream->state == STREAM_HANDSHAKING)
        stream_process(stream);
}

/* Note that the address under trial will not do, in words that follow its name. */
static void stream_note_attempt(struct stream *stream, int status, const char *why)
{
    size_t used = strlen(stream->attempts);
    snprintf(stream->attempts + used, sizeof stream->attempts - used, "%s%s: %s",
             used == 0 ? "" : "; ", stream->peer, why);
    stream->attempt_status = status;
}

static void stream_connected(uv_connect_t *connect, int status)
{
    struct stream *stream = stream_of(connect->data);
    if (status == UV_ECANCELED || stream->released || stream->state == STREAM_FAILED)
        return;
    if (status == 0) {
        stream_established(stream);
        return;
    }
    timer_stop(&stream->deadline);
    stream_note_attempt(stream, status,
                        status == UV_ECONNREFUSED ? "nothing listens there" : uv_strerror(status));
    stream_close_socket(stream);
}

/* None of the addresses would do. */
static void stream_give_up(struct stream *stream)
{
    if (stream->attempt_status == UV_ETIMEDOUT)
        (void)ackd_fail(ACKD_E_TIMEOUT, "cannot connect to %s:%u (%s)", stream->host,
                        (unsigned)stream->options.port, stream->attempts);
    else
        (void)loop_fail_os(stream->attempt_status, "cannot connect to %s:%u (%s)", stream->host,
                           (unsigned)stream->options.port, stream->attempts);
    stream->peer[0] = '\0';
    stream_fail(stream);
}

/* Try the address; the next one is tried when the socket of this one is closed. */
static void stream_connect(struct stream *stream)
{
    ackd_assert(stream->socket == STREAM_SOCKET_NONE);
    stream->state = STREAM_CONNECTING;
    if (stream->address == NULL) {
        stream_give_up(stream);
        return;
    }
    address_describe(stream->address->ai_addr, stream->address->ai_addrlen, stream->peer,
                     sizeof stream->peer);
    int status = uv_tcp_init(loop_uv(stream->loop), &stream->tcp);
    ackd_assert(status == 0); /* it makes no socket yet */
    stream->socket = STREAM_SOCKET_OPEN;
    stream->tcp.data = stream->connect.data = stream->write.data = stream;
    status =
        uv_tcp_connect(&stream->connect, &stream->tcp, stream->address->ai_addr, stream_connected);
    if (status == 0) {
        stream_arm(stream, stream->options.connect_timeout_ms);
        return;
    }
    stream_note_attempt(stream, status, uv_strerror(status));
    stream_close_socket(stream);
}

static void stream_resolved(struct addrinfo *found, const char *why, void *arg)
{
    struct stream *stream = stream_of(arg);
    stream->resolve = NULL;
    timer_stop(&stream->deadline);
    if (found == NULL) {
        (void)ackd_fail(ACKD_E_RESOLVE, "cannot resolve the host '%s': %s", stream->host, why);
        stream_fail(stream);
        return;
    }
    stream->found = stream->address = found;
    stream_connect(stream);
}

static void stream_deadline_passed(struct timer *timer)
{
    struct stream *stream = stream_of(LIST_ITEM(timer, stream, deadline));
    char why[64];
    switch (stream->state) {
    case STREAM_RESOLVING:
        (void)ackd_fail(ACKD_E_TIMEOUT,
                        "the host '%s' did not resolve within %llu ms: is the name server there?",
                        stream->host, (unsigned long long)stream->options.resolve_timeout_ms);
        stream_fail(stream);
        break;
    case STREAM_CONNECTING:
        snprintf(why, sizeof why, "no answer within %llu ms",
                 (unsigned long long)stream->options.connect_timeout_ms);
        stream_note_attempt(stream, UV_ETIMEDOUT, why);
        stream_close_socket(stream);
        break;
    case STREAM_HANDSHAKING:
        (void)ackd_fail(ACKD_E_TIMEOUT,
                        "%s did not finish the TLS handshake within %llu ms: is it a TLS port?",
                        stream->peer, (unsigned long long)stream->options.tls_timeout_ms);
        stream_fail(stream);
        break;
    case STREAM_OPEN:
    case STREAM_FAILED:
    default:
        ackd_assert(!"a deadline in a state that has none");
    }
}

static void stream_kicked(struct timer *timer)
{
    struct stream *stream = stream_of(LIST_ITEM(timer, stream, kick));
    if (stream->state != STREAM_FAILED) {
        stream_process(stream);
        return;
    }
    int code = error_give(stream->failure);
    stream->failure = NULL;
    stream->events.closed(stream->arg, code); /* S1 */
}

static void stream_set_options(struct stream *stream, const struct stream_options *options)
{
    stream->options = *options;
    snprintf(stream->host, sizeof stream->host, "%s", options->host);
    stream->options.host = stream->host;
    if (options->resolve_timeout_ms == 0)
        stream->options.resolve_timeout_ms = STREAM_TIMEOUT_MS;
    if (options->connect_timeout_ms == 0)
        stream->options.connect_timeout_ms = STREAM_TIMEOUT_MS;
    if (options->tls_timeout_ms == 0)
        stream->options.tls_timeout_ms = STREAM_TIMEOUT_MS;
}

int stream_open(struct loop *loop, const struct stream_options *options,
                const struct stream_events *events, void *arg, struct stream **ret_stream)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a connection to %s", options->host);
    stream->magic = STREAM_MAGIC;
    stream->loop = loop;
    stream->events = *events;
    stream->arg = arg;
    stream_set_options(stream, options);
    timer_init(&stream->deadline, stream_deadline_passed);
    timer_init(&stream->kick, stream_kicked);
    buffer_init(&stream->plain, 1); /* its limit comes with the owner's buffer */
    buffer_init(&stream->wire, STREAM_TLS_LIMIT);
    stream->state = STREAM_RESOLVING;
    if (resolve_start(loop, stream->host, stream->options.port, false, stream_resolved, stream,
                      &stream->resolve) == ACKD_OK)
        stream_arm(stream, stream->options.resolve_timeout_ms);
    else
        stream_fail(stream);
    *ret_stream = stream;
    return ACKD_OK;
}

void stream_close(struct stream **stream)
{
    struct stream *old = *stream;
    if (old == NULL)
        return;
    *stream = NULL;
    ackd_assert(old->magic == STREAM_MAGIC);
    ackd_assert(!old->released);
    old->released = true;
    timer_stop(&old->deadline);
    timer_stop(&old->kick);
    resolve_cancel(&old->resolve);
    if (old->state == STREAM_OPEN && old->session != NULL) {
        tls_session_shutdown(old->session);
        stream_send_last(old);
    }
    if (old->socket == STREAM_SOCKET_NONE)
        stream_free(old);
    else
        stream_close_socket(old);
}

bool stream_send(struct stream *stream, struct buffer *out)
{
    if (stream->state != STREAM_OPEN || stream->sent_due)
        return false;
    if (buffer_size(out) == 0)
        return true;
    ackd_assert(buffer_size(&stream->plain) == 0);
    stream->plain.limit = out->limit;
    buffer_swap(&stream->plain, out);
    stream_pump(stream);
    stream->sent_due = stream->state == STREAM_OPEN && stream_unsent(stream) > 0;
    return true;
}

size_t stream_unsent(const struct stream *stream)
{
    size_t size = buffer_size(&stream->plain) + buffer_size(&stream->wire);
    if (stream->writing > 0)
        size -= stream->writing - uv_stream_get_write_queue_size((const uv_stream_t *)&stream->tcp);
    return size;
}

void stream_pause(struct stream *stream)
{
    stream->paused = true;
    if (stream->state == STREAM_OPEN)
        uv_read_stop((uv_stream_t *)&stream->tcp);
}

void stream_resume(struct stream *stream)
{
    if (!stream->paused)
        return;
    stream->paused = false;
    if (stream->state != STREAM_OPEN)
        return;
    stream_start_reading(stream);
    if (stream->state == STREAM_OPEN && stream->session != NULL)
        stream_kick(stream);
}

const char *stream_peer(const struct stream *stream)
{
    return stream->peer;
}

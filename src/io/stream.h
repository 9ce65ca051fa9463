/* SPDX-License-Identifier: MIT */
/*
 * stream - a connection to a peer over TCP, with or without TLS, that never blocks.
 *
 * Resolves the name, connects to the addresses in turn, does the TLS handshake; each step has a
 * deadline. Then bytes arrive where the owner wants them, and the owner's buffer is sent, one write
 * at a time.
 *
 *   S1  closed() is called exactly once after stream_open returned ACKD_OK, unless stream_close
 *       came first; no callback is called after either. The reason is the current error during
 *       closed(). The stream is still the owner's to stream_close, in closed() or later.
 *   S2  No callback is called from inside stream_open, stream_send or stream_close.
 *   S3  received() is never called while reading is paused.
 *   S4  After warm-up neither reading nor writing allocates.
 */
#ifndef ACKD_IO_STREAM_H
#define ACKD_IO_STREAM_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "io/loop.h"

struct stream;
struct tls;

struct stream_options {
    const char *host; /* name or address; borrowed for the call */
    uint16_t port;
    struct tls *tls;             /* NULL: plain; must outlive the stream */
    uint64_t resolve_timeout_ms; /* 0: 5,000 each */
    uint64_t connect_timeout_ms; /* per address */
    uint64_t tls_timeout_ms;
};

struct stream_events {
    void (*opened)(void *arg); /* connected, handshake done */
    /*
     * Where to put the next bytes: room for at least one, used until the next callback. Asked again
     * where nothing came after all. An owner without memory calls stream_close.
     */
    void (*space)(void *arg, uint8_t **ret_at, size_t *ret_size);
    void (*received)(void *arg, size_t size); /* @size bytes are there */
    /* What stream_send left unsent is with the kernel: stream_send takes more. */
    void (*sent)(void *arg);
    void (*closed)(void *arg, int code); /* ended; ACKD_E_DISCONNECTED where the peer closed */
};

/* ACKD_E_NOMEM. Everything else comes by closed(): E_RESOLVE, E_OS, E_TIMEOUT, E_TLS, and, once it
 * was open, E_DISCONNECTED. */
ACKD_MUST_CHECK int stream_open(struct loop *loop, const struct stream_options *options,
                                const struct stream_events *events, void *arg,
                                struct stream **ret_stream);
/* Close at once, without callbacks; frees itself. @stream becomes NULL. */
void stream_close(struct stream **stream);

/*
 * Send all of @out, taking its memory in exchange for that of the last write: @out is empty
 * afterwards, with its limit. Returns false, and does nothing, before opened(), after a failure,
 * and while a write is under way. Where the kernel takes all at once the stream is ready for more
 * when this returns, and there is no sent(); where stream_unsent() is not 0 then, sent() comes
 * later.
 */
bool stream_send(struct stream *stream, struct buffer *out);
/* Bytes handed over and not yet taken by the kernel. */
size_t stream_unsent(const struct stream *stream);
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
/* "127.0.0.1:5672", for logs; "" before the connection. */
const char *stream_peer(const struct stream *stream);

/*
 * A client's TLS: verification of chain and name against @ca (PEM file; NULL: the system's),
 * TLS 1.2 at least.
 * @cert and @key: PEM files of a client certificate, or NULL. ACKD_E_TLS names the file and the
 * reason.
 */
struct tls_options {
    const char *ca;
    const char *cert;
    const char *key;
    bool verify;
};
ACKD_MUST_CHECK int tls_new(const struct tls_options *options, struct tls **ret_tls);
void tls_free(struct tls **tls);

#endif

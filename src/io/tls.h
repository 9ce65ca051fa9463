/* SPDX-License-Identifier: MIT */
/*
 * tls - one connection's TLS as a transformation of bytes: no socket, no callback. Private to io.
 *
 * What came from the peer is put into incoming, what must go to it is found in outgoing after each
 * call, also after one that failed (an alert). struct tls itself is in stream.h.
 */
#ifndef ACKD_IO_TLS_H
#define ACKD_IO_TLS_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "io/stream.h"

struct tls_session;

/* A client's session with @host, a name or an address. @tls must outlive it. ACKD_E_TLS, E_NOMEM.
 */
ACKD_MUST_CHECK int tls_session_new(struct tls *tls, const char *host,
                                    struct tls_session **ret_session);
void tls_session_free(struct tls_session **session);

struct buffer *tls_session_incoming(struct tls_session *session);
struct buffer *tls_session_outgoing(struct tls_session *session);

/* Go on with the handshake. ACKD_E_TLS says what the peer is or has that will not do. */
ACKD_MUST_CHECK int tls_session_handshake(struct tls_session *session, bool *ret_done);
/* Whether tls_session_read may find something. */
bool tls_session_readable(const struct tls_session *session);
/* Decrypt into @at; 0 bytes: more must come in. ACKD_E_DISCONNECTED after the peer's farewell. */
ACKD_MUST_CHECK int tls_session_read(struct tls_session *session, uint8_t *at, size_t size,
                                     size_t *ret_size);
/* Encrypt @size bytes, all of them. ACKD_E_TLS, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int tls_session_write(struct tls_session *session, const uint8_t *at, size_t size);
/* Put a farewell into outgoing. */
void tls_session_shutdown(struct tls_session *session);

#endif

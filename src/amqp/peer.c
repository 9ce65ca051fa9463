/* SPDX-License-Identifier: MIT */
/* peer - names for wrong peers. It must not know connections. */
#include <config.h>

#include "amqp/peer.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "amqp/frame.h"

enum {
    PEER_ENOUGH = 8,       /* bytes that tell every peer; an AMQP header has as many */
    PEER_ALERT_SIZE = 7,   /* of a TLS alert, which is all that such a peer sends */
    PEER_TLS_ALERT = 0x15, /* record types of TLS */
    PEER_TLS_HANDSHAKE = 0x16
};

/* A peer that does not take our header sends the one that it wants, and hangs up. */
static int peer_other_version(const uint8_t *bytes)
{
    if (memcmp(bytes + 4, "\0\0\x09\x01", 4) == 0)
        return ackd_fail(
            ACKD_E_PROTOCOL,
            "the peer wants AMQP 0.9.1, but did not take the header that asked for it");
    return ackd_fail(ACKD_E_PROTOCOL, "the peer wants AMQP %u.%u.%u (id %u), ackd speaks 0.9.1",
                     bytes[5], bytes[6], bytes[7], bytes[4]);
}

static int peer_unknown(const uint8_t *bytes)
{
    char shown[PEER_ENOUGH * 4 + 1];
    size_t length = 0;
    for (size_t i = 0; i < PEER_ENOUGH; i++) {
        bool plain = bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\';
        length += (size_t)snprintf(shown + length, sizeof shown - length, plain ? "%c" : "\\x%02x",
                                   bytes[i]);
    }
    return ackd_fail(ACKD_E_PROTOCOL, "the peer does not speak AMQP: it began with \"%s\"", shown);
}

int peer_check(const uint8_t *bytes, size_t size, bool *ret_known)
{
    *ret_known = true;
    if (size > 0 && bytes[0] == FRAME_METHOD)
        return ACKD_OK;
    if (size >= PEER_ALERT_SIZE && bytes[1] == 3 &&
        (bytes[0] == PEER_TLS_ALERT || bytes[0] == PEER_TLS_HANDSHAKE))
        return ackd_fail(ACKD_E_PROTOCOL, "the peer expects TLS: use amqps://");
    if (size < PEER_ENOUGH) {
        *ret_known = false;
        return ACKD_OK;
    }
    if (memcmp(bytes, "HTTP", 4) == 0)
        return ackd_fail(ACKD_E_PROTOCOL,
                         "the peer speaks HTTP, not AMQP: is this the management port?");
    if (memcmp(bytes, "AMQP", 4) == 0)
        return peer_other_version(bytes);
    return peer_unknown(bytes);
}

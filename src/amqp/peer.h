/* SPDX-License-Identifier: MIT */
/* peer - who answers where a broker was expected, by his first bytes. */
#ifndef ACKD_AMQP_PEER_H
#define ACKD_AMQP_PEER_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Look at the first @size bytes of a connection. *ret_known: they are enough to tell.
 * ACKD_E_PROTOCOL with a text that names the peer if it is none that speaks AMQP 0-9-1.
 */
ACKD_MUST_CHECK int peer_check(const uint8_t *bytes, size_t size, bool *ret_known);

#endif

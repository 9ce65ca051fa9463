/* SPDX-License-Identifier: MIT */
/*
 * key - a number of 64 bits for what messages are ordered by.
 *
 * SipHash-1-3 (Aumasson and Bernstein), with a seed that a publisher does not know: else he could
 * choose keys that share a number, and have the messages of others wait for his own. Two keys that
 * do share one by chance are one key to whoever compares numbers: that costs time, and no order.
 */
#ifndef ACKD_LEDGER_KEY_H
#define ACKD_LEDGER_KEY_H

#include <stddef.h>
#include <stdint.h>

struct key_seed {
    uint64_t low, high;
};

/* The number of the @size bytes at @bytes. */
uint64_t key_hash(const struct key_seed *seed, const void *bytes, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * identity - 128 bits that stand for all that can be seen of a message: SipHash-2-4 with a key.
 *
 * The key is random and of one process, so that nobody who publishes can make two messages of one
 * identity. Pure: it must not know what a message is made of.
 */
#ifndef ACKD_LEDGER_IDENTITY_H
#define ACKD_LEDGER_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity {
    uint64_t low, high;
};

struct identity_key {
    uint64_t low, high;
};

/* An identity on its way. */
struct identity_sum {
    uint64_t state[4];
    uint64_t size; /* bytes so far */
    uint64_t tail; /* the last of them, less than 8 */
};

void identity_begin(struct identity_sum *sum, const struct identity_key *key);
/* @size bytes at @bytes, in front of which their number counts too: "ab", "c" is not "a", "bc". */
void identity_add(struct identity_sum *sum, const void *bytes, size_t size);
/* A terminated string; NULL is not "". */
void identity_add_text(struct identity_sum *sum, const char *text);
void identity_add_number(struct identity_sum *sum, uint64_t number);
struct identity identity_end(struct identity_sum *sum);

static inline bool identity_equal(struct identity one, struct identity other)
{
    return one.low == other.low && one.high == other.high;
}

#endif

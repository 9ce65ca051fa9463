/* SPDX-License-Identifier: MIT */
/* identity - see the header. SipHash is by Jean-Philippe Aumasson and Daniel J. Bernstein. */
#include <config.h>

#include "ledger/identity.h"

#include <string.h>

enum { IDENTITY_ROUNDS = 2, IDENTITY_LAST_ROUNDS = 4 };

static uint64_t identity_turn(uint64_t number, int bits)
{
    return number << bits | number >> (64 - bits);
}

static void identity_round(uint64_t *v)
{
    v[0] += v[1];
    v[1] = identity_turn(v[1], 13) ^ v[0];
    v[0] = identity_turn(v[0], 32);
    v[2] += v[3];
    v[3] = identity_turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = identity_turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = identity_turn(v[1], 17) ^ v[2];
    v[2] = identity_turn(v[2], 32);
}

static void identity_word(struct identity_sum *sum, uint64_t word)
{
    sum->state[3] ^= word;
    for (int i = 0; i < IDENTITY_ROUNDS; i++)
        identity_round(sum->state);
    sum->state[0] ^= word;
}

static uint64_t identity_last(struct identity_sum *sum)
{
    for (int i = 0; i < IDENTITY_LAST_ROUNDS; i++)
        identity_round(sum->state);
    return sum->state[0] ^ sum->state[1] ^ sum->state[2] ^ sum->state[3];
}

static uint64_t identity_load(const uint8_t *at, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

void identity_begin(struct identity_sum *sum, const struct identity_key *key)
{
    *sum = (struct identity_sum){.state = {key->low ^ UINT64_C(0x736f6d6570736575),
                                           key->high ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                                           key->low ^ UINT64_C(0x6c7967656e657261),
                                           key->high ^ UINT64_C(0x7465646279746573)}};
}

static void identity_bytes(struct identity_sum *sum, const uint8_t *at, size_t size)
{
    size_t held = (size_t)(sum->size % 8);
    sum->size += size;
    if (held > 0) {
        size_t taken = size < 8 - held ? size : 8 - held;
        sum->tail |= identity_load(at, taken) << 8 * held;
        at += taken;
        size -= taken;
        if (held + taken < 8)
            return;
        identity_word(sum, sum->tail);
        sum->tail = 0;
    }
    for (; size >= 8; at += 8, size -= 8)
        identity_word(sum, identity_load(at, 8));
    sum->tail = identity_load(at, size);
}

void identity_add_number(struct identity_sum *sum, uint64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    identity_bytes(sum, bytes, sizeof bytes);
}

void identity_add(struct identity_sum *sum, const void *bytes, size_t size)
{
    identity_add_number(sum, size);
    if (size > 0)
        identity_bytes(sum, bytes, size);
}

void identity_add_text(struct identity_sum *sum, const char *text)
{
    if (text == NULL)
        identity_add_number(sum, UINT64_MAX);
    else
        identity_add(sum, text, strlen(text));
}

struct identity identity_end(struct identity_sum *sum)
{
    struct identity identity;
    identity_word(sum, sum->tail | (sum->size & 0xff) << 56);
    sum->state[2] ^= 0xee;
    identity.low = identity_last(sum);
    sum->state[1] ^= 0xdd;
    identity.high = identity_last(sum);
    return identity;
}

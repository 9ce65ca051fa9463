/* SPDX-License-Identifier: MIT */
/* key - SipHash-1-3: one round for each eight bytes, three at the end. */
#include <config.h>

#include "ledger/key.h"

#include <string.h>

struct key_state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t key_turn(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void key_round(struct key_state *state)
{
    state->v0 += state->v1;
    state->v1 = key_turn(state->v1, 13) ^ state->v0;
    state->v0 = key_turn(state->v0, 32);
    state->v2 += state->v3;
    state->v3 = key_turn(state->v3, 16) ^ state->v2;
    state->v0 += state->v3;
    state->v3 = key_turn(state->v3, 21) ^ state->v0;
    state->v2 += state->v1;
    state->v1 = key_turn(state->v1, 17) ^ state->v2;
    state->v2 = key_turn(state->v2, 32);
}

static void key_take(struct key_state *state, uint64_t word)
{
    state->v3 ^= word;
    key_round(state);
    state->v0 ^= word;
}

/* @size bytes, 8 at most, the first one lowest. */
static uint64_t key_word(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t key_hash(const struct key_seed *seed, const void *bytes, size_t size)
{
    struct key_state state = {.v0 = seed->low ^ UINT64_C(0x736f6d6570736575),
                              .v1 = seed->high ^ UINT64_C(0x646f72616e646f6d),
                              .v2 = seed->low ^ UINT64_C(0x6c7967656e657261),
                              .v3 = seed->high ^ UINT64_C(0x7465646279746573)};
    const unsigned char *at = bytes;
    size_t left = size;
    for (; left >= 8; at += 8, left -= 8)
        key_take(&state, key_word(at, 8));
    key_take(&state, (uint64_t)size << 56 | key_word(at, left));
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        key_round(&state);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

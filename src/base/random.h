/* SPDX-License-Identifier: MIT */
/*
 * random - numbers that look random and can be had again from their seed.
 *
 * For jitter, shuffles and simulations; never for secrets. The seed comes in as a parameter: io
 * reads it from the kernel, a simulation prints it. The generator is SplitMix64 (public domain,
 * Sebastiano Vigna).
 */
#ifndef ACKD_BASE_RANDOM_H
#define ACKD_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline void random_init(struct random *random, uint64_t seed)
{
    random->state = seed;
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below @bound, which is not 0. The bias is below bound / 2^64. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

#endif

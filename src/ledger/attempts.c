/* SPDX-License-Identifier: MIT */
/* attempts - a table with one place for each hash, and a doubling pause. */
#include <config.h>

#include "ledger/attempts.h"

#include <stddef.h>
#include <string.h>

void attempts_init(struct attempts *attempts)
{
    memset(attempts, 0, sizeof *attempts);
}

/* The upper bits of a product depend on all bits of a fingerprint, however poor it is. */
static size_t attempts_index(uint64_t fingerprint)
{
    uint64_t mixed = (fingerprint ^ (fingerprint >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> (64 - ATTEMPTS_BITS));
}

static struct attempts_place *attempts_place(struct attempts *attempts, uint64_t fingerprint)
{
    return &attempts->places[attempts_index(fingerprint)];
}

uint32_t attempts_count(const struct attempts *attempts, uint64_t fingerprint)
{
    const struct attempts_place *place = &attempts->places[attempts_index(fingerprint)];
    return place->fingerprint == fingerprint ? place->count : 0;
}

uint32_t attempts_failed(struct attempts *attempts, uint64_t fingerprint)
{
    struct attempts_place *place = attempts_place(attempts, fingerprint);
    if (place->fingerprint != fingerprint)
        *place = (struct attempts_place){.fingerprint = fingerprint};
    if (place->count < UINT32_MAX)
        place->count++;
    return place->count;
}

void attempts_done(struct attempts *attempts, uint64_t fingerprint)
{
    struct attempts_place *place = attempts_place(attempts, fingerprint);
    if (place->fingerprint == fingerprint)
        place->count = 0;
}

uint64_t attempts_pause_ms(uint32_t count)
{
    if (count == 0)
        return 0;
    uint64_t pause = ATTEMPTS_PAUSE_MS;
    while (--count > 0 && pause < ATTEMPTS_PAUSE_MS_MAX)
        pause *= 2;
    return pause < ATTEMPTS_PAUSE_MS_MAX ? pause : ATTEMPTS_PAUSE_MS_MAX;
}

/* SPDX-License-Identifier: MIT */
/* ratelimit - a small table of events by hash. It must not know what a line says. */
#include <config.h>

#include "io/ratelimit.h"

#include <stdio.h>

#include "base/timer.h"

enum { RATELIMIT_PROBES = 8 };

/* FNV-1a; never 0, which marks a free place. */
static uint64_t ratelimit_hash(const char *event)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *event != '\0'; event++)
        hash = (hash ^ (unsigned char)*event) * UINT64_C(0x100000001b3);
    return hash == 0 ? 1 : hash;
}

static bool ratelimit_over(const struct ratelimit_place *place, uint64_t now_ns)
{
    return now_ns - place->start_ns >= NS_PER_S;
}

/* The event's own place; else one that nobody needs any more; else the first choice, shared (L3).
 */
static struct ratelimit_place *ratelimit_find(struct ratelimit *limit, uint64_t hash,
                                              uint64_t now_ns)
{
    struct ratelimit_place *unused = NULL;
    for (uint64_t i = 0; i < RATELIMIT_PROBES; i++) {
        struct ratelimit_place *place = &limit->places[(hash + i) % RATELIMIT_PLACES];
        if (place->hash == hash)
            return place;
        if (unused == NULL &&
            (place->hash == 0 || (place->left_out == 0 && ratelimit_over(place, now_ns))))
            unused = place;
    }
    return unused != NULL ? unused : &limit->places[hash % RATELIMIT_PLACES];
}

bool ratelimit_admit(struct ratelimit *limit, const char *event, uint64_t now_ns)
{
    uint64_t hash = ratelimit_hash(event);
    struct ratelimit_place *place = ratelimit_find(limit, hash, now_ns);
    if (place->hash == 0 || ratelimit_over(place, now_ns)) {
        place->start_ns = now_ns;
        place->admitted = 0;
    }
    if (place->left_out == 0 && place->hash != hash) {
        place->hash = hash;
        snprintf(place->event, sizeof place->event, "%s", event);
    }
    if (place->admitted < RATELIMIT_LINES) {
        place->admitted++;
        return true;
    }
    place->left_out++;
    limit->left_out++;
    return false;
}

bool ratelimit_report(struct ratelimit *limit, uint64_t now_ns, char *event, size_t size,
                      uint64_t *ret_count)
{
    if (limit->left_out == 0)
        return false;
    for (size_t i = 0; i < RATELIMIT_PLACES; i++) {
        struct ratelimit_place *place = &limit->places[i];
        if (place->left_out == 0 || !ratelimit_over(place, now_ns))
            continue;
        snprintf(event, size, "%s", place->event);
        *ret_count = place->left_out;
        limit->left_out -= place->left_out;
        place->left_out = 0;
        return true;
    }
    return false;
}

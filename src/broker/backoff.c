/* SPDX-License-Identifier: MIT */
/* backoff - see the header. It must not know what is tried. */
#include <config.h>

#include "broker/backoff.h"

#include "base/assert.h"

void backoff_init(struct backoff *backoff, uint64_t first_ms, uint64_t max_ms)
{
    ackd_assert(first_ms > 0);
    ackd_assert(max_ms >= first_ms);
    *backoff = (struct backoff){.first_ms = first_ms, .max_ms = max_ms, .bound_ms = first_ms};
}

uint64_t backoff_next_ms(struct backoff *backoff, struct random *random)
{
    uint64_t least = backoff->bound_ms / 10;
    uint64_t wait = least + random_below(random, backoff->bound_ms - least + 1);
    backoff->bound_ms =
        backoff->bound_ms > backoff->max_ms / 2 ? backoff->max_ms : backoff->bound_ms * 2;
    return wait;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->bound_ms = backoff->first_ms;
}

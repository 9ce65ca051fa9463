/* SPDX-License-Identifier: MIT */
/*
 * backoff - how long to wait before the next try: full jitter under a bound that doubles.
 *
 * Full jitter, so that many hosts that lost one broker do not come back in the same moment.
 */
#ifndef ACKD_BROKER_BACKOFF_H
#define ACKD_BROKER_BACKOFF_H

#include <stdint.h>

#include "base/random.h"

struct backoff {
    uint64_t first_ms;
    uint64_t max_ms;
    uint64_t bound_ms; /* of the next wait */
};

void backoff_init(struct backoff *backoff, uint64_t first_ms, uint64_t max_ms);
/* The wait before the next try: between a tenth of the bound and the bound. */
uint64_t backoff_next_ms(struct backoff *backoff, struct random *random);
/* It worked: start again with the first bound. */
void backoff_reset(struct backoff *backoff);

#endif

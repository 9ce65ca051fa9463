/* SPDX-License-Identifier: MIT */
/* rate - see the header. The time of the next event is kept with its fraction: nothing drifts. */
#include <config.h>

#include "ledger/rate.h"

#include "base/assert.h"

enum { RATE_NS_PER_MS = 1000000 };

void rate_init(struct rate *rate, uint64_t count, uint64_t per_ms)
{
    *rate = (struct rate){.count = count, .per_ns = per_ms * RATE_NS_PER_MS};
    if (count == 0)
        return;
    ackd_assert(per_ms > 0);
    uint64_t burst = (uint64_t)RATE_BURST_MS * count / per_ms; /* events */
    if (burst > 1)
        rate->early_ns = (burst - 1) * (rate->per_ns / count);
}

void rate_change(struct rate *rate, uint64_t count, uint64_t per_ms, uint64_t now_ns)
{
    uint64_t next_ns = rate->count == 0 ? 0 : rate->next_ns;
    rate_init(rate, count, per_ms);
    if (count == 0)
        return;
    uint64_t most_ns = now_ns + rate->per_ns / count;
    rate->next_ns = next_ns < most_ns ? next_ns : most_ns;
}

bool rate_allows(const struct rate *rate, uint64_t now_ns)
{
    return rate->count == 0 || rate->next_ns <= now_ns + rate->early_ns;
}

void rate_spend(struct rate *rate, uint64_t now_ns)
{
    if (rate->count == 0)
        return;
    ackd_assert(rate_allows(rate, now_ns)); /* R1 */
    if (rate->next_ns < now_ns) {
        rate->next_ns = now_ns; /* nothing is saved up */
        rate->remainder = 0;
    }
    rate->next_ns += rate->per_ns / rate->count;
    rate->remainder += rate->per_ns % rate->count;
    if (rate->remainder >= rate->count) { /* R2 */
        rate->remainder -= rate->count;
        rate->next_ns++;
    }
}

uint64_t rate_due_ns(const struct rate *rate)
{
    if (rate->count == 0 || rate->next_ns < rate->early_ns)
        return 0;
    return rate->next_ns - rate->early_ns;
}

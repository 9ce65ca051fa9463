/* SPDX-License-Identifier: MIT */
/* retry - see the header. */
#include <config.h>

#include "ledger/retry.h"

#include "base/assert.h"

uint64_t retry_delay_ms(const struct retry_policy *policy, uint32_t failures)
{
    ackd_assert(failures > 0);
    uint64_t delay_ms = policy->first_ms;
    while (--failures > 0 && delay_ms < policy->max_ms && policy->factor > 1)
        delay_ms =
            delay_ms > policy->max_ms / policy->factor ? policy->max_ms : delay_ms * policy->factor;
    return delay_ms < policy->max_ms ? delay_ms : policy->max_ms;
}

struct retry_plan retry_wait(const struct ladder *ladder, uint64_t ms)
{
    size_t step = ladder_step(ladder, ms);
    uint64_t left_ms = ms > ladder->ms[step] ? ms - ladder->ms[step] : 0;
    return (struct retry_plan){.again = true, .step = step, .left_ms = left_ms};
}

struct retry_plan retry_next(const struct retry_policy *policy, const struct ladder *ladder,
                             uint32_t failures, uint64_t wished_ms, uint64_t chance)
{
    if (failures >= policy->attempts)
        return (struct retry_plan){.again = false};
    if (wished_ms > 0)
        return retry_wait(ladder, wished_ms);
    struct retry_plan plan = retry_wait(ladder, retry_delay_ms(policy, failures));
    if (chance % 2 == 1 && plan.step + 1 < ladder->count) /* Y3 */
        plan.step++;
    return plan;
}

uint64_t retry_pause_ms(uint32_t count)
{
    if (count == 0)
        return 0;
    uint64_t pause_ms = RETRY_PAUSE_MS;
    while (--count > 0 && pause_ms < RETRY_PAUSE_MS_MAX)
        pause_ms *= 2;
    return pause_ms < RETRY_PAUSE_MS_MAX ? pause_ms : RETRY_PAUSE_MS_MAX;
}

/* SPDX-License-Identifier: MIT */
/* ladder - see the header. */
#include <config.h>

#include "ledger/ladder.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"

enum { LADDER_SECOND = 1000, LADDER_MINUTE = 60 * 1000, LADDER_HOUR = 60 * 60 * 1000 };

/* Each about twice the one before, in numbers that people use. */
static const uint32_t ladder_series[] = {
    10,
    20,
    50,
    100,
    200,
    500,
    1 * LADDER_SECOND,
    2 * LADDER_SECOND,
    3 * LADDER_SECOND,
    5 * LADDER_SECOND,
    10 * LADDER_SECOND,
    20 * LADDER_SECOND,
    30 * LADDER_SECOND,
    1 * LADDER_MINUTE,
    2 * LADDER_MINUTE,
    3 * LADDER_MINUTE,
    5 * LADDER_MINUTE,
    10 * LADDER_MINUTE,
    20 * LADDER_MINUTE,
    30 * LADDER_MINUTE,
    1 * LADDER_HOUR,
    2 * LADDER_HOUR,
    3 * LADDER_HOUR,
    6 * LADDER_HOUR,
    12 * LADDER_HOUR,
    24 * LADDER_HOUR,
};
enum { LADDER_SERIES = sizeof ladder_series / sizeof ladder_series[0] };

/* Of the @between steps of the series from @from on as many as there is room for, spread evenly. */
static void ladder_fill(struct ladder *ladder, size_t from, size_t between)
{
    size_t room = LADDER_STEPS_MAX - 2;
    size_t taken = between < room ? between : room;
    for (size_t i = 0; i < taken; i++)
        ladder->ms[ladder->count++] = ladder_series[from + (2 * i + 1) * between / (2 * taken)];
}

void ladder_init(struct ladder *ladder, uint64_t first_ms, uint64_t max_ms)
{
    ackd_assert(first_ms > 0);
    ackd_assert(first_ms <= max_ms);
    *ladder = (struct ladder){.ms = {first_ms}, .count = 1};
    size_t from = 0, between = 0;
    while (from < LADDER_SERIES && ladder_series[from] <= first_ms)
        from++;
    while (from + between < LADDER_SERIES && ladder_series[from + between] < max_ms)
        between++;
    ladder_fill(ladder, from, between);
    if (max_ms > first_ms)
        ladder->ms[ladder->count++] = max_ms;
}

size_t ladder_step(const struct ladder *ladder, uint64_t ms)
{
    size_t step = 0;
    while (step + 1 < ladder->count && ladder->ms[step] < ms)
        step++;
    return step;
}

size_t ladder_name(const char *queue, uint64_t ms, char *name, size_t size)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } units[] = {{LADDER_HOUR, "h"}, {LADDER_MINUTE, "m"}, {LADDER_SECOND, "s"}, {1, "ms"}};
    size_t unit = 0;
    while (ms % units[unit].ms != 0)
        unit++;
    return (size_t)snprintf(name, size, "%s.retry.%" PRIu64 "%s", queue, ms / units[unit].ms,
                            units[unit].text);
}

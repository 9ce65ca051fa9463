/* SPDX-License-Identifier: MIT */
/*
 * sequential_awaits - three awaits in a row where the three calls do not need one another: the time is
 * their sum.
 *
 * Here, too, a row is a row: nobody guesses. Children of a scope run side by side, and the time is
 * that of the longest.
 *
 * says: one after the other: 300 ms or more
 * says: side by side: under 130 ms
 * says: instead: OK
 */
#include "example.h"

static int call(void *arg)
{
    (void)arg;
    return ackd_delay(100);
}

static int mistake(void *arg)
{
    uint64_t start_ms = example_ms();
    for (int i = 0; i < 3; i++)
        ACKD_TRY(call(arg));
    printf("one after the other: %s\n", example_ms() - start_ms >= 300 ? "300 ms or more" : "less");
    return ACKD_OK;
}

static int instead(void *arg)
{
    uint64_t best_ms = UINT64_MAX;
    /* Some tries: a machine that is busy elsewhere is not what this is about. */
    for (int i = 0; i < 10 && best_ms >= 130; i++) {
        uint64_t start_ms = example_ms();
        ACKD_SCOPE(calls);
        for (int j = 0; j < 3; j++)
            ACKD_TRY(ackd_spawn(&calls, call, arg));
        ACKD_TRY(ackd_scope_join(&calls));
        uint64_t ms = example_ms() - start_ms;
        best_ms = ms < best_ms ? ms : best_ms;
    }
    printf("side by side: %s\n", best_ms < 130 ? "under 130 ms" : "more");
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}

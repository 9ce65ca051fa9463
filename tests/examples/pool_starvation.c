/* SPDX-License-Identifier: MIT */
/*
 * pool_starvation - threads of the pool are blocked by waits, continuations find none, and a system
 * without load answers nobody.
 *
 * Here waiting needs no thread: 5,000 tasks wait at once on one. And computations have a pool of their
 * own: when it is full of them, timers and files do not notice.
 *
 * says: 5000 waits of 50 ms side by side: under 2 s
 * says: the mistake: OK
 * says: a timer beside a full pool was late by: little
 * says: instead: OK
 */
#include "example.h"

enum { WAITS = 5000, JOBS = 8 };

static int wait_a_while(void *arg)
{
    (void)arg;
    return ackd_delay(50);
}

static int mistake(void *arg)
{
    (void)arg;
    uint64_t start_ms = example_ms();
    ACKD_SCOPE(waits);
    for (int i = 0; i < WAITS; i++)
        ACKD_TRY(ackd_spawn(&waits, wait_a_while, NULL));
    ACKD_TRY(ackd_scope_join(&waits));
    printf("%d waits of 50 ms side by side: %s\n", WAITS,
           example_ms() - start_ms < 2000 ? "under 2 s" : "more");
    return ACKD_OK;
}

static int compute(void *arg, struct ackd_token token)
{
    (void)arg;
    uint64_t until_ms = example_ms() + 50;
    while (example_ms() < until_ms && !ackd_token_canceled(token))
        continue;
    return ACKD_OK;
}

static int offload(void *arg)
{
    return ackd_offload(compute, arg);
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_SCOPE(jobs);
    for (int i = 0; i < JOBS; i++)
        ACKD_TRY(ackd_spawn(&jobs, offload, NULL));
    ACKD_TRY(ackd_yield()); /* they are queued */
    uint64_t start_ms = example_ms();
    ACKD_TRY(ackd_delay(20));
    printf("a timer beside a full pool was late by: %s\n",
           example_ms() - start_ms < 120 ? "little" : "much");
    return ackd_scope_join(&jobs);
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}

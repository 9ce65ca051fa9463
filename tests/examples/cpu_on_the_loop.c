/* SPDX-License-Identifier: MIT */
/*
 * cpu_on_the_loop - a computation in a method that is async: everything else on the thread waits.
 *
 * Here the watchdog names the task and the function, and says that it burns the processor. On the CPU
 * pool the same computation disturbs nobody.
 *
 * says: task #[0-9]+ 'mistake'
 * says: CPU
 * says: the mistake: OK
 * says: beats of the other task meanwhile: many
 * says: instead: OK
 */
#include "example.h"

static int beats;

static uint64_t used_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* 200 ms of the processor, however busy the machine is. */
static void compute(void)
{
    uint64_t until_ms = used_ms() + 200;
    while (used_ms() < until_ms)
        continue;
}

static int mistake(void *arg)
{
    (void)arg;
    compute();
    return ACKD_OK;
}

static int beat(void *arg)
{
    (void)arg;
    for (;; beats++)
        ACKD_TRY(ackd_delay(5));
}

static int compute_elsewhere(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    compute();
    return ACKD_OK;
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_SCOPE(beside);
    ACKD_TRY(ackd_spawn(&beside, beat, NULL));
    ACKD_TRY(ackd_offload(compute_elsewhere, NULL));
    printf("beats of the other task meanwhile: %s\n", beats > 5 ? "many" : "none");
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}

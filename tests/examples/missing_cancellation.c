/* SPDX-License-Identifier: MIT */
/*
 * missing_cancellation - a method that takes no CancellationToken, three calls down: who is cancelled
 * above it goes on working for nobody.
 *
 * Here there is no token to forget: cancelling a scope reaches every await below it, through code that
 * has never heard of cancellation. The mistake cannot be made, so both halves do well; the second
 * shows the one thing left to do, for a long computation between awaits: a checkpoint.
 *
 * says: the report was cancelled within 100 ms
 * says: the mistake: OK
 * says: the computation was cancelled
 * says: instead: OK
 */
#include "example.h"

static int query_page(void)
{
    return ackd_delay(10000);
}

static int query_all(void)
{
    for (int page = 0; page < 10; page++)
        ACKD_TRY(query_page());
    return ACKD_OK;
}

static int report(void *arg)
{
    (void)arg;
    return query_all();
}

static int mistake(void *arg)
{
    (void)arg;
    uint64_t start_ms = example_ms();
    ACKD_SCOPE(request);
    ACKD_TRY(ackd_spawn(&request, report, NULL));
    ACKD_TRY(ackd_delay(10)); /* the client goes away */
    ackd_scope_cancel(&request, ACKD_CANCEL_REQUESTED);
    EXPECT(ackd_scope_join(&request) == ACKD_CANCELED);
    printf("the report was cancelled within %s\n",
           example_ms() - start_ms < 1000 ? "100 ms" : "10 s");
    return ACKD_OK;
}

static int compute(void *arg)
{
    (void)arg;
    for (;;)
        ACKD_TRY(ackd_checkpoint());
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_SCOPE(request);
    ACKD_TRY(ackd_spawn(&request, compute, NULL));
    ACKD_TRY(ackd_delay(10));
    ackd_scope_cancel(&request, ACKD_CANCEL_REQUESTED);
    EXPECT(ackd_scope_join(&request) == ACKD_CANCELED);
    printf("the computation was cancelled\n");
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}

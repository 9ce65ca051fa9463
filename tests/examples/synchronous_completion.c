/* SPDX-License-Identifier: MIT */
/*
 * synchronous_completion - a Task for a result that is there already: an allocation for each call, and
 * the choice of ValueTask, with rules of its own, to avoid it.
 *
 * Here what need not wait just returns: no allocation and no switch, in the same code that waits when
 * it must. The mistake is to make a task where a call would do; it works, and costs a task.
 *
 * says: the mistake: OK
 * says: allocations in 100000 cached reads: 0
 * says: instead: OK
 */
#include "example.h"

#include <malloc.h>
#include <stdbool.h>

static int cache, cached;

static int read_value(int *ret_value)
{
    if (!cached) {
        ACKD_TRY(ackd_delay(5)); /* the slow way, once */
        cache = 7;
        cached = true;
    }
    ACKD_TRY(ackd_checkpoint()); /* an await that completes at once */
    *ret_value = cache;
    return ACKD_OK;
}

static int read_in_a_task(void *arg)
{
    return read_value(arg);
}

static int mistake(void *arg)
{
    int value;
    (void)arg;
    ACKD_SCOPE(reads);
    for (int i = 0; i < 1000; i++)
        ACKD_TRY(ackd_spawn(&reads, read_in_a_task, &value));
    return ackd_scope_join(&reads);
}

static int instead(void *arg)
{
    int value = 0;
    (void)arg;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 100000; i++)
        ACKD_TRY(read_value(&value));
    EXPECT(value == 7);
    printf("allocations in 100000 cached reads: %zu\n", mallinfo2().uordblks - before);
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}

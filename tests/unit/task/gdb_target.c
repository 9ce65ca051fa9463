/* SPDX-License-Identifier: MIT */
/* What gdb_backtrace.sh looks at: a task, some calls deep, that stops itself. */
#include <config.h>

#include <ackd/ackd.h>
#include <signal.h>
#include <stdlib.h>

#include "task/scheduler.h"

static uint64_t now(void *arg)
{
    (void)arg;
    return 1;
}

__attribute__((noinline)) static int inner_handler(volatile int *order)
{
    raise(SIGTRAP);
    return *order;
}

__attribute__((noinline)) static int outer_handler(void *arg)
{
    volatile int order = arg == NULL ? 0 : 1;
    ACKD_TRY(ackd_yield());
    int code = inner_handler(&order);
    return code + order;
}

int main(void)
{
    const struct scheduler_options options = {.name = "gdb", .now_ns = now};
    const struct scheduler_root root = {.fn = outer_handler, .name = "orders"};
    struct scheduler *scheduler;
    if (scheduler_new(&options, &scheduler) != ACKD_OK ||
        scheduler_spawn(scheduler, &root, NULL) != ACKD_OK)
        return EXIT_FAILURE;
    while (scheduler_turn(scheduler) == 0)
        ;
    scheduler_free(&scheduler);
    return EXIT_SUCCESS;
}

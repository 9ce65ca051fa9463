/* SPDX-License-Identifier: MIT */
/* What gdb_backtrace.sh looks at: a task, some calls deep, that stops itself while another waits. */
#include <config.h>

#include <ackd/ackd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "task/scheduler.h"

static uint64_t now_ns = 1;

static uint64_t now(void *arg)
{
    (void)arg;
    return now_ns;
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

/* Parked while the other stops. */
__attribute__((noinline)) static int parked_inner(volatile int *order)
{
    ACKD_TRY(ackd_delay(1));
    return *order;
}

__attribute__((noinline)) static int parked_handler(void *arg)
{
    volatile int order = arg == NULL ? 0 : 1;
    int code = parked_inner(&order);
    return code + order;
}

int main(int argc, char **argv)
{
    const struct scheduler_options options = {.name = "gdb",
                                              .now_ns = now,
                                              .guard = argc > 1 && strcmp(argv[1], "mprotect") == 0
                                                           ? STACK_GUARD_MPROTECT
                                                           : STACK_GUARD_AUTO};
    const struct scheduler_root root = {.fn = outer_handler, .name = "orders"};
    const struct scheduler_root parked = {.fn = parked_handler, .name = "stock"};
    struct scheduler *scheduler;
    if (scheduler_new(&options, &scheduler) != ACKD_OK ||
        scheduler_spawn(scheduler, &parked, NULL) != ACKD_OK ||
        scheduler_spawn(scheduler, &root, NULL) != ACKD_OK)
        return EXIT_FAILURE;
    for (uint64_t due_ns; (due_ns = scheduler_turn(scheduler)) != TIMER_NEVER;)
        now_ns = due_ns > now_ns ? due_ns : now_ns;
    scheduler_free(&scheduler);
    return EXIT_SUCCESS;
}

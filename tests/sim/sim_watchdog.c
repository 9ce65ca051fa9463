/* SPDX-License-Identifier: MIT */
/* sim_watchdog - io/watchdog.h and io/blocking.h: in a simulation no time passes within a turn, so
 * that there is nothing to watch. */
#include <config.h>

#include "io/watchdog.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "io/blocking.h"
#include "sim.h"

struct watchdog {
    unsigned watched;
};

int watchdog_signal(int choice)
{
    return choice;
}

int watchdog_new(const struct watchdog_options *options, struct watchdog **ret_watchdog)
{
    (void)options;
    bool aside = sim_memory_aside(true);
    *ret_watchdog = calloc(1, sizeof **ret_watchdog);
    sim_that(*ret_watchdog != NULL);
    (void)sim_memory_aside(aside);
    return ACKD_OK;
}

void watchdog_free(struct watchdog **watchdog)
{
    if (*watchdog != NULL)
        sim_equal((*watchdog)->watched, 0);
    free(*watchdog);
    *watchdog = NULL;
}

int watchdog_add(struct watchdog *watchdog, struct loop *loop, struct scheduler *scheduler)
{
    (void)loop;
    (void)scheduler;
    watchdog->watched++;
    return ACKD_OK;
}

void watchdog_remove(struct watchdog *watchdog, struct loop *loop)
{
    (void)loop;
    if (watchdog->watched > 0) /* else it was never added */
        watchdog->watched--;
}

void blocking_set_policy(enum ackd_blocking_policy policy)
{
    (void)policy;
}

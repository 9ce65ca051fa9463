/* SPDX-License-Identifier: MIT */
/* A handler that never comes back, in a process that ends of it (rule B10). */
#include <config.h>

#include "watched.h"

static volatile unsigned long sum;

static __attribute__((noinline)) int hopeless_handler(void *arg)
{
    while (arg == NULL)
        sum++;
    return 0;
}

int main(void)
{
    watched_open((struct watchdog_options){.warn_ms = 50, .abort_ms = 150});
    watched_spawn("hopeless", hopeless_handler, NULL);
    watched_start();
    watched_close();
    return 0;
}

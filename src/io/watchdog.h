/* SPDX-License-Identifier: MIT */
/*
 * watchdog - the thread that says which task holds a loop, and in what.
 *
 * Every 10 ms it looks at what the loops publish (task/progress.h). One that stands still is
 * reported after warn_ms, after twice that, four times that, and so on; after error_ms as an error;
 * after abort_ms the process ends with a core, of the thread that stood. A report names the task,
 * its message, what it computes or which system call it waits in, and where that is in the source.
 *
 *   G1  A loop that waits for events does not stand still, however long.
 *   G2  Time in which the process was stopped, or had no processor, is not counted: the machine is
 *       named then, and no task.
 *   G3  A second after the last dispatch of any loop it sleeps, and makes no wake-up until a loop
 *       wakes.
 *   G4  All that is slow, symbols and lines of the source, is done on a thread for that.
 */
#ifndef ACKD_IO_WATCHDOG_H
#define ACKD_IO_WATCHDOG_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct scheduler;
struct watched;
struct watchdog;

enum {
    WATCHDOG_WARN_MS = 50, /* what is usual; nothing here is taken for 0 */
    WATCHDOG_ERROR_MS = 1000
};

struct watchdog_options {
    uint64_t warn_ms; /* 0, as for the others: never */
    uint64_t error_ms;
    uint64_t abort_ms;
    int signal; /* with which it looks into a thread; 0: SIGURG */
};
/* URG, USR1, USR2 and PROF in this order, from 0. */
int watchdog_signal(int choice);

/* Start it. ACKD_E_NOMEM, ACKD_E_OS. */
ACKD_MUST_CHECK int watchdog_new(const struct watchdog_options *options,
                                 struct watchdog **ret_watchdog);
/* What it watched must have been removed. NULL does nothing. */
void watchdog_free(struct watchdog **watchdog);

/*
 * Watch @loop, on which @scheduler takes its turns, whenever it runs. Neither may run yet, and both
 * must outlive watchdog_remove. ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int watchdog_add(struct watchdog *watchdog, struct loop *loop,
                                 struct scheduler *scheduler);
/* @loop must have ended. Nothing if it is not watched. */
void watchdog_remove(struct watchdog *watchdog, struct loop *loop);

/* What loop.c calls, on its own thread: it begins to run; it ends. */
void watchdog_enter(struct watched *watched);
void watchdog_leave(struct watched *watched);
/*
 * Whether the watchdog wants to sleep: then the loop, before it blocks, waits for events by itself
 * between watchdog_park, if that is true, and watchdog_unpark (G3).
 */
bool watchdog_asks(const struct watched *watched);
bool watchdog_park(struct watched *watched);
void watchdog_unpark(struct watched *watched);

#endif

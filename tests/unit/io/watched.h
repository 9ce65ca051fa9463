/* SPDX-License-Identifier: MIT */
/*
 * watched - one loop under the watchdog, with real threads and the real clock, and what is logged
 * meanwhile.
 */
#ifndef ACKD_TESTS_IO_WATCHED_H
#define ACKD_TESTS_IO_WATCHED_H

#include <ackd/ackd.h>
#include <stdatomic.h>

#include "io/loop.h"
#include "io/watchdog.h"
#include "task/scheduler.h"

enum { WATCHED_LINES = 64 };

/* A line of the log, as far as tests look at it. */
struct watched_line {
    char event[32], text[512], task[48], state[16], call[32], function[96], stack[1024];
    int level;
    long long ms;
};

struct watched {
    struct loop *loop;
    struct scheduler *scheduler;
    struct watchdog *watchdog;
    atomic_int live;     /* roots that have not ended */
    atomic_int count;    /* lines */
    atomic_int reported; /* of them, loop-stalled */
    struct watched_line lines[WATCHED_LINES];
};

extern struct watched watched;

void watched_open(struct watchdog_options options);
/* A root of that name, before watched_start. The loop stops when the last has ended. */
void watched_spawn(const char *name, ackd_task_fn *fn, void *arg);
void watched_start(void);
/* Wait for the loop's end, and free all but the lines. */
void watched_close(void);

unsigned watched_count(const char *event);
/* Line @index of that event; fails the test if there is none. */
const struct watched_line *watched_line(const char *event, unsigned index);

void watched_pause_ms(unsigned ms);

#endif

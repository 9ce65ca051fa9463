/* SPDX-License-Identifier: MIT */
/*
 * world - a scheduler under a clock that only moves when nothing else can.
 *
 * The harness keeps what a test looks at afterwards: how each root ended, and what was logged.
 */
#ifndef ACKD_TESTS_TASK_WORLD_H
#define ACKD_TESTS_TASK_WORLD_H

#include <ackd/ackd.h>
#include <check.h>
#include <stdatomic.h>

#include "main.h"
#include "task/scheduler.h"

enum { WORLD_LOG_SIZE = 16384 };

struct world_end {
    bool ended;
    int code;
    enum ackd_cancel_reason reason;
    const struct ackd_error *error; /* with a reference, until the next root of this world ends */
    char text[1024];                /* of the error */
};

struct world {
    struct scheduler *scheduler;
    uint64_t now_ns;
    bool real_clock;
    atomic_uint wakes;
    struct world_end end; /* of the last root that ended */
    unsigned ends;
    char log[WORLD_LOG_SIZE]; /* lines as logfmt */
    size_t log_length;
};

/* One that is there for the whole test program; world_new fills it. */
extern struct world world;

void world_new(void);
void world_new_with(struct scheduler_options options);
/* Checks that nothing is left (S11), too. */
void world_free(void);

/* Queue a root named "root". */
struct ackd_task *world_spawn(ackd_task_fn *fn, void *arg);
/* Turn until nothing is ready and nothing is due; the clock stays. */
void world_settle(void);
/* Turn, and let the clock go on where nothing is ready, until no task is live; checks that it ends.
 */
void world_run_all(void);
/* Move the clock on by @ms, in steps of what is due. */
void world_pass_ms(uint64_t ms);
/* world_spawn and world_run_all; what the root ended with. */
int world_run(ackd_task_fn *fn, void *arg);

struct scheduler_counts world_counts(void);
/* Pages of memory in use; 0 where a sanitizer or Valgrind keeps what is let go. */
long world_resident_pages(void);
/* How often @text is in the log. */
unsigned world_logged(const char *text);

#endif

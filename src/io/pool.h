/* SPDX-License-Identifier: MIT */
/*
 * pool - the threads that compute, so that loops need not. One for the process.
 *
 * A job is memory of the task that waits for it: nothing is allocated for one, and each queue is a
 * list of them. Files and names have libuv's threads: a full pool here delays neither.
 *
 *   P1  A job is queued, then runs, then has ended; or is withdrawn while it is queued, and then
 *       never runs. Each step is made under the pool's lock, by pool_step.
 *   P2  Jobs of a loop are begun in the order of their submission; loops take turns, one job each.
 *   P3  Not more threads than opened for; they start as they are needed, and are joined at the end.
 *   P4  A job that is beyond the bound of the queue waits in the same place: it is on its task's
 *       stack, and the tasks are bounded. The bound is for those who would rather not wait.
 *   P5  After its scheduler_post the pool knows a job no more.
 */
#ifndef ACKD_IO_POOL_H
#define ACKD_IO_POOL_H

#include <ackd/abi.h>
#include <ackd/offload.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "task/overflow.h"
#include "task/scheduler.h"

struct pool_options {
    unsigned threads; /* 0: twice the processors; at most four times as many */
    size_t queue;     /* jobs that wait at most; 0: 1024 */
    /* How long the processors have been idle, and have been at all, in any unit: for tests; NULL:
     * the system's. */
    void (*processors)(uint64_t *ret_idle, uint64_t *ret_total);
};

/*
 * Make the pool, with no thread yet; where it is there already, one more user, and @options, which
 * may be NULL, do not count. ACKD_E_INVAL where it would have too many threads; ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int pool_open(const struct pool_options *options);
/* The last of its users ends it; no job may be left. */
void pool_close(void);

enum pool_state { POOL_NEW, POOL_QUEUED, POOL_RUNNING, POOL_ENDED, POOL_WITHDRAWN };

struct pool_lane; /* the jobs of a loop that are queued */

struct pool_job {
    struct scheduler_post post; /* first; run() is called on the loop when it has ended */
    struct scheduler *scheduler;
    ackd_cpu_fn *fn;
    void *arg;
    struct ackd_token token;
    struct overflow_job origin; /* its name, and who waits */
    const char *file, *function;
    int line;
    const struct log_context *log_context; /* what its lines carry */
    _Atomic(const char *) *progress;       /* "queued", then "running" goes there */
    int code;                              /* from here on: how it ended */
    const struct ackd_error *error;        /* owned; NULL: none */
    struct list node;                      /* from here on the pool's */
    struct pool_lane *lane;
    uint64_t queued_ns;
    enum pool_state state;
};

/* On its loop's thread. ACKD_E_FULL with @or_full, ACKD_E_NOT_OPEN, ACKD_E_OS. */
ACKD_MUST_CHECK int pool_submit(struct pool_job *job, bool or_full);
/* True: it was still queued, and will not run. On its loop's thread. */
bool pool_withdraw(struct pool_job *job);

/* Lower the priority of this thread, so that loops come first. */
void pool_step_back(void);
/* Run a job that is in no queue, on this thread, and leave how it ended in it. */
void pool_run(struct pool_job *job);
/* Whether a job runs on this thread. */
bool pool_is_here(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * offload - work that would hold the loop: computations, and calls that block.
 *
 * The CPU pool has its own threads (twice the processors by default), niced so that loops come
 * first, and a bounded queue that is fair between loops. It pays for work above some 100 us; below
 * that the crossing costs more than it frees. libuv's pool is left to files and names.
 */
#ifndef ACKD_OFFLOAD_H
#define ACKD_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/cancel.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

/*
 * What runs there: 0, or a negative code with its error set by ackd_fail, which becomes the
 * awaiter's. It must not await (ACKD_E_NOT_IN_TASK) and touches nothing that tasks of the loop
 * touch meanwhile; @token is cancelled with the awaiting task: look at it where it takes long.
 */
typedef int ackd_cpu_fn(void *arg, struct ackd_token token);

struct ackd_offload_options {
    const char *name; /* for dumps, errors and crash reports; required */
    bool or_full;     /* where the queue is full, return ACKD_E_FULL; otherwise wait for room */
};

/*
 * Run fn(arg) on the pool and wait for its result. Cancelled while queued, it never runs and this
 * returns ACKD_CANCELED at once; cancelled while running, it is waited for, because it may use the
 * caller's memory, and what it returned is returned.
 */
#define ackd_offload(fn, arg) ackd_offload_named((fn), (arg), #fn, ACKD_HERE)
#define ackd_offload_with(fn, arg, options) ackd_offload_at((fn), (arg), (options), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_offload_at(ackd_cpu_fn *fn, void *arg,
                                           const struct ackd_offload_options *options,
                                           const char *file, int line, const char *function);
static inline ACKD_SUSPENDS int ackd_offload_named(ackd_cpu_fn *fn, void *arg, const char *name,
                                                   const char *file, int line, const char *function)
{
    const struct ackd_offload_options options = {name, false};
    return ackd_offload_at(fn, arg, &options, file, line, function);
}

/* The same on a thread of its own, for what runs very long; ACKD_E_OS where there is none to be
 * had. */
#define ackd_thread(fn, arg) ackd_thread_at((fn), (arg), #fn, ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_thread_at(ackd_cpu_fn *fn, void *arg, const char *name,
                                          const char *file, int line, const char *function);

/* The pool now. Any thread. */
struct ackd_cpu_pool_counts {
    uint64_t threads, running, queued;
    uint64_t oldest_queued_ns;     /* how long the one at the head has waited; 0: none */
    uint64_t completed, cancelled; /* cancelled: before they ran */
    uint64_t shorter_than_50us;    /* of those completed: they were not worth it */
    uint64_t starved;              /* times that a job waited 100 ms while processors were idle */
};
ACKD_API void ackd_cpu_pool_counts(struct ackd_cpu_pool_counts *ret_counts);

ACKD_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * loop - one thread's event loop: descriptors, timers, and a turn that its owner gets each time it
 * comes round.
 *
 * Headers of io contain no libuv type: a simulation replaces this library when it is linked.
 *
 *   L1  The turn runs after timers and after I/O, and before the loop blocks.
 *   L2  The loop blocks no longer than to the earliest of its timers and of what the turn returned.
 *   L3  Only loop_wake and loop_stop may be called from other threads.
 *   L4  A timer never fires early, and 0.05 ms late by itself. A loop with
 *       nothing to do makes no wake-up, but for one at the time for which it last had a timer.
 */
#ifndef ACKD_IO_LOOP_H
#define ACKD_IO_LOOP_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/timer.h"

struct loop;

/* @name is copied; it names the thread of loop_start too. ACKD_E_OS, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int loop_new(const char *name, struct loop **ret_loop);
/* Everything opened on it must be closed; closes that are under way are finished here. */
void loop_free(struct loop **loop);
/* The loop that runs on this thread; NULL outside of loop_run. */
struct loop *loop_current(void);

/*
 * What the loop's owner does each time round: process what has come, flush what has gathered.
 * Returns when, on loop_now_ns's clock, it wants to be called again at the latest: 0 at once,
 * TIMER_NEVER at the next event.
 */
void loop_set_turn(struct loop *loop, uint64_t (*turn)(void *arg), void *arg);

/* The monotonic clock, read now. From any thread. */
uint64_t loop_now_ns(const struct loop *loop);
/* Time of a processor that the calling thread has had so far. */
uint64_t loop_cpu_ns(void);
/* Nanoseconds since 1970, for what people read. */
uint64_t loop_wall_ns(const struct loop *loop);
/* Timers of this loop, for timer_start(); they fire before the turn. */
struct timers *loop_timers(struct loop *loop);

/*
 * Whether a descriptor, a process or a request that somebody opened on it may still bring an event:
 * else only its timers and loop_wake end the next block. On the loop's thread.
 */
bool loop_expects(struct loop *loop);

/* Run on this thread until loop_stop; not at all if that came before. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/*
 * One round on this thread, for who does not leave the thread to it: the turn, then events. It
 * blocks for the first of them as long as @wait_ms, and no longer than loop_run would; 0: not at
 * all.
 */
void loop_poll(struct loop *loop, uint64_t wait_ms);
/* Make the loop come round. Any thread; many calls are one. */
void loop_wake(struct loop *loop);

/* Run the loop on a thread of its own, which blocks all signals but faults; then wait for its end.
 */
ACKD_MUST_CHECK int loop_start(struct loop *loop);
void loop_join(struct loop *loop);

#endif

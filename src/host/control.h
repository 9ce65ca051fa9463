/* SPDX-License-Identifier: MIT */
/*
 * control - what an operator can ask of a running host, by the names of the configuration.
 *
 * On the broker thread; nothing here suspends, or makes a new connection or channel. What is set
 * holds until the process ends or sets it again; the configuration is not changed. Each call is
 * logged where it acts. Unless said otherwise: ACKD_E_NOT_FOUND where there is no consumer or group
 * of that name, ACKD_E_INVAL for a number out of its bounds, ACKD_E_CLOSED once the host stops;
 * nothing was changed then.
 */
#ifndef ACKD_HOST_CONTROL_H
#define ACKD_HOST_CONTROL_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;

/*
 * @consumer does not consume until control_resume: what has not started goes back at once, in
 * order. What runs goes on, or with @cancel is cancelled, reason PAUSE, and goes back. No effect
 * if it is paused. Other causes of a pause hold beside this one.
 */
ACKD_MUST_CHECK int control_pause(struct host *host, const char *consumer, bool cancel);
/* It consumes again; a kill switch that has tripped is closed. No effect if it is not paused. */
ACKD_MUST_CHECK int control_resume(struct host *host, const char *consumer);

/*
 * At most @concurrency of its messages start from now on, beside what runs: 1 to
 * control_concurrency_max. A prefetch that is below it is raised above it.
 */
ACKD_MUST_CHECK int control_concurrency(struct host *host, const char *consumer,
                                        uint32_t concurrency);
/* The most that its loops have room for; 0: there is no such consumer. */
uint32_t control_concurrency_max(struct host *host, const char *consumer);
/* Messages that the broker may have under way to it, 1 to 65535. */
ACKD_MUST_CHECK int control_prefetch(struct host *host, const char *consumer, uint32_t prefetch);
/* @count messages start in @per_ms milliseconds, 1 to 86400000; a @count of 0: without a bound. */
ACKD_MUST_CHECK int control_rate(struct host *host, const char *consumer, uint64_t count,
                                 uint64_t per_ms);
/* The same for a group of 'limits', and its places; 0: without that bound. */
ACKD_MUST_CHECK int control_limit(struct host *host, const char *group, uint32_t concurrency,
                                  uint64_t count, uint64_t per_ms);

/*
 * Cancel its running messages, reason REQUESTED: that with delivery tag @tag, or all for 0. Those
 * that end by it go back to the queue, or with @dead to the dead letters. A message in a batch
 * takes the batch with it. ACKD_E_NOT_FOUND also if none of that tag runs; ACKD_E_FULL while an
 * earlier call for the same consumer is under way. @ret_count: of how many it was asked.
 */
ACKD_MUST_CHECK int control_cancel(struct host *host, const char *consumer, uint64_t tag, bool dead,
                                   size_t *ret_count);

#endif

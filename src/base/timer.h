/* SPDX-License-Identifier: MIT */
/*
 * timer - what is due when, for any clock.
 *
 * Whoever waits the same time as those before him, as most do, is due after them: such timers stand
 * in a lane, first in, first out. A few lanes take a few different waits; what fits into none goes
 * to a pairing heap. To arm one never allocates and is O(1); to take the first one out is O(1) from
 * a lane and O(log n) on average from the heap. Time comes in as a parameter; nothing here reads a
 * clock.
 *
 * Timers lie on the stacks of those who wait, each on a page of its own: where there are thousands,
 * to go from one to the next is a miss of every cache. So a timer in a lane knows one that stands
 * some places behind it, which is fetched while those between are looked at.
 *
 *   M1  In a lane nobody is due before the one in front of him.
 */
#ifndef ACKD_BASE_TIMER_H
#define ACKD_BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

enum {
    TIMER_LANES = 4, /* waits of different lengths that most loops have at a time */
    TIMER_AHEAD = 8  /* timers that are fetched from memory while one is looked at */
};

struct timer {
    uint64_t due_ns;                   /* on the clock of its timers */
    struct timer *child;               /* the heap: leftmost child, */
    struct timer *sibling;             /* next sibling; in a lane the one behind, */
    struct timer *back;                /* previous sibling, or the parent of a leftmost child; in a
                                          lane the one in front */
    struct timers *timers;             /* NULL while not armed */
    struct timer_lane *lane;           /* NULL: in the heap */
    const struct timer *ahead;         /* in a lane, one that stood TIMER_AHEAD places behind when
                                          it came; it may be gone: never looked at, only fetched */
    void (*fire)(struct timer *timer); /* called with the timer not armed any more */
    const void *touches;               /* fetched before that: what the call looks at; or NULL */
};

struct timer_lane {
    struct timer *first, *last;
    struct timer *recent[TIMER_AHEAD]; /* the last ones that came and still stand in it, or NULL */
    unsigned turn;                     /* place in recent for the next */
};

struct timers {
    struct timer *root; /* of the heap */
    struct timer_lane lanes[TIMER_LANES];
    size_t count; /* armed timers */
};

void timers_init(struct timers *timers);
/* When the first is due; TIMER_NEVER without any. */
uint64_t timers_next_ns(const struct timers *timers);
/* Fire all that are due at @now_ns, earliest first. One armed by a call for a time that has come
 * waits. */
size_t timers_run(struct timers *timers, uint64_t now_ns);

void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
static inline bool timer_armed(const struct timer *timer)
{
    return timer->timers != NULL;
}
/* Arm, or arm anew, for @due_ns. */
void timer_start(struct timers *timers, struct timer *timer, uint64_t due_ns);
/* No effect if it is not armed. */
void timer_stop(struct timer *timer);

/* @ms from @now_ns, at the end of time instead of beyond it. */
static inline uint64_t timer_after_ms(uint64_t now_ns, uint64_t ms)
{
    return ms > (TIMER_NEVER - 1 - now_ns) / NS_PER_MS ? TIMER_NEVER - 1 : now_ns + ms * NS_PER_MS;
}

#endif

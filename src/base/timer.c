/* SPDX-License-Identifier: MIT */
/* timer - lanes and a pairing heap, by due time. It must not know what a timer is for. */
#include <config.h>

#include "base/timer.h"

#include "base/assert.h"

void timers_init(struct timers *timers)
{
    *timers = (struct timers){0};
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    *timer = (struct timer){.fire = fire};
}

/* Two heaps become one: the later root is the new first child of the earlier. */
static struct timer *timer_meld(struct timer *one, struct timer *other)
{
    if (one == NULL)
        return other;
    if (other == NULL)
        return one;
    if (other->due_ns < one->due_ns) {
        struct timer *earlier = other;
        other = one;
        one = earlier;
    }
    other->sibling = one->child;
    if (one->child != NULL)
        one->child->back = other;
    other->back = one;
    one->child = other;
    one->sibling = NULL;
    one->back = NULL;
    return one;
}

/* The children of a removed root become one heap: pairs from the left, then all from the right. */
static struct timer *timer_meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL;
    while (first != NULL) {
        struct timer *second = first->sibling;
        struct timer *next = second == NULL ? NULL : second->sibling;
        first->sibling = first->back = NULL;
        if (second != NULL)
            second->sibling = second->back = NULL;
        struct timer *pair = timer_meld(first, second);
        pair->sibling = pairs;
        pairs = pair;
        first = next;
    }
    struct timer *root = NULL;
    while (pairs != NULL) {
        struct timer *next = pairs->sibling;
        pairs->sibling = NULL;
        root = timer_meld(root, pairs);
        pairs = next;
    }
    return root;
}

/* The lane whose last one is due the latest, but not after @due_ns; else an empty one; else NULL. */
static struct timer_lane *timer_find_lane(struct timers *timers, uint64_t due_ns)
{
    struct timer_lane *empty = NULL;
    struct timer_lane *best = NULL;
    for (size_t i = 0; i < TIMER_LANES; i++) {
        struct timer_lane *lane = &timers->lanes[i];
        if (lane->last == NULL)
            empty = lane;
        else if (lane->last->due_ns <= due_ns &&
                 (best == NULL || lane->last->due_ns > best->last->due_ns))
            best = lane;
    }
    return best != NULL ? best : empty;
}

static void timer_enter_lane(struct timer_lane *lane, struct timer *timer)
{
    timer->lane = lane;
    timer->back = lane->last;
    if (lane->last == NULL)
        lane->first = timer;
    else
        lane->last->sibling = timer;
    lane->last = timer;
    struct timer **place = &lane->recent[lane->turn++ % TIMER_AHEAD];
    if (*place != NULL)
        (*place)->ahead = timer;
    *place = timer;
}

static void timer_leave_lane(struct timer *timer)
{
    struct timer_lane *lane = timer->lane;
    if (lane->first == timer)
        lane->first = timer->sibling;
    else
        timer->back->sibling = timer->sibling;
    if (lane->last == timer)
        lane->last = timer->back;
    else
        timer->sibling->back = timer->back;
    for (size_t i = 0; i < TIMER_AHEAD; i++) {
        if (lane->recent[i] == timer)
            lane->recent[i] = NULL;
    }
    timer->lane = NULL;
    timer->ahead = NULL;
}

static void timer_leave_heap(struct timer *timer)
{
    struct timers *timers = timer->timers;
    if (timers->root == timer) {
        timers->root = timer_meld_siblings(timer->child);
        return;
    }
    if (timer->back->child == timer)
        timer->back->child = timer->sibling;
    else
        timer->back->sibling = timer->sibling;
    if (timer->sibling != NULL)
        timer->sibling->back = timer->back;
    timers->root = timer_meld(timers->root, timer_meld_siblings(timer->child));
}

void timer_stop(struct timer *timer)
{
    struct timers *timers = timer->timers;
    if (timers == NULL)
        return;
    ackd_assert(timers->count > 0);
    if (timer->lane != NULL)
        timer_leave_lane(timer);
    else
        timer_leave_heap(timer);
    timer->child = timer->sibling = timer->back = NULL;
    timer->timers = NULL;
    timers->count--;
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t due_ns)
{
    ackd_assert(timer->fire != NULL);
    timer_stop(timer);
    timer->due_ns = due_ns;
    timer->timers = timers;
    struct timer_lane *lane = timer_find_lane(timers, due_ns);
    if (lane != NULL)
        timer_enter_lane(lane, timer);
    else
        timers->root = timer_meld(timers->root, timer);
    timers->count++;
}

/* The one that is due first; NULL without any. */
static struct timer *timer_first(const struct timers *timers)
{
    struct timer *first = timers->root;
    for (size_t i = 0; i < TIMER_LANES; i++) {
        struct timer *front = timers->lanes[i].first;
        if (front != NULL && (first == NULL || front->due_ns < first->due_ns))
            first = front;
    }
    return first;
}

uint64_t timers_next_ns(const struct timers *timers)
{
    const struct timer *first = timer_first(timers);
    return first == NULL ? TIMER_NEVER : first->due_ns;
}

size_t timers_run(struct timers *timers, uint64_t now_ns)
{
    /* Take out all that are due before any runs, so that one which arms itself again cannot hold us
     * here. They come in order, so they stand in one lane. */
    struct timers late;
    timers_init(&late);
    struct timer *timer;
    while ((timer = timer_first(timers)) != NULL && timer->due_ns <= now_ns) {
        __builtin_prefetch(timer->ahead, 1);
        __builtin_prefetch(timer->touches, 1);
        timer_stop(timer);
        timer_start(&late, timer, timer->due_ns);
    }
    size_t fired = 0;
    while ((timer = timer_first(&late)) != NULL) {
        timer_stop(timer);
        fired++;
        timer->fire(timer);
    }
    return fired;
}

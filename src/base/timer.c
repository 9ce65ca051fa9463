/* SPDX-License-Identifier: MIT */
/* timer - a pairing heap by due time. It must not know what a timer is for. */
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

void timer_stop(struct timer *timer)
{
    struct timers *timers = timer->heap;
    if (timers == NULL)
        return;
    ackd_assert(timers->count > 0);
    if (timers->root == timer) {
        timers->root = timer_meld_siblings(timer->child);
    } else {
        if (timer->back->child == timer)
            timer->back->child = timer->sibling;
        else
            timer->back->sibling = timer->sibling;
        if (timer->sibling != NULL)
            timer->sibling->back = timer->back;
        timers->root = timer_meld(timers->root, timer_meld_siblings(timer->child));
    }
    timer->child = timer->sibling = timer->back = NULL;
    timer->heap = NULL;
    timers->count--;
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t due_ns)
{
    ackd_assert(timer->fire != NULL);
    timer_stop(timer);
    timer->due_ns = due_ns;
    timer->heap = timers;
    timers->root = timer_meld(timers->root, timer);
    timers->count++;
}

uint64_t timers_next_ns(const struct timers *timers)
{
    return timers->root == NULL ? TIMER_NEVER : timers->root->due_ns;
}

size_t timers_run(struct timers *timers, uint64_t now_ns)
{
    /* Take out all that are due before any runs, so that one which arms itself again cannot hold us
     * here. */
    struct timers late;
    timers_init(&late);
    while (timers->root != NULL && timers->root->due_ns <= now_ns) {
        struct timer *timer = timers->root;
        timer_stop(timer);
        timer_start(&late, timer, timer->due_ns);
    }
    size_t fired = 0;
    while (late.root != NULL) {
        struct timer *timer = late.root;
        timer_stop(timer);
        fired++;
        timer->fire(timer);
    }
    return fired;
}

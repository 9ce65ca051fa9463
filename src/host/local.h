/* SPDX-License-Identifier: MIT */
/*
 * local - what there is one of on each loop: made by the first task that asks, shared by all, and
 * destroyed as part of the loop's end.
 *
 *   L1  A value is made by one task at a time; where that fails, the next of those who wait tries.
 *   L2  Values are destroyed last made first. One that was made with the help of another is made
 *       after it, and so destroyed before it.
 */
#ifndef ACKD_HOST_LOCAL_H
#define ACKD_HOST_LOCAL_H

#include <stdbool.h>

#include "base/list.h"

/* Of one loop, and used on its thread alone. */
struct locals {
    struct list all; /* in the order in which they were made */
    bool ending;     /* no more are made */
};

void local_init(struct locals *locals);
/* In a task, when none of the loop's others runs any more: destroy them all. */
void local_destroy_all(struct locals *locals);
/* Where no task can be had for that: let go of them as they are. */
void local_forget_all(struct locals *locals);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * latch - what holds a thread that is no loop until another thread says so, once and for good.
 *
 * Nobody on a loop may wait for one: for that there are promises.
 */
#ifndef ACKD_IO_LATCH_H
#define ACKD_IO_LATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct latch {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
};

void latch_init(struct latch *latch);
/* When nobody waits any more; the last to wait may do it at once. */
void latch_fini(struct latch *latch);
void latch_open(struct latch *latch);
/* Returns when it is open. Any number of threads. */
void latch_wait(struct latch *latch);
/* The same, but for @ms at most: whether it is open. */
bool latch_wait_ms(struct latch *latch, uint64_t ms);

#endif

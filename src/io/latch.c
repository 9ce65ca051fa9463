/* SPDX-License-Identifier: MIT */
/* latch - a lock, a condition and a truth. It must not know what is waited for. */
#include <config.h>

#include "io/latch.h"

#include <time.h>

#include "base/assert.h"
#include "base/timer.h"

void latch_init(struct latch *latch)
{
    latch->open = false;
    int status = pthread_mutex_init(&latch->lock, NULL);
    ackd_assert(status == 0);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    status = pthread_cond_init(&latch->opened, &attributes);
    ackd_assert(status == 0);
    pthread_condattr_destroy(&attributes);
}

void latch_fini(struct latch *latch)
{
    int status = pthread_cond_destroy(&latch->opened);
    ackd_assert(status == 0);
    status = pthread_mutex_destroy(&latch->lock);
    ackd_assert(status == 0);
}

/* The lock is held to the end: who waited may free the latch as soon as it has got the lock. */
void latch_open(struct latch *latch)
{
    pthread_mutex_lock(&latch->lock);
    latch->open = true;
    pthread_cond_broadcast(&latch->opened);
    pthread_mutex_unlock(&latch->lock);
}

void latch_wait(struct latch *latch)
{
    pthread_mutex_lock(&latch->lock);
    while (!latch->open)
        pthread_cond_wait(&latch->opened, &latch->lock);
    pthread_mutex_unlock(&latch->lock);
}

bool latch_wait_ms(struct latch *latch, uint64_t ms)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    uint64_t due_ns = (uint64_t)due.tv_nsec + ms * NS_PER_MS;
    due.tv_sec += (time_t)(due_ns / NS_PER_S);
    due.tv_nsec = (long)(due_ns % NS_PER_S);
    pthread_mutex_lock(&latch->lock);
    int status = 0;
    while (!latch->open && status == 0)
        status = pthread_cond_timedwait(&latch->opened, &latch->lock, &due);
    bool open = latch->open;
    pthread_mutex_unlock(&latch->lock);
    return open;
}

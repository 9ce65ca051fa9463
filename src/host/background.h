/* SPDX-License-Identifier: MIT */
/*
 * background - a run() on its loop: called again or not where it fails, cancelled and waited for.
 *
 *   B1  ended() is called once for each background_start: when run() has returned for good, also
 *       where it never began.
 *   B2  After ended() nothing here touches the background.
 */
#ifndef ACKD_HOST_BACKGROUND_H
#define ACKD_HOST_BACKGROUND_H

#include <ackd/service.h>

#include "base/random.h"
#include "broker/backoff.h"
#include "host/executor.h"

/* Filled in by its owner up to `arg`; on the loop's thread from background_start on. */
struct background {
    struct executor *executor;
    int (*run)(void *state);
    void *state;
    const char *name; /* of the task, and in logs */
    enum ackd_service_failure on_failure;
    size_t stack_size;                     /* 0: the loop's own */
    struct ackd_owner *owner;              /* of what it detaches */
    const struct log_context *log_context; /* may be NULL */
    /*
     * @code is ACKD_OK where it returned, where it was cancelled, and where its failure is to be
     * ignored; else it failed, and @error, borrowed, says why.
     */
    void (*ended)(int code, const struct ackd_error *error, void *arg);
    void *arg;

    struct ackd_task *task; /* while run() runs */
    struct timer again;     /* of the pause before it is called again */
    struct backoff pause;
    struct random random;
    uint64_t called_ns;
    bool alive;    /* started, and not ended */
    bool stopping; /* it is not called again */
};

void background_start(struct background *background);
/* Cancel it, if it is alive. It ends later, or within this call where it pauses. */
void background_stop(struct background *background, enum ackd_cancel_reason reason);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * drain - stopping, in stages, within one budget, with nothing lost at any of them.
 *
 * What arrives is given back; what has not started is given back in order; what is in flight may
 * finish, is then asked to stop, and is at last given back over its handler's head. Then confirms,
 * acknowledgements, channel.close and connection.close with their answers.
 *
 *   G1  Stages only go forward, and each is logged once.
 *   G2  Every stage ends by itself: by its work being done, or by the budget.
 */
#ifndef ACKD_HOST_DRAIN_H
#define ACKD_HOST_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timer.h"

enum drain_stage {
#define DRAIN_STAGE(name, text) DRAIN_##name,
#include "host/drain.def"
#undef DRAIN_STAGE
};

struct host;

struct drain {
    enum drain_stage stage;
    struct timer soft;  /* the end of FINISHING */
    struct timer hard;  /* the end of CANCELING */
    struct timer extra; /* the end of HOOKS */
    struct timer last;  /* the end of all, once nothing waits for a confirm */
    uint64_t begun_ns;
    size_t ends;  /* stations whose run() or detached tasks have not ended */
    size_t hooks; /* stop() calls that have not come back */
    bool forced;  /* work was given back over its handler's head */
    bool stuck;   /* a stop() did not end in time */
};

const char *drain_stage_name(enum drain_stage stage);
void drain_init(struct drain *drain);
/* Begin; or, if it has begun, go to the next stage without waiting: a second signal cancels, a
 * third forces. */
void drain_begin(struct host *host);
/* Once per turn: go on if the stage's work is done. */
void drain_go_on(struct host *host);

#endif

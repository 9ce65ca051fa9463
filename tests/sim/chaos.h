/* SPDX-License-Identifier: MIT */
/*
 * chaos - everything that can happen between a daemon and its broker, one thing after the other, as
 * the seed says; and at the end calm.
 */
#ifndef ACKD_TESTS_SIM_CHAOS_H
#define ACKD_TESTS_SIM_CHAOS_H

#include "daemon.h"

struct chaos {
    struct daemon *daemon;
    struct timer timer;
    unsigned faults; /* still to come */
    unsigned done;
    uint64_t apart_ms;
    bool alarm;
    bool refuse;
    uint64_t calm_ns; /* when calm came; 0: not yet */
};

void chaos_begin(struct chaos *chaos, struct daemon *daemon, unsigned faults, uint64_t apart_ms);
void chaos_end(struct chaos *chaos);

#endif

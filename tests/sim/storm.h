/* SPDX-License-Identifier: MIT */
/*
 * storm - a whole life of a daemon, drawn by a seed: its configuration, a thousand messages, twenty
 * faults and more, stops and kills in between; and at the end calm, in which everything drains.
 */
#ifndef ACKD_TESTS_SIM_STORM_H
#define ACKD_TESTS_SIM_STORM_H

#include <stdint.h>

enum { STORM_MESSAGES = 1000, STORM_FAULTS = 20 };

struct storm_counts {
    uint64_t seeds;
    uint64_t messages;
    uint64_t deliveries;
    uint64_t faults;
    uint64_t processes; /* that were stopped or killed before the last one */
    uint64_t again;     /* handlers that had success for a message that had been handled */
    uint64_t virtual_ms;
    uint64_t steps;
    uint64_t failed; /* seeds */
    uint64_t lost;   /* of them, because a message was lost */
};

/* Fails by sim_fail. */
void storm_run(uint64_t seed, struct storm_counts *ret_counts);
/* What @seed draws, in a line: once storm_run has begun. */
const char *storm_about(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * sim_broker - the fake broker as the server of the simulated world: its links are wires, its time is
 * virtual, and its confirms come when the seed says, one by one or many as one.
 */
#ifndef ACKD_TESTS_SIM_SIM_BROKER_H
#define ACKD_TESTS_SIM_SIM_BROKER_H

#include "fakebroker.h"
#include "sim.h"

struct sim_broker {
    struct fakebroker *fake;
    struct list links;
    struct timer tick;
    uint64_t tick_ns; /* when it is due */
    struct timer confirm;
    unsigned confirm_max_ms;
};

/* After sim_begin. */
void sim_broker_begin(struct sim_broker *broker, const struct fakebroker_options *options);
/* After sim_end: its links have gone with their wires. */
void sim_broker_end(struct sim_broker *broker);
/* Before and after anything is done to it by others than clients: it knows the time; what it says
 * goes out. */
struct fakebroker *sim_broker_fake(struct sim_broker *broker);
void sim_broker_changed(struct sim_broker *broker);
/* One of its links that are logged in, and of its open channels, as the seed says; NULL, 0: none. */
struct fakebroker_link *sim_broker_draw_link(struct sim_broker *broker);
uint16_t sim_broker_draw_channel(const struct fakebroker_link *link);

#endif

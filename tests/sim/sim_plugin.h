/* SPDX-License-Identifier: MIT */
/* sim_plugin - the handler that every consumer of a simulation runs. */
#ifndef ACKD_TESTS_SIM_SIM_PLUGIN_H
#define ACKD_TESTS_SIM_SIM_PLUGIN_H

#include "plugin/plugin.h"

/* Borrowed while the daemon lives. */
void sim_plugin_use(const struct ackd_consumer *consumer);

#endif

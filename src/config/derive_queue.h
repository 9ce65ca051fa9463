/* SPDX-License-Identifier: MIT */
/* derive_queue - what the options of a consumer's queue mean together. Used by derive alone. */
#ifndef ACKD_CONFIG_DERIVE_QUEUE_H
#define ACKD_CONFIG_DERIVE_QUEUE_H

#include "config/derive.h"

/* Fill what is derived in the structure of the consumer @section, and find what contradicts. */
void derive_queue(const struct derive *derive, struct section *section);

#endif

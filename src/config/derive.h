/* SPDX-License-Identifier: MIT */
/*
 * derive - what follows from more than one option: rules between options, and values that are
 * computed where none was given. What is wrong is added to the findings; ACKD_E_NOMEM is the only
 * failure.
 */
#ifndef ACKD_CONFIG_DERIVE_H
#define ACKD_CONFIG_DERIVE_H

#include <ackd/abi.h>

#include "config/snapshot.h"

struct derive {
    struct config *config; /* the one that is being built */
    struct findings *findings;
    struct findings *warnings;
    const char *cache_directory; /* of the environment; NULL: none */
    const char *state_directory;
};

ACKD_MUST_CHECK int derive_process(const struct derive *derive);
ACKD_MUST_CHECK int derive_broker(const struct derive *derive, struct section *section,
                                  struct config_broker *ret_broker);
void derive_limit(const struct derive *derive, struct section *section, struct config_limit *limit);
/* The brokers of the snapshot, its limits and its process are derived already. */
ACKD_MUST_CHECK int derive_consumer(const struct derive *derive, struct section *section,
                                    struct config_consumer *ret_consumer);
/* What a consumer prefetches where it does not say. */
uint32_t derive_prefetch(const struct config_consumer *consumer);

#endif

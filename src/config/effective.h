/* SPDX-License-Identifier: MIT */
/*
 * effective - the configuration that counts, as YAML, each value with where it came from.
 *
 *   W1  A secret is written as (secret), wherever it came from. Secret are: options of type SECRET,
 *       what a user and a password in a uri are, what came from ${file:...}, and settings that
 *       is_secret or their name says are.
 *   W2  But for secrets, what is written loads again and means the same.
 */
#ifndef ACKD_CONFIG_EFFECTIVE_H
#define ACKD_CONFIG_EFFECTIVE_H

#include <ackd/abi.h>

#include "config/snapshot.h"

struct effective {
    const struct config *config;
    bool (*is_secret)(const struct config_consumer *consumer, const char *key, void *arg);
    void *arg;
    FILE *out;
};

/* ACKD_E_OS where @out fails; ACKD_E_NOMEM. */
ACKD_MUST_CHECK int effective_write(const struct effective *effective);

#endif

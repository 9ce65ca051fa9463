/* SPDX-License-Identifier: MIT */
/*
 * snapshot - what a struct config is inside: for the files that build it, derive from it, show it.
 *
 *   N1  After config_load() has given it out, nothing in it changes but the count of references.
 *   N2  All it points to is in its arena, which is wiped when the last reference goes: passwords do
 *       not stay in memory that is free.
 */
#ifndef ACKD_CONFIG_SNAPSHOT_H
#define ACKD_CONFIG_SNAPSHOT_H

#include <stdatomic.h>

#include "base/arena.h"
#include "config/config.h"
#include "config/options.h"
#include "config/section.h"

enum { SNAPSHOT_MAGIC = 0x636f6e66, SNAPSHOT_FILES_MAX = 65, SNAPSHOT_SECTIONS_MAX = 1024 };

struct snapshot_file {
    const char *name;
    bool open_to_all; /* everybody may read it */
};

struct config {
    uint32_t magic;
    atomic_uint references;
    struct arena arena;
    struct snapshot_file files[SNAPSHOT_FILES_MAX]; /* by place.order */
    size_t file_count;
    struct options_process process;
    struct section process_section;
    struct config_broker *brokers;
    struct section *broker_sections; /* one for each broker, values of type options_broker */
    size_t broker_count;             /* at least 1 */
    struct config_limit *limits;
    struct section *limit_sections; /* values of type config_limit */
    size_t limit_count;
    struct config_consumer *consumers;
    struct section *consumer_sections; /* values of type options_consumer */
    size_t consumer_count;
    const char *const *warnings; /* ended by NULL */
};

#endif

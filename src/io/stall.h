/* SPDX-License-Identifier: MIT */
/* stall - a loop that stood still: what was seen of it, and how that is told. */
#ifndef ACKD_IO_STALL_H
#define ACKD_IO_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "io/probe.h"

struct stall {
    char loop[32];
    uint64_t task_id; /* as published; PROGRESS_LOOP and PROGRESS_POLLING: none */
    uint64_t ns;      /* how long, without what the machine took */
    uint64_t cpu_ns;  /* in which it computed */
    bool is_error;
    bool is_abort; /* the process ends of it */
    bool sampled;  /* the thread answered: its sample holds */
    struct probe_call call;
    struct probe_sample sample;
};

/* A log line. Slow: it looks up symbols. */
void stall_write(const struct stall *stall);

#endif

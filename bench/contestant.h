/* SPDX-License-Identifier: MIT */
/* contestant - a consumer's process: started on a core of its own, watched, and ended. */
#ifndef ACKD_BENCH_CONTESTANT_H
#define ACKD_BENCH_CONTESTANT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct contestant {
    pid_t pid;
    clockid_t cpu;
    uint64_t started_ns;
    bool ended;
    int status; /* as of waitpid, once it has ended */
};

/* Monotonic. */
uint64_t contestant_now_ns(void);

/*
 * Run @command on core @core (-1: any) with ACKD_BENCH_PORT=@port in its environment. It is killed
 * should we die first. False if it cannot be started.
 */
bool contestant_start(struct contestant *contestant, char **command, int core, uint16_t port);
/* User and system time of all its threads. */
uint64_t contestant_cpu_ns(const struct contestant *contestant);
/* Resident memory in KiB. */
uint64_t contestant_resident_kib(const struct contestant *contestant);
/* How often its threads went to sleep by themselves: each is a later wake-up. */
uint64_t contestant_sleeps(const struct contestant *contestant);
void contestant_signal(const struct contestant *contestant, int number);
/* Look whether it has ended. */
bool contestant_has_ended(struct contestant *contestant);
/* End it by force if it runs. */
void contestant_end(struct contestant *contestant);

#endif

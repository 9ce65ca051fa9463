/* SPDX-License-Identifier: MIT */
/*
 * system - what the process has of its surroundings: signals, the service manager, randomness.
 */
#ifndef ACKD_IO_SYSTEM_H
#define ACKD_IO_SYSTEM_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

/* Ignore SIGPIPE; block, in this thread and those it starts, the signals that signals_open
 * delivers. */
void system_prepare(void);

/*
 * SIGKILL to every child of <ackd/io.h> that still runs, and to the group of those that lead one:
 * before leaving by _exit, when no handler will do it any more. From any thread.
 */
void process_kill_all(void);

/* Processors that this process may run on; at least 1. */
unsigned system_processors(void);
/* A seed from the kernel. */
uint64_t system_seed(void);
/* Host name of the machine into @name. */
void system_hostname(char *name, size_t size);

/* Deliver TERM, INT, HUP and QUIT as calls on @loop, which must be the main thread's. */
struct signals;
ACKD_MUST_CHECK int signals_open(struct loop *loop, void (*received)(int number, void *arg),
                                 void *arg, struct signals **ret_signals);
void signals_close(struct signals **signals);
/* Whether anybody does, in this process. Any thread. */
bool signals_are_taken(void);

/*
 * Tell the service manager, as sd_notify(3): "READY=1\nSTATUS=...". Nothing where there is none;
 * never blocks; failures are ignored.
 */
void notify_send(const char *state);
/* Whether a service manager listens at all. */
bool notify_wanted(void);
/* The interval in which WATCHDOG=1 is wanted, in ns; 0: not wanted. */
uint64_t notify_watchdog_ns(void);

#endif

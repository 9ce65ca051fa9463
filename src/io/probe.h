/* SPDX-License-Identifier: MIT */
/*
 * probe - looks into a thread from outside: how long it computed, whether it waits in the kernel
 * and in what, and which functions it is in.
 *
 * The last is found by a signal, whose handler runs on the thread itself and copies what it sees.
 * Where /proc is not there, or the thread takes no signal, a look finds less, and no harm is done.
 *
 *   P1  probe_open and probe_close are called on the thread that is looked into; the rest by one
 *       other thread at a time, in between.
 *   P2  A look ends in PROBE_WAIT_MS whatever the thread does.
 */
#ifndef ACKD_IO_PROBE_H
#define ACKD_IO_PROBE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/subject.h"

enum { PROBE_FRAMES = 48, PROBE_WAIT_MS = 50 };

/*
 * Have the process take @signal for looks, until probe_stop_signal: they nest, and all must name
 * the same signal. Signals that are not ours go to the handler that was there before. ACKD_E_INVAL.
 */
ACKD_MUST_CHECK int probe_use_signal(int signal);
void probe_stop_signal(void);
/* Whether it is taken for looks. */
bool probe_takes(int signal);

/* Of this thread, which publishes in @progress. NULL without memory. */
struct probe;
struct progress;
struct probe *probe_open(struct progress *progress);
/* On the same thread. */
void probe_close(struct probe **probe);

struct probe_times {
    uint64_t cpu_ns;   /* on a processor */
    uint64_t delay_ns; /* ready to run, and none was free; 0 where it is not counted */
};
void probe_times(const struct probe *probe, struct probe_times *ret_times);

struct probe_call {
    bool known;     /* /proc told */
    bool waiting;   /* in the kernel, not on a processor */
    long number;    /* of the system call; -1: in none, as for a page of memory */
    uint64_t first; /* its first argument */
    char wchan[40]; /* the function of the kernel; "" unknown */
};
void probe_call(const struct probe *probe, struct probe_call *ret_call);
/* "read", or "system call 999"; and what to use instead. */
const char *probe_call_name(long number, char *text, size_t size);
const char *probe_call_instead(long number);
/* Whether it waits for events on the epoll descriptor @fd. */
bool probe_call_is_poll(const struct probe_call *call, int fd);

struct probe_sample {
    struct subject subject;
    uint64_t dispatches, rounds; /* of the progress at that moment */
    void *frames[PROBE_FRAMES];  /* innermost first */
    int count;
    bool exact; /* the first is where it was interrupted, not where a call returns to */
};
/* False: the thread did not answer. */
bool probe_sample(struct probe *probe, struct probe_sample *ret_sample);

/* Have the thread end the process by SIGABRT. */
void probe_abort(struct probe *probe);

#endif

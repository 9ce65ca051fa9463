/* SPDX-License-Identifier: MIT */
/*
 * handlers - the same work in four ways: handlers that wait for 5 ms, ask over a socket, and end.
 *
 * A stream handles one message after the other and has a connection of its own, as a place in a
 * window of messages has. All streams run beside one another. Each way is in a process of its own,
 * whose only thread is the caller's.
 */
#ifndef ACKD_BENCH_HANDLERS_H
#define ACKD_BENCH_HANDLERS_H

enum { HANDLERS_WAIT_MS = 5, HANDLERS_SIZE = 64 };

struct handlers {
    const int *fds;             /* of each stream: what is written to it comes back */
    unsigned streams, messages; /* the latter of each stream */
};

/* Returns when all is done. */
void handlers_by_tasks(const struct handlers *handlers);
void handlers_by_callbacks(const struct handlers *handlers);
void handlers_by_threads(const struct handlers *handlers);
void handlers_by_ucontext(const struct handlers *handlers);

/* Have @count of them begin to wait, and leave them so: the process ends. */
void handlers_park_tasks(unsigned count);
void handlers_park_callbacks(unsigned count);
void handlers_park_threads(unsigned count);
void handlers_park_ucontext(unsigned count);

/* Tell what failed, and end the process. */
_Noreturn void handlers_die(const char *what);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * runner - one handler loop: messages come in, verdicts go out.
 *
 * This is the host's one seam to handlers: the live channels, `ackd try` and the simulation all use
 * it. The broker thread sends and receives; everything else happens on the runner's own loop.
 *
 *   H1  What was sent comes back exactly once, but for CROSSING_QUIT.
 *
 *   H2  A job comes back only after its handler, the handler's children and its deferred calls have
 *       ended.
 *
 *   H3  Between runner_send and runner_receive a job belongs to the runner.
 */
#ifndef ACKD_HOST_RUNNER_H
#define ACKD_HOST_RUNNER_H

#include <ackd/consumer.h>

#include "host/job.h"
#include "io/loop.h"
#include "task/scheduler.h"

struct runner;

/* A handler on one loop: its state, and what happened to start() and stop(). */
struct station {
    struct crossing crossing;
    struct runner *runner;
    struct consumer *owner; /* for who receives it */
    const struct ackd_consumer *handler;
    void *state;
    const char *consumer;           /* name */
    uint64_t timeout_ms;            /* of a message; 0: none */
    size_t stack_size;              /* 0: the runner's */
    int code;                       /* of the last start() or stop() */
    const struct ackd_error *error; /* owned */
    struct list hook;               /* in the runner's list, while start() or stop() runs */
    struct ackd_task *task;         /* of the hook; the runner's */
    uint32_t running;               /* the broker thread's count of jobs here */
    bool started;
};

struct order {
    struct crossing crossing;
    enum ackd_cancel_reason reason;
    bool starts_only; /* CANCEL: only start() calls, no messages */
    bool forced;      /* REPORT: these are survivors of a stop, not an answer to a question */
};

struct runner_options {
    const char *name;   /* "loop 0" */
    struct loop *owner; /* the broker thread's loop: woken when something comes back */
    size_t capacity;    /* crossings under way at most */
    size_t stack_size;  /* 0: default */
    size_t tasks_max;   /* 0: default */
};

ACKD_MUST_CHECK int runner_new(const struct runner_options *options, struct runner **ret_runner);
/* Its loop must have ended. */
void runner_free(struct runner **runner);

/* Start and join the loop's thread. */
ACKD_MUST_CHECK int runner_start(struct runner *runner);
void runner_join(struct runner *runner);

/* Broker thread. Send @crossing, seen by the runner after runner_flush. */
void runner_send(struct runner *runner, struct crossing *crossing);
void runner_flush(struct runner *runner);
/* Broker thread. What came back; NULL: nothing. */
struct crossing *runner_receive(struct runner *runner);
/* Whether QUIT was taken: the loop does not hang in a handler. Any thread. */
bool runner_has_quit(const struct runner *runner);

#endif

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

#include "host/background.h"
#include "host/job.h"
#include "io/loop.h"
#include "task/owner.h"

struct runner;

struct order {
    struct crossing crossing;
    enum ackd_cancel_reason reason;
    const struct station *station; /* whose messages; NULL: those of all */
    uint32_t epoch;                /* with a station: of this channel, or one before */
    uint64_t tag;                  /* with a station: only this message; 0: all */
    bool under_way;                /* CANCEL of a station: it has not come back */
    bool starts_only;              /* CANCEL: only start() calls, no messages */
    struct runner *runner;         /* the runner's, while it reports */
    bool forced; /* REPORT: these are survivors of a stop, not an answer to a question */
};

enum { STATION_NAME_SIZE = 64 };

/*
 * A handler on one loop: its state, what happened to start(), run() and stop(), and what it has
 * detached. Filled in up to `stack_size`, then
 * placed.
 */
struct station {
    struct crossing crossing; /* START, END and STOP: one at a time */
    struct consumer *owner;   /* for who receives it */
    const struct ackd_consumer *handler;
    void *state;
    const char *consumer; /* name */
    uint64_t timeout_ms;  /* of a message; 0: none */
    size_t stack_size;    /* 0: the runner's */
    bool publishes;       /* who receives takes publications, too */

    struct runner *runner;
    int code;                       /* of the last start() or stop() */
    const struct ackd_error *error; /* owned */
    struct list hook;               /* in the runner's list, while start() or stop() runs */
    struct ackd_task *task;         /* of the hook; the runner's */
    uint32_t running;               /* the broker thread's count of jobs here */
    struct order orphans;           /* CROSSING_ORPHANS */
    struct order cancel;            /* CROSSING_CANCEL of its messages, for an operator */
    bool orphans_under_way;
    bool orphans_again; /* another channel was lost meanwhile */
    bool started;
    bool ended; /* END was sent, or need not be */

    struct tally *tally;          /* of the messages, once found; the runner's */
    struct crossing run_crossing; /* RUN, beside the others */
    int run_code;                 /* with which run() ended for good; of a cancelled one ACKD_OK */
    const struct ackd_error *run_error; /* owned */
    struct background background;       /* the runner's, as what follows */
    struct ackd_owner detached;
    bool ending;
    struct log_context log;
    struct ackd_log_field field;
    char run_name[STATION_NAME_SIZE];
};

struct runner_options {
    const char *name;   /* "loop 0" */
    struct loop *owner; /* the broker thread's loop: woken when something comes back; NULL: its own,
                           for who runs both on one thread */
    size_t capacity;    /* crossings under way at most, beside those of publications */
    size_t publishes_max;     /* publications under way at most; 0: default */
    size_t publish_bytes_max; /* their bytes, together; 0: default */
    uint64_t seed;            /* of their ids */
    size_t stack_size;        /* 0: default */
    size_t tasks_max;         /* 0: default */
    size_t stacks_cached;     /* 0: as many as the capacity */
    enum stack_guard guard;
    struct watchdog *watchdog; /* borrowed; NULL: nobody watches */
    /* As in executor.h; NULL: where messages are among them, a warning. */
    void (*deadlocked)(void *arg);
    uint64_t deadlock_ms;
    uint64_t (*now_ns)(void *arg); /* as executor_options.now_ns; NULL: the loop's clock */
    void *arg;                     /* of both */
};

ACKD_MUST_CHECK int runner_new(const struct runner_options *options, struct runner **ret_runner);
/* Its loop must have ended. */
void runner_free(struct runner **runner);

/* Before runner_start: @station, zeroed but for what its user fills in, lives on this loop. */
void runner_place(struct runner *runner, struct station *station);
/* When it has come back for the last time. */
void runner_clear(struct station *station);

/* Start and join the loop's thread. */
ACKD_MUST_CHECK int runner_start(struct runner *runner);
void runner_join(struct runner *runner);

/* After runner_join: report failures that nobody looked at; returns how many there were in all. */
uint64_t runner_report_unobserved(struct runner *runner);
/* For who runs it on a thread of his own. */
struct executor *runner_executor(const struct runner *runner);

/* Broker thread. Send @crossing, seen by the runner after runner_flush. */
void runner_send(struct runner *runner, struct crossing *crossing);
void runner_flush(struct runner *runner);
/* Broker thread. What came back; NULL: nothing. */
struct crossing *runner_receive(struct runner *runner);
/* On the loop: send @crossing of its own to the broker thread; it comes back. */
void runner_send_out(struct runner *runner, struct crossing *crossing);
struct publication_pool *runner_publications(struct runner *runner);
/* Whether QUIT was obeyed: its loop ends. The owner's loop is woken for that. Any thread. */
bool runner_has_quit(const struct runner *runner);
/* The same, or it has begun to: what is local to the loop is being destroyed. */
bool runner_is_quitting(const struct runner *runner);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * job - one message on its way through the host, from the delivery to the answer.
 *
 * Lives in its delivery's own memory, so it costs no allocation. It belongs to the broker thread,
 * but for the time between runner_send and runner_receive, when it is the runner's.
 */
#ifndef ACKD_HOST_JOB_H
#define ACKD_HOST_JOB_H

#include <ackd/error.h>
#include <ackd/task.h>

#include "base/log.h"
#include "base/timer.h"
#include "broker/publisher.h"
#include "host/message.h"
#include "ledger/identity.h"
#include "ledger/lanes.h"
#include "ledger/ledger.h"

enum job_state {
#define JOB_STATE(name, text) JOB_##name,
#include "host/job.def"
#undef JOB_STATE
    JOB_STATE_COUNT
};

/* What goes over a bridge, and comes back over the other: the first member of each. */
enum crossing_kind {
    CROSSING_JOB,     /* a message; back with its verdict */
    CROSSING_BATCH,   /* a batch of them; back with a verdict on each */
    CROSSING_START,   /* a station: call start(); back with its result */
    CROSSING_RUN,     /* a station: call run(); back when it has ended for good */
    CROSSING_END,     /* a station: cancel run() and what is detached; back when all has ended */
    CROSSING_STOP,    /* a station: call stop(); back with its result */
    CROSSING_ORPHANS, /* an order: cancel a station's messages whose channel is gone */
    CROSSING_CANCEL,  /* an order: cancel every message that runs; back when that is asked */
    CROSSING_REPORT,  /* an order: log what the tasks do; back when that is done */
    CROSSING_QUIT,    /* an order: end the loop; does not come back */
    /* The other way round: from the loop, and back to it. */
    CROSSING_PUBLISH, /* a publication; back with its result */
    CROSSING_WITHDRAW /* one whose caller has gone: not to be sent, if it was not yet */
};

struct crossing {
    enum crossing_kind kind;
};

struct station;
struct story;
struct consumer;

/* JOB_WEIGHT, bytes: what a message costs beside its headers and body, about. */
enum { JOB_FIELDS = 4, JOB_WEIGHT = 1024 };

struct job {
    struct crossing crossing;
    enum job_state state;
    struct list
        node; /* in the consumer's list of its state; while RUNNING also the runner's: `running` */
    struct ledger_entry entry;
    int64_t offset; /* in a stream */
    struct consumer *consumer;
    struct delivery *delivery;
    struct ackd_message message;
    struct timer pause;       /* while PAUSING or RESTING */
    struct job *orphan;       /* while HELD: the run of an equal message that it waits for */
    struct identity identity; /* once it is `identified` */
    bool identified;
    const struct story *story; /* in the delivery's memory; NULL: it has none */
    uint32_t failures;         /* so far, as its story and we know */
    bool copied;               /* its acknowledgement stands for a copy that is on its way */

    struct lanes_entry lane; /* with a key: until its key is free */
    uint64_t hold_until_ns;  /* strict: since it failed for the first time; 0: it did not */
    uint32_t period;         /* of the kill switch, when it started */
    bool dead_if_canceled;   /* an operator says so; the broker thread's */
    bool gated;              /* it has a place in each group (G1 of gate), or has joined */
    bool joined;             /* in a batch: it runs in the slot and the places of the first one */

    struct station *station; /* where it runs */
    struct list running;     /* the runner's list */
    struct ackd_task *task;  /* borrowed, while it runs */
    struct log_context log;
    struct ackd_log_field fields[JOB_FIELDS];
    uint64_t started_ns;

    enum ackd_verdict verdict;      /* with which it came back */
    const struct ackd_error *error; /* owned; NULL without a failure */
    uint64_t delay_ms;              /* wished by ackd_retry_after; 0: none */
    bool failed_during_shutdown;
    bool marked; /* in a batch: it has its verdict */
};

/* Make the job of @delivery in its extra memory. */
struct job *job_init(struct delivery *delivery, struct consumer *consumer,
                     const char *consumer_name, const char *queue);
/* Bytes that it holds: an empty one, too, costs something, and its headers may be large. */
static inline uint64_t job_weight(const struct job *job)
{
    return JOB_WEIGHT + job->delivery->properties.headers.size + job->delivery->body.size;
}
/* Free it with its delivery. */
void job_free(struct job **job);
/* What it comes to: the table of verdicts. @error is borrowed; what was there before is the caller's. */
void job_judge(struct job *job, int code, const struct ackd_error *error,
               enum ackd_cancel_reason reason);
/* A number that is the same for each delivery of the same message, as far as can be told. */
uint64_t job_fingerprint(const struct job *job);

#endif

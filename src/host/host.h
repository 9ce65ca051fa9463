/* SPDX-License-Identifier: MIT */
/*
 * host - the daemon as a whole, on the broker thread: brokers, consumers, runners, and an orderly
 * end.
 *
 * It is one worker: floors 0 to 4 in one process. It knows nothing of command lines.
 */
#ifndef ACKD_HOST_HOST_H
#define ACKD_HOST_HOST_H

#include <ackd/error.h>

#include "base/random.h"
#include "config/config.h"
#include "host/consumer.h"
#include "host/drain.h"
#include "io/loop.h"
#include "io/system.h"
#include "ledger/limit.h"

/* As in sysexits.h. */
enum {
    HOST_EXIT_OK = 0,
    HOST_EXIT_INTERNAL = 70,   /* also after a run() that failed */
    HOST_EXIT_FORCED = 75,     /* work was given back by force */
    HOST_EXIT_UNOBSERVED = 76, /* a failure that nobody looked at, where this is asked for */
    HOST_EXIT_CONFIG = 78
};

/* What a runner can be told; each of these is under way at most once at a time. */
struct host_orders {
    struct order report;
    struct order cancel_starts; /* at the beginning of a stop: start() calls that have not ended */
    struct order cancel;
    struct order quit;
    bool reporting;
};

struct host {
    struct config *config; /* a reference */
    struct loop *loop;     /* the broker thread's */
    bool pooled;           /* a user of the CPU pool */
    struct random random;
    struct list brokers;
    struct list consumers;
    struct limit *limits; /* the groups, in the order of the configuration */
    size_t limit_count;
    struct list *first; /* of the consumers, whose turn it is; NULL: of no matter */
    bool again;         /* a place was given up this turn: look through the consumers once more */
    struct runner **runners;
    size_t runner_count;
    struct host_orders *orders; /* for each runner */
    struct signals *signals;
    struct drain drain;
    struct watchdog *stalls; /* watches the handler loops */
    struct timer watchdog;   /* the service manager's */
    struct timer status;
    bool ready;     /* READY=1 was said */
    bool failed;    /* a run() failed that the host does not go on without */
    bool quit_late; /* all loops answered in time, but one has not ended */
    uint64_t started_ns;
};

/*
 * Load the plugins and make everything. Consumers whose plugin cannot be loaded are left out, with
 * an error in the log; ACKD_E_CONFIG if none is left, or if settings are wrong. Takes a reference
 * to @config.
 */
ACKD_MUST_CHECK int host_new(struct config *config, struct host **ret_host);
/* Run until a signal ends it. Returns the exit status. */
int host_run(struct host *host);
/* Only after HOST_EXIT_OK, or without host_run: else loops may still run. */
void host_free(struct host **host);

/* Begin to stop, or hurry: what a signal does. */
void host_stop(struct host *host);
/* A run() failed: stop, if that has not begun, and leave with HOST_EXIT_INTERNAL. */
void host_fail(struct host *host);

/* Send @order, which must not be under way, to loop @runner. */
void host_order(struct host *host, size_t runner, struct order *order);
/* Have loop @runner log what its tasks do; nothing if it is at it. @forced: as the survivors of a
 * stop. */
void host_report(struct host *host, size_t runner, bool forced);

/* NULL: there is none of that name. */
struct limit *host_limit(struct host *host, const char *name);
struct consumer *host_consumer(struct host *host, const char *name);
struct loop *host_loop(const struct host *host);
struct random *host_random(struct host *host);

#endif

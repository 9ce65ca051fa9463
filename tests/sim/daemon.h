/* SPDX-License-Identifier: MIT */
/*
 * daemon - the real host in the simulated world, and a handler that does what the seed says.
 *
 *   D1  The books of what became of each message are right: books.h.
 *   D2  Never do more handlers run than `concurrency`, and on one loop they start in the order of
 *       delivery.
 *   D3  Each delivery is accounted for by exactly one of the host's counts.
 */
#ifndef ACKD_TESTS_SIM_DAEMON_H
#define ACKD_TESTS_SIM_DAEMON_H

#include <ackd/consumer.h>
#include <setjmp.h>

#include "books.h"
#include "host/host.h"
#include "sim_broker.h"

enum { DAEMON_KILLED = -1 /* of daemon_run */, DAEMON_KEYS = 17 };

struct daemon_options {
    unsigned messages;
    unsigned concurrency;
    unsigned prefetch; /* 0: the default */
    unsigned loops;
    unsigned heartbeat_s;
    unsigned shutdown_ms;
    unsigned timeout_ms; /* of a message; 0: none */
    unsigned delay_max_ms;
    unsigned body_max;
    unsigned buffer_kib;     /* 0: the default; else bodies must fit into it */
    unsigned start_ms;       /* start() takes so long at most */
    unsigned stop_ms;        /* ... and stop() */
    unsigned unstarted;      /* start() fails, of 100 times */
    int (*run)(void *state); /* beside the messages; may be NULL */
    enum ackd_service_failure run_failure;
    /* Of 100 messages so many... */
    unsigned fail;       /* fail once or twice before they succeed */
    unsigned dead;       /* are dead */
    unsigned drop;       /* are dropped */
    unsigned stubborn;   /* do not look at cancellation */
    unsigned nested;     /* spawn children */
    unsigned orphaned;   /* ... of which one fails */
    unsigned strange;    /* return a positive number, once */
    unsigned publish;    /* publish something */
    unsigned attempts;   /* 0: five */
    unsigned batch;      /* messages of a batch at most; 0: there are none */
    bool quorum;         /* the queue */
    const char *version; /* of the broker; NULL: the default */
    unsigned full;       /* so many products fit into their queue; 0: any number */
    unsigned awaits;     /* of a handler, at most; 0: three */
    unsigned fed;        /* messages are put one after the other, over so many ms */
    bool careless;       /* each leaves behind a failure that nobody looks at, and keeps another */
    bool keyed;          /* `lines` have a key: header:x-sim-key */
    bool ids;            /* messages have ids of their own */
    const char *lines;   /* further ones of the consumer, "    key: value\n"; NULL: none */
    bool offloads;       /* each handler has a job for the CPU pool */
};

struct daemon_message {
    enum books_outcome plan;
    unsigned failures_left;
    bool stubborn;
    bool nested;
    bool orphaned;
    bool strange;
    bool publishes;
};

struct daemon {
    struct daemon_options options;
    struct sim_broker broker;
    struct books books;
    struct config *config;
    struct host *host;
    struct ackd_consumer handler;
    struct daemon_message *messages; /* by number, from 1 */
    unsigned running;
    unsigned running_max;
    unsigned started; /* loops whose start() has succeeded, and stop() not yet */
    unsigned handled;
    uint64_t last_serial;
    uint64_t keys[DAEMON_KEYS]; /* serials that run; 0: none of the key */
    uint32_t prefetch_max;      /* ever */
    uint64_t unsent_ns; /* since when there are answers that were not sent; 0: there are none */
    struct timer feed;
    unsigned put;        /* messages that are in the broker, or were */
    jmp_buf *death;      /* of the process that runs; NULL: none does */
    bool dying;          /* ... at the end of the step */
    struct timer signal; /* SIGTERM */
    uint64_t signal_ns;  /* when it was sent */
    unsigned signals;
    unsigned signals_more; /* that follow */
    uint64_t signals_apart_ns;
    uint64_t ended_ns;
    void (*step)(struct daemon *daemon); /* after each step of the world; may be NULL */
    bool stop_when_done;                 /* SIGTERM when the last message was acknowledged */
    bool flooded;                        /* the broker did not keep to the prefetch, now or ever */
};

/* What most simulations use; all may be changed before daemon_begin. After sim_begin. */
void daemon_draw_options(struct daemon_options *options);
void daemon_begin(struct daemon *daemon, const struct daemon_options *options);
/* Work may be given back by force. */
void daemon_loosen(struct daemon *daemon);
/* Messages that were handled and acknowledged. */
uint64_t daemon_finished(const struct daemon *daemon);
/* SIGTERM in @ns; the others as set. */
void daemon_signal_after(struct daemon *daemon, uint64_t ns);
/* One of them, now: not from inside a turn. */
void daemon_signal_now(struct daemon *daemon);
/* The process is gone at the end of this step, as by SIGKILL: daemon_run returns DAEMON_KILLED. Only
 * from an event of the world. */
void daemon_kill_now(struct daemon *daemon);
/* The next process, with the same configuration and broker. After daemon_run. */
void daemon_again(struct daemon *daemon);
/* host_run; then the host is freed unless it was forced. Returns the exit status. */
int daemon_run(struct daemon *daemon);
/* The books are balanced, and the world ends. */
void daemon_end(struct daemon *daemon);
/* The first consumer. */
struct consumer *daemon_consumer(const struct daemon *daemon);

#endif

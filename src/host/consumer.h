/* SPDX-License-Identifier: MIT */
/*
 * consumer - one configured consumer on the broker thread: its channel, its messages, its stations.
 *
 *   U1  At most `concurrency` of its messages run at any time, whatever the broker sends.
 *   U2  Every message it holds is in the list of its state, and in no other.
 *   U3  Without failures messages start in the order of their delivery.
 */
#ifndef ACKD_HOST_CONSUMER_H
#define ACKD_HOST_CONSUMER_H

#include "base/metric.h"
#include "broker/subscription.h"
#include "host/broker.h"
#include "host/declare.h"
#include "host/job.h"
#include "host/orphan.h"
#include "host/position.h"
#include "host/quota.h"
#include "host/retry.h"
#include "host/runner.h"
#include "ledger/ledger.h"
#include "plugin/plugin.h"

enum { CONSUMER_REASON_SIZE = 1024 };

struct batcher;
struct gate;

struct consumer {
    struct list node;
    struct host *host;
    const struct config_consumer *config;
    struct broker *broker;
    struct inlet *inlet;   /* the connection by which it consumes */
    struct quota quota;    /* of what that may bring in */
    struct plugin *plugin; /* NULL: it could not be loaded; see reason */
    struct subscription *subscription;
    struct channel_field *arguments; /* of the subscription; owned */
    struct position *position;       /* in a stream; NULL: the queue is none */
    struct ledger ledger;
    struct orphans orphans;
    struct list jobs[JOB_STATE_COUNT];
    uint32_t running;        /* messages, or batches of them */
    size_t queued;           /* messages; counted for the batcher */
    struct batcher *batcher; /* NULL: messages are handled one by one */
    uint32_t concurrency;    /* as it is now; see control.h */
    uint32_t prefetch;
    bool prefetch_fixed; /* by the configuration or an operator; see gate_look_ahead */
    struct timer aging;  /* armed while messages wait */
    uint64_t aged_tag;   /* up to this one they had come when it last fired */
    struct gate *gate;   /* NULL: a free slot is all that a message needs */
    unsigned paused;     /* a bit for each enum pause_cause that holds */
    uint32_t epochs;
    bool settled; /* the ledger has answers to send */
    struct station *stations;
    size_t station_count;
    size_t stations_starting; /* whose start() has not come back */
    struct timer start_again; /* after start() failed */
    uint64_t start_again_ms;
    struct retry retry;
    struct declare *declare; /* NULL: the queue is only looked for */
    bool declared;
    bool subscribed; /* subscription_start was called */
    bool tried;      /* a subscription was made, or has failed: see READY */
    bool stopping;
    char reason[CONSUMER_REASON_SIZE]; /* why it does not consume; "" if it does */
    struct metric_set metrics;         /* written by the broker thread */
};

ACKD_MUST_CHECK int consumer_new(struct host *host, const struct config_consumer *config,
                                 struct consumer **ret_consumer);
void consumer_free(struct consumer **consumer);

/* Once the runners are there: make its stations on @count of them, and its subscription. */
ACKD_MUST_CHECK int consumer_place(struct consumer *consumer, struct broker *broker,
                                   struct runner **runners, size_t count);
/* Do not consume for @ms, because of the current error; told in the log. The channel must be lost,
 * or about to be. */
void consumer_isolate(struct consumer *consumer, uint64_t ms);
/* Begin: start() on each loop, the queues for what fails, then the subscription. */
void consumer_start(struct consumer *consumer);
/* A station came back from start() or stop(), or from the end of what it runs beside. */
void consumer_station_back(struct consumer *consumer, struct station *station);
/* Its run() has ended for good. */
void consumer_run_back(struct consumer *consumer, const struct station *station);

/* Messages of each state that it holds now, all together. */
size_t consumer_open_count(const struct consumer *consumer);
/* U2: the one function that changes a job's state. */
void consumer_move(struct consumer *consumer, struct job *job, enum job_state state);
/* What an operator may raise its concurrency to while it runs: the loops have room for as many. */
uint32_t consumer_concurrency_max(const struct config_consumer *config);
/* How many the broker may have under way from now on; takes effect without a new channel. */
void consumer_set_prefetch(struct consumer *consumer, uint32_t prefetch);
/* As many of them as there may be now. */
uint32_t consumer_prefetch_now(const struct consumer *consumer);
/* Let go of a job that needs no answer any more. */
void consumer_forget(struct consumer *consumer, struct job *job);

#endif

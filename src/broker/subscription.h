/* SPDX-License-Identifier: MIT */
/*
 * subscription - one consumer's channel: opened, limited, subscribed as one transaction, and again
 * after whatever ended it.
 *
 *   B1  Until subscription_stop it is active or suspended, or on its way with a deadline armed, or waits with a
 *       timer armed, or the link is down (and then K2 of the link holds).
 *
 *   B2  basic.qos precedes basic.consume on every channel; the prefetch is never 0.
 *
 *   B3  An epoch is one channel: begun by opened(), ended by lost(). Tags of an epoch mean nothing
 *       in another.
 *
 *   B4  Each basic.consume uses a consumer tag of its own: RabbitMQ 3.10 answers 541 where a tag is
 *       used again after a cancel on a quorum queue.
 *
 *   B5  A step that is not answered in time closes its channel, so that a late answer finds
 *       nothing. While reading is paused it is not known to be late.
 *
 *   B6  An active one that is sent nothing is probed; one that is condemned (probe.h) ends its
 *       channel, and subscribes on another.
 */
#ifndef ACKD_BROKER_SUBSCRIPTION_H
#define ACKD_BROKER_SUBSCRIPTION_H

#include "broker/link.h"

enum subscription_state {
#define SUBSCRIPTION_STATE(name, text) SUBSCRIPTION_##name,
#include "broker/subscription.def"
#undef SUBSCRIPTION_STATE
};

struct subscription;

/* What the owner hears. During lost() the reason is the current error. */
struct subscription_events {
    void (*opened)(void *arg); /* a channel is open: tags start at 1 */
    void (*active)(uint32_t messages, uint32_t consumers, void *arg); /* consume-ok */
    void (*delivery)(struct delivery *delivery, void *arg);           /* the owner's from now on */
    /* One for a consumer tag that is not, or not any more, of this subscription: the same. */
    void (*stray)(struct delivery *delivery, void *arg);
    /* Whether it would take more messages than it has, and the number of those that are ready in
     * the queue says that there are some. */
    bool (*hungry)(void *arg);
    /* The broker ended the subscription; the channel lives and may still settle. Again in
     * @retry_ms. */
    void (*canceled)(uint64_t retry_ms, void *arg);
    /* The channel ended: what is open is redelivered by the broker. Again in @retry_ms; 0 with the
     * link down. */
    void (*lost)(uint64_t retry_ms, void *arg);
};

/* Borrowed while it lives. */
struct subscription_options {
    struct link *link;
    const char *name; /* the consumer's, for tags */
    const char *queue;
    uint16_t prefetch;
    uint64_t message_size_max;  /* bytes; 0: that of the link */
    uint64_t probe_ms;          /* of nothing coming, and the queue is asked; 0: never */
    bool stays;                 /* it is never cancelled: deliveries go on until close() */
    struct channel_terms terms; /* its arguments are borrowed: they are sent at each subscribing */
    const struct subscription_events *events;
    void *arg;
};

ACKD_MUST_CHECK int subscription_new(const struct subscription_options *options,
                                     struct subscription **ret_subscription);
void subscription_free(struct subscription **subscription);

/* Begin: as soon as the link is up. */
void subscription_start(struct subscription *subscription);
/* basic.cancel; deliveries may arrive until the state is QUIET or beyond, which comes in any case.
 */
void subscription_stop(struct subscription *subscription);
/*
 * basic.cancel, and stay so, with a channel, until subscription_resume: also after the channel was
 * lost. Deliveries may arrive until the state is neither ACTIVE nor CANCELING.
 */
void subscription_suspend(struct subscription *subscription);
/* Subscribe again, with @prefetch; no effect but that if it is not suspended. */
void subscription_resume(struct subscription *subscription, uint16_t prefetch);
/* Have @prefetch hold from now on: where it is subscribed, by a subscription anew on the same
 * channel, since RabbitMQ takes it for those that come after. Its deliveries stay valid. */
void subscription_change(struct subscription *subscription, uint16_t prefetch);
/* channel.close after all answers; when the state is CLOSED, the broker has processed them or is
 * gone. */
void subscription_close(struct subscription *subscription);

/* Answers on the present channel. ACKD_E_NOT_OPEN without one. */
ACKD_MUST_CHECK int subscription_ack(struct subscription *subscription, uint64_t tag,
                                     bool multiple);
ACKD_MUST_CHECK int subscription_nack(struct subscription *subscription, uint64_t tag);

/* How often one was condemned, ever. */
uint64_t subscription_condemned(const struct subscription *subscription);
/* How the broker closed the last channel; NULL: it did not. Also during lost(). */
const struct closing *subscription_closing(const struct subscription *subscription);
/* Do not subscribe again for @ms: call it when the link or the channel was lost. */
void subscription_hold(struct subscription *subscription, uint64_t ms);
/* B1: whether a deadline or a next try is armed. */
bool subscription_waits(const struct subscription *subscription);
bool subscription_is_quiet(const struct subscription *subscription);
enum subscription_state subscription_state(const struct subscription *subscription);
const char *subscription_state_name(enum subscription_state state);

#endif

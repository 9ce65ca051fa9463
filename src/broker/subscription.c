/* SPDX-License-Identifier: MIT */
/* subscription - see the header. Every step waits for one answer; whatever else comes ends the
 * channel. */
#include <config.h>

#include "broker/subscription.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/probe.h"

enum {
    SUBSCRIPTION_STEP_MS = 20000,
    SUBSCRIPTION_CLOSE_MS = 2000,
    SUBSCRIPTION_AGAIN_FIRST_MS = 1000,
    SUBSCRIPTION_AGAIN_MAX_MS = 60000,
    SUBSCRIPTION_SLOWLY_FIRST_MS = 5000,
    SUBSCRIPTION_STABLE_MS =
        10000, /* an active time shorter than this does not reset the backoff */
    SUBSCRIPTION_TAG_SIZE = 256
};

struct subscription {
    struct link_channel channel;
    struct subscription_options options;
    enum subscription_state state;
    struct timer step; /* the deadline of the step, or the next try */
    struct backoff backoff;
    struct backoff slow_backoff;   /* after what takes an operator */
    const struct closing *closing; /* of the last channel; NULL: the broker did not close it */
    uint64_t hold_ns;              /* it is not to subscribe again before */
    uint64_t active_ns;            /* since when it is active */
    uint32_t messages, consumers;  /* of the queue, as the passive declare said */
    uint32_t tags;                 /* consumer tags used so far (B4) */
    bool epoch;                    /* opened() was called and lost() was not */
    bool stopping;
    bool suspended;    /* the owner wants no deliveries */
    uint16_t prefetch; /* of the last basic.qos */
    bool asked;        /* a probe was sent and is not answered */
    bool fed;          /* a message came since the last look */
    struct probe probe;
    uint64_t condemned; /* ever */
    char tag[SUBSCRIPTION_TAG_SIZE];
    size_t tag_size; /* bytes, without the end */
};

static const char *const subscription_state_names[] = {
#define SUBSCRIPTION_STATE(name, text) text,
#include "broker/subscription.def"
#undef SUBSCRIPTION_STATE
};

#define SUBSCRIPTION_BIT(state) (1U << SUBSCRIPTION_##state)
/* From each of these, the link going down leads to IDLE, and the end of the work to CLOSED. */
#define SUBSCRIPTION_ENDS                                                             \
    (SUBSCRIPTION_BIT(IDLE) | SUBSCRIPTION_BIT(WAITING) | SUBSCRIPTION_BIT(CLOSING) | \
     SUBSCRIPTION_BIT(CLOSED))
static const unsigned subscription_moves[] = {
    [SUBSCRIPTION_IDLE] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(OPENING),
    [SUBSCRIPTION_OPENING] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(CHECKING),
    [SUBSCRIPTION_CHECKING] =
        SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(LIMITING) | SUBSCRIPTION_BIT(SUSPENDED),
    [SUBSCRIPTION_LIMITING] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(SUBSCRIBING),
    [SUBSCRIPTION_SUBSCRIBING] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(ACTIVE),
    [SUBSCRIPTION_ACTIVE] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(CANCELED) |
                            SUBSCRIPTION_BIT(CANCELING) | SUBSCRIPTION_BIT(QUIET),
    [SUBSCRIPTION_SUSPENDED] =
        SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(LIMITING) | SUBSCRIPTION_BIT(QUIET),
    [SUBSCRIPTION_CANCELED] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(CHECKING) |
                              SUBSCRIPTION_BIT(SUSPENDED) | SUBSCRIPTION_BIT(QUIET),
    [SUBSCRIPTION_WAITING] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(OPENING),
    [SUBSCRIPTION_CANCELING] = SUBSCRIPTION_ENDS | SUBSCRIPTION_BIT(QUIET) |
                               SUBSCRIPTION_BIT(SUSPENDED) | SUBSCRIPTION_BIT(LIMITING),
    [SUBSCRIPTION_QUIET] = SUBSCRIPTION_ENDS,
    [SUBSCRIPTION_CLOSING] = SUBSCRIPTION_BIT(CLOSED),
    [SUBSCRIPTION_CLOSED] = 0,
};

static void subscription_move(struct subscription *subscription, enum subscription_state state)
{
    ackd_assert(subscription_moves[subscription->state] & (1U << state));
    subscription->state = state;
}

const char *subscription_state_name(enum subscription_state state)
{
    ackd_assert((size_t)state <
                sizeof subscription_state_names / sizeof subscription_state_names[0]);
    return subscription_state_names[state];
}

enum subscription_state subscription_state(const struct subscription *subscription)
{
    return subscription->state;
}

uint64_t subscription_condemned(const struct subscription *subscription)
{
    return subscription->condemned;
}

const struct closing *subscription_closing(const struct subscription *subscription)
{
    return subscription->closing;
}

bool subscription_waits(const struct subscription *subscription)
{
    return timer_armed(&subscription->step);
}

bool subscription_is_quiet(const struct subscription *subscription)
{
    return subscription->stopping && subscription->state != SUBSCRIPTION_CANCELING;
}

static struct connection *subscription_connection(const struct subscription *subscription)
{
    return subscription->channel.number == 0 ? NULL : link_connection(subscription->channel.link);
}

static void subscription_arm(struct subscription *subscription, uint64_t ms)
{
    struct loop *loop = link_loop(subscription->channel.link);
    timer_start(loop_timers(loop), &subscription->step, timer_after_ms(loop_now_ns(loop), ms));
}

static uint64_t subscription_now_ns(const struct subscription *subscription)
{
    return loop_now_ns(link_loop(subscription->channel.link));
}

/* When to try again, in ms: by the backoff, and not while it is held. */
static uint64_t subscription_wait_ms(struct subscription *subscription)
{
    bool slow = subscription->closing != NULL && subscription->closing->act == CLOSING_SLOWLY;
    uint64_t now_ns = subscription_now_ns(subscription);
    uint64_t wait_ms = backoff_next_ms(slow ? &subscription->slow_backoff : &subscription->backoff,
                                       link_random(subscription->channel.link));
    uint64_t held_ms =
        subscription->hold_ns > now_ns ? (subscription->hold_ns - now_ns) / NS_PER_MS + 1 : 0;
    return wait_ms > held_ms ? wait_ms : held_ms;
}

/* An active time that was long enough starts the backoff anew. */
static void subscription_judge(struct subscription *subscription)
{
    uint64_t active_ns = subscription_now_ns(subscription) - subscription->active_ns;
    if (subscription->state != SUBSCRIPTION_ACTIVE ||
        active_ns <= SUBSCRIPTION_STABLE_MS * NS_PER_MS)
        return;
    backoff_reset(&subscription->backoff);
    backoff_reset(&subscription->slow_backoff);
}

/* The channel is over, or given up: end the epoch and try again later. The reason is the current
 * error. */
static void subscription_lose(struct subscription *subscription)
{
    timer_stop(&subscription->step);
    link_drop_number(&subscription->channel);
    subscription->asked = false;
    uint64_t retry_ms = 0;
    if (subscription->stopping) {
        subscription_move(subscription, SUBSCRIPTION_CLOSED);
    } else {
        subscription_move(subscription, SUBSCRIPTION_WAITING);
        retry_ms = subscription_wait_ms(subscription);
        subscription_arm(subscription, retry_ms);
    }
    subscription->epoch = false;
    subscription->options.events->lost(retry_ms, subscription->options.arg);
}

/* Close the channel from our side without waiting: its number is not used again. */
static void subscription_abandon(struct subscription *subscription)
{
    struct connection *connection = subscription_connection(subscription);
    int code = ACKD_OK;
    const struct ackd_error *reason = error_take();
    if (connection != NULL)
        code = channel_close(connection, subscription->channel.number, 200, "given up");
    (void)error_give(reason);
    /* A channel that stays open at the broker would hold its messages for ever. */
    if (code != ACKD_OK && code != ACKD_E_NOT_OPEN)
        link_fail(subscription->channel.link);
    else
        subscription_lose(subscription);
}

/* Enter @state, whose request was written with @code, and wait for its answer. */
static void subscription_step(struct subscription *subscription, enum subscription_state state,
                              int code)
{
    if (code != ACKD_OK) {
        (void)error_for(code);
        subscription_abandon(subscription);
        return;
    }
    subscription_move(subscription, state);
    subscription_arm(subscription, SUBSCRIPTION_STEP_MS);
}

static void subscription_open(struct subscription *subscription)
{
    subscription->closing = NULL;
    int code = link_take_number(&subscription->channel);
    if (code == ACKD_OK)
        code = channel_open(subscription_connection(subscription), subscription->channel.number);
    if (code == ACKD_OK && subscription->options.message_size_max > 0)
        channel_limit_size(subscription_connection(subscription), subscription->channel.number,
                           subscription->options.message_size_max);
    subscription_step(subscription, SUBSCRIPTION_OPENING, code);
}

static void subscription_check(struct subscription *subscription)
{
    int code =
        channel_declare_queue(subscription_connection(subscription), subscription->channel.number,
                              subscription->options.queue, CHANNEL_PASSIVE, NULL, 0);
    subscription_step(subscription, SUBSCRIPTION_CHECKING, code);
}

/* Limit and subscribe, unless the owner wants nothing for now. */
static void subscription_limit(struct subscription *subscription)
{
    if (subscription->suspended) {
        timer_stop(&subscription->step);
        subscription_move(subscription, SUBSCRIPTION_SUSPENDED);
        return;
    }
    subscription->prefetch = subscription->options.prefetch;
    int code = channel_qos(subscription_connection(subscription), subscription->channel.number,
                           subscription->options.prefetch);
    subscription_step(subscription, SUBSCRIPTION_LIMITING, code);
}

static void subscription_subscribe(struct subscription *subscription)
{
    subscription->tags++;
    int size = snprintf(subscription->tag, sizeof subscription->tag, "ackd.%.200s.%u",
                        subscription->options.name, subscription->tags);
    ackd_assert(size >= (int)sizeof(uint64_t) && size < (int)sizeof subscription->tag);
    subscription->tag_size = (size_t)size;
    int code = channel_consume(subscription_connection(subscription), subscription->channel.number,
                               subscription->options.queue, subscription->tag,
                               &subscription->options.terms);
    subscription_step(subscription, SUBSCRIPTION_SUBSCRIBING, code);
}

static void subscription_cancel(struct subscription *subscription)
{
    if (subscription->options.stays)
        return;
    int code = channel_cancel(subscription_connection(subscription), subscription->channel.number,
                              subscription->tag);
    subscription_step(subscription, SUBSCRIPTION_CANCELING, code);
}

/* While it is active: look again whether it is alive (B6). */
static void subscription_watch(struct subscription *subscription)
{
    if (subscription->options.probe_ms > 0)
        subscription_arm(subscription, subscription->options.probe_ms);
}

static void subscription_probe(struct subscription *subscription)
{
    if (subscription->fed) {
        subscription->fed = false;
        probe_fed(&subscription->probe);
        subscription_watch(subscription);
        return;
    }
    int code =
        channel_declare_queue(subscription_connection(subscription), subscription->channel.number,
                              subscription->options.queue, CHANNEL_PASSIVE, NULL, 0);
    if (code != ACKD_OK) {
        subscription_abandon(subscription);
        return;
    }
    subscription->asked = true;
    subscription_arm(subscription, SUBSCRIPTION_STEP_MS);
}

static void subscription_probed(struct subscription *subscription,
                                const struct connection_event *event)
{
    subscription->asked = false;
    if (subscription->state != SUBSCRIPTION_ACTIVE)
        return;
    timer_stop(&subscription->step);
    bool hungry = !subscription->fed && subscription->options.events->hungry != NULL &&
                  subscription->options.events->hungry(subscription->options.arg);
    switch (probe_answer(&subscription->probe, event->messages, event->consumers, hungry)) {
    case PROBE_FINE:
    case PROBE_DOUBT:
        subscription_watch(subscription);
        return;
    case PROBE_FORGOTTEN:
        (void)ackd_fail(ACKD_E_STALE, "the queue has no consumer any more: the broker has "
                                      "forgotten the subscription");
        break;
    case PROBE_STARVED:
        (void)ackd_fail(ACKD_E_STALE,
                        "%u messages are ready in the queue and none is sent to this consumer, "
                        "which would take some: the broker has forgotten it, or prefers others",
                        event->messages);
        break;
    }
    subscription->condemned++;
    subscription_abandon(subscription);
}

static void subscription_activate(struct subscription *subscription)
{
    timer_stop(&subscription->step);
    subscription_move(subscription, SUBSCRIPTION_ACTIVE);
    subscription->active_ns = subscription_now_ns(subscription);
    subscription->fed = false;
    probe_renew(&subscription->probe);
    subscription_watch(subscription);
    subscription->options.events->active(subscription->messages, subscription->consumers,
                                         subscription->options.arg);
    if (subscription->state == SUBSCRIPTION_ACTIVE &&
        (subscription->suspended || subscription->prefetch != subscription->options.prefetch))
        subscription_cancel(subscription); /* it was said meanwhile */
}

/* The broker's basic.cancel: the queue may be gone, or only its process. */
static void subscription_canceled(struct subscription *subscription)
{
    if (subscription->state != SUBSCRIPTION_ACTIVE)
        return; /* while CANCELING it crossed ours, which is answered all the same */
    subscription_judge(subscription);
    subscription_move(subscription, SUBSCRIPTION_CANCELED);
    uint64_t retry_ms = subscription_wait_ms(subscription);
    subscription_arm(subscription, retry_ms);
    subscription->options.events->canceled(retry_ms, subscription->options.arg);
}

static void subscription_closed_by_server(struct subscription *subscription,
                                          const struct connection_event *event)
{
    subscription_judge(subscription);
    subscription->closing = closing_find(CLOSING_CHANNEL, event->code, event->text);
    (void)closing_fail(subscription->closing, "the broker closed the channel", event->code,
                       event->text);
    subscription_lose(subscription);
}

/* The answer that each state waits for, and what comes next. */
static const struct {
    enum connection_event_kind answer;
    void (*next)(struct subscription *subscription);
} subscription_answers[] = {
    [SUBSCRIPTION_OPENING] = {CHANNEL_OPENED, subscription_check},
    [SUBSCRIPTION_CHECKING] = {CHANNEL_DECLARE_OK, subscription_limit},
    [SUBSCRIPTION_LIMITING] = {CHANNEL_QOS_OK, subscription_subscribe},
    [SUBSCRIPTION_SUBSCRIBING] = {CHANNEL_CONSUME_OK, subscription_activate},
};

static void subscription_answered(struct subscription *subscription,
                                  const struct connection_event *event)
{
    enum subscription_state state = subscription->state;
    if (subscription->asked && event->kind == CHANNEL_DECLARE_OK) {
        subscription_probed(subscription, event);
        return;
    }
    if (state == SUBSCRIPTION_CANCELING && event->kind == CHANNEL_CANCEL_OK) {
        timer_stop(&subscription->step);
        if (subscription->stopping)
            subscription_move(subscription, SUBSCRIPTION_QUIET);
        else
            subscription_limit(subscription);
        return;
    }
    if (state >= SUBSCRIPTION_OPENING && state <= SUBSCRIPTION_SUBSCRIBING &&
        subscription_answers[state].answer == event->kind) {
        if (event->kind == CHANNEL_OPENED) {
            subscription->epoch = true;
            subscription->options.events->opened(subscription->options.arg);
            if (subscription->state != SUBSCRIPTION_OPENING)
                return; /* it was stopped, or the link failed, meanwhile */
        } else if (event->kind == CHANNEL_DECLARE_OK) {
            subscription->messages = event->messages;
            subscription->consumers = event->consumers;
        }
        subscription_answers[state].next(subscription);
        return;
    }
    (void)ackd_fail(ACKD_E_PROTOCOL, "an unexpected answer while %s",
                    subscription_state_name(state));
    subscription_abandon(subscription);
}

static inline uint64_t subscription_word(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return word;
}

/* Whether it is of this subscription, not of one before it on the channel. Asked for each message,
 * so by words; a tag of ours has at least eight bytes. */
static bool subscription_is_meant(const struct subscription *subscription,
                                  const struct delivery *delivery)
{
    const char *one = delivery->consumer_tag, *other = subscription->tag;
    size_t size = subscription->tag_size, word = sizeof(uint64_t);
    uint64_t differing = 0;
    if (delivery->consumer_tag_size != size)
        return false;
    for (size_t at = 0; at + word < size; at += word)
        differing |= subscription_word(one + at) ^ subscription_word(other + at);
    return (differing |
            (subscription_word(one + size - word) ^ subscription_word(other + size - word))) == 0;
}

static void subscription_event(struct link_channel *channel, const struct connection_event *event)
{
    struct subscription *subscription = LIST_ITEM(channel, subscription, channel);
    if (event->kind == CHANNEL_DELIVERY) {
        subscription->fed = true;
        if (subscription_is_meant(subscription, event->delivery))
            subscription->options.events->delivery(event->delivery, subscription->options.arg);
        else
            subscription->options.events->stray(event->delivery, subscription->options.arg);
    } else if (event->kind == CHANNEL_CANCELED) {
        subscription_canceled(subscription);
    } else if (event->kind == CHANNEL_CLOSED) {
        subscription_closed_by_server(subscription, event);
    } else if (event->kind == CHANNEL_CLOSE_OK) {
        (void)ackd_fail(ACKD_E_CLOSED, "closed in order");
        subscription_lose(subscription);
    } else {
        subscription_answered(subscription, event);
    }
}

static void subscription_up(struct link_channel *channel)
{
    struct subscription *subscription = LIST_ITEM(channel, subscription, channel);
    if (subscription->state != SUBSCRIPTION_IDLE || subscription->stopping)
        return;
    uint64_t now_ns = subscription_now_ns(subscription);
    if (subscription->hold_ns <= now_ns) {
        subscription_open(subscription);
        return;
    }
    subscription_move(subscription, SUBSCRIPTION_WAITING);
    subscription_arm(subscription, (subscription->hold_ns - now_ns) / NS_PER_MS + 1);
}

static void subscription_down(struct link_channel *channel)
{
    struct subscription *subscription = LIST_ITEM(channel, subscription, channel);
    timer_stop(&subscription->step);
    subscription->closing = NULL;
    subscription->asked = false;
    if (subscription->state == SUBSCRIPTION_CLOSED)
        return;
    subscription_move(subscription,
                      subscription->stopping ? SUBSCRIPTION_CLOSED : SUBSCRIPTION_IDLE);
    if (subscription->epoch) {
        subscription->epoch = false;
        subscription->options.events->lost(0, subscription->options.arg);
    }
}

static void subscription_step_over(struct timer *timer)
{
    struct subscription *subscription = LIST_ITEM(timer, subscription, step);
    if (subscription->state == SUBSCRIPTION_WAITING) {
        subscription_open(subscription);
    } else if (subscription->state == SUBSCRIPTION_CANCELED) {
        subscription_check(subscription);
    } else if (subscription->state == SUBSCRIPTION_ACTIVE && !subscription->asked) {
        subscription_probe(subscription);
    } else if (link_paused(subscription->channel.link)) {
        subscription_arm(subscription, SUBSCRIPTION_STEP_MS); /* the answer may be there, unread */
    } else {
        (void)ackd_fail(ACKD_E_TIMEOUT, "no answer while %s",
                        subscription_state_name(subscription->state)); /* B5 */
        subscription_abandon(subscription);
    }
}

int subscription_new(const struct subscription_options *options,
                     struct subscription **ret_subscription)
{
    ackd_assert(options->prefetch > 0);
    struct subscription *subscription = calloc(1, sizeof *subscription);
    if (subscription == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a subscription");
    subscription->options = *options;
    subscription->channel.up = subscription_up;
    subscription->channel.down = subscription_down;
    subscription->channel.event = subscription_event;
    list_init(&subscription->channel.node);
    probe_init(&subscription->probe);
    timer_init(&subscription->step, subscription_step_over);
    backoff_init(&subscription->backoff, SUBSCRIPTION_AGAIN_FIRST_MS, SUBSCRIPTION_AGAIN_MAX_MS);
    backoff_init(&subscription->slow_backoff, SUBSCRIPTION_SLOWLY_FIRST_MS,
                 SUBSCRIPTION_AGAIN_MAX_MS);
    *ret_subscription = subscription;
    return ACKD_OK;
}

void subscription_free(struct subscription **subscription)
{
    struct subscription *freed = *subscription;
    if (freed == NULL)
        return;
    *subscription = NULL;
    timer_stop(&freed->step);
    if (freed->channel.link != NULL)
        link_remove(&freed->channel);
    free(freed);
}

void subscription_start(struct subscription *subscription)
{
    ackd_assert(subscription->channel.link == NULL);
    link_add(subscription->options.link, &subscription->channel);
}

void subscription_hold(struct subscription *subscription, uint64_t ms)
{
    subscription->hold_ns = subscription_now_ns(subscription) + ms * NS_PER_MS;
    if (subscription->state == SUBSCRIPTION_WAITING)
        subscription_arm(subscription, ms);
}

/* Close the channel in order; what was sent on it before has been processed when the answer comes.
 */
static void subscription_begin_close(struct subscription *subscription)
{
    struct connection *connection = subscription_connection(subscription);
    if (connection == NULL) {
        timer_stop(&subscription->step);
        subscription_move(subscription, SUBSCRIPTION_CLOSED);
        return;
    }
    if (channel_close(connection, subscription->channel.number, 200, "stopping") != ACKD_OK) {
        subscription_lose(subscription);
        return;
    }
    subscription_move(subscription, SUBSCRIPTION_CLOSING);
    subscription_arm(subscription, SUBSCRIPTION_CLOSE_MS);
}

void subscription_stop(struct subscription *subscription)
{
    if (subscription->stopping)
        return;
    subscription->stopping = true;
    if (subscription->state == SUBSCRIPTION_ACTIVE && subscription->options.stays) {
        timer_stop(&subscription->step);
        subscription_move(subscription, SUBSCRIPTION_QUIET);
    } else if (subscription->state == SUBSCRIPTION_ACTIVE) {
        subscription_cancel(subscription);
    } else if (subscription->state == SUBSCRIPTION_CANCELING) {
        return; /* it goes on when that is answered */
    } else if (subscription->state == SUBSCRIPTION_CANCELED ||
               subscription->state == SUBSCRIPTION_SUSPENDED) {
        timer_stop(&subscription->step);
        subscription_move(subscription, SUBSCRIPTION_QUIET);
    } else if (subscription->channel.link == NULL) {
        subscription_move(subscription, SUBSCRIPTION_CLOSED);
    } else {
        subscription_begin_close(subscription);
    }
}

void subscription_suspend(struct subscription *subscription)
{
    subscription->suspended = true;
    if (subscription->stopping)
        return;
    if (subscription->state == SUBSCRIPTION_ACTIVE)
        subscription_cancel(subscription);
    else if (subscription->state == SUBSCRIPTION_CANCELED)
        subscription_limit(subscription);
}

void subscription_resume(struct subscription *subscription, uint16_t prefetch)
{
    ackd_assert(prefetch > 0); /* B2 */
    subscription->suspended = false;
    subscription->options.prefetch = prefetch;
    if (subscription->state == SUBSCRIPTION_SUSPENDED && !subscription->stopping)
        subscription_limit(subscription);
}

void subscription_change(struct subscription *subscription, uint16_t prefetch)
{
    ackd_assert(prefetch > 0); /* B2 */
    subscription->options.prefetch = prefetch;
    if (subscription->state == SUBSCRIPTION_ACTIVE && subscription->prefetch != prefetch &&
        !subscription->stopping)
        subscription_cancel(subscription);
}

void subscription_close(struct subscription *subscription)
{
    ackd_assert(subscription->stopping);
    if (subscription->state == SUBSCRIPTION_QUIET || subscription->state == SUBSCRIPTION_CANCELING)
        subscription_begin_close(subscription);
}

int subscription_ack(struct subscription *subscription, uint64_t tag, bool multiple)
{
    struct connection *connection = subscription_connection(subscription);
    if (connection == NULL)
        return ackd_fail(ACKD_E_NOT_OPEN, "the channel is gone");
    return channel_ack(connection, subscription->channel.number, tag, multiple);
}

int subscription_nack(struct subscription *subscription, uint64_t tag)
{
    struct connection *connection = subscription_connection(subscription);
    if (connection == NULL)
        return ackd_fail(ACKD_E_NOT_OPEN, "the channel is gone");
    return channel_nack(connection, subscription->channel.number, tag, false, true);
}

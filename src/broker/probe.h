/* SPDX-License-Identifier: MIT */
/*
 * probe - whether a subscription that is sent nothing is still known to the broker.
 *
 * Some losses are told to nobody: the consumer is there, the channel is open, and no message comes.
 * The queue is asked how many consumers it has and how many messages are ready; two answers in a row
 * that do not fit to a subscription that would take more condemn it.
 *
 *   E1  A subscription that is sent messages is never condemned.
 *   E2  Where a new subscription is sent nothing either, the next one is given twice as long: other
 *       consumers may come before it (single active consumer, priorities).
 *
 * Pure: it must not know a clock, a channel or a timer.
 */
#ifndef ACKD_BROKER_PROBE_H
#define ACKD_BROKER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

enum { PROBE_DOUBTS = 2, PROBE_DOUBTS_MAX = 64 };

struct probe {
    uint32_t doubts; /* answers in a row that did not fit */
    uint32_t needed; /* to condemn it */
};

enum probe_finding {
    PROBE_FINE,
    PROBE_DOUBT,
    PROBE_FORGOTTEN, /* condemned: the queue has no consumer */
    PROBE_STARVED    /* condemned: messages are ready, and it would take some */
};

void probe_init(struct probe *probe);
/* A message came. */
void probe_fed(struct probe *probe);
/* The queue's answer; @hungry: more messages would be taken. Once condemned, it is as for a new
 * subscription. */
enum probe_finding probe_answer(struct probe *probe, uint32_t messages, uint32_t consumers,
                                bool hungry);
/* The subscription is new. */
void probe_renew(struct probe *probe);

#endif

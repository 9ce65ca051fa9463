/* SPDX-License-Identifier: MIT */
/* dispatch - what starts when: deliveries into slots. */
#ifndef ACKD_HOST_DISPATCH_H
#define ACKD_HOST_DISPATCH_H

#include "host/consumer.h"

/* A message came: open its tag and queue it, or settle it where it cannot run. */
void dispatch_delivery(struct consumer *consumer, struct delivery *delivery);
/* Start what has a slot, in order. */
void dispatch_go_on(struct consumer *consumer);

#endif

/* SPDX-License-Identifier: MIT */
/* message - what <ackd/message.h> reads: a delivery, and what the host knows of it besides. */
#ifndef ACKD_HOST_MESSAGE_H
#define ACKD_HOST_MESSAGE_H

#include <ackd/message.h>

#include "amqp/delivery.h"

struct batch;

struct ackd_message {
    const struct delivery *delivery;
    const char *consumer;
    const char *queue;
    uint32_t attempt;
    uint32_t index;      /* in its batch */
    struct batch *batch; /* while it is in one */
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * story - what ackd told itself about a message, in headers of the copy that it made of it.
 *
 * A copy that comes back from a delay queue has lost where it was published, whose it was and how
 * long it may live; the story has kept that, and how often it failed. What a handler sees of such a
 * message is what it saw the first time.
 *
 *   S1  A story is believed only if the broker vouches for its author: on copies ackd sets the
 *       property user-id to its own user, and RabbitMQ lets nobody else do that. Where that cannot
 *       be had (see broker_user), every story is believed.
 *   S2  It is the story of this queue, or of none: a copy for another queue is an original there.
 */
#ifndef ACKD_HOST_STORY_H
#define ACKD_HOST_STORY_H

#include "amqp/delivery.h"

#define STORY_PREFIX "x-ackd-"
#define STORY_ORIGINAL "x-ackd-original-"
#define STORY_ATTEMPTS "x-ackd-attempts"
#define STORY_LEFT "x-ackd-wait-left-ms"
#define STORY_EXPIRES "x-ackd-expires-at-ms"
#define STORY_QUEUE "x-ackd-original-queue"
#define STORY_EXCHANGE "x-ackd-original-exchange"
#define STORY_ROUTING_KEY "x-ackd-original-routing-key"
#define STORY_USER_ID "x-ackd-original-user-id"
#define STORY_EXPIRATION "x-ackd-original-expiration"
#define STORY_ERROR_CODE "x-ackd-error-code"
#define STORY_ERROR "x-ackd-error"
#define STORY_ERROR_ID "x-ackd-error-id"
#define STORY_FIRST_FAILED "x-ackd-first-failed-at"
#define STORY_FAILED "x-ackd-failed-at"
#define STORY_HOST "x-ackd-host"
#define STORY_CONSUMER "x-ackd-consumer"
#define STORY_HANDLER "x-ackd-handler"
#define STORY_CUT "x-ackd-headers-cut"

/* Lives in its delivery's memory. */
struct story {
    uint32_t failures;
    uint64_t left_ms;        /* still to wait before it is tried */
    uint64_t expires_ms;     /* since 1970, when its life ends; 0: never */
    struct ackd_bytes error; /* the last one's text */
    bool first_failed;       /* it says when it failed first */
};

/*
 * Read the story of @delivery, which came from @queue; what it says of the original replaces
 * exchange, routing key, user-id and expiration. @user: who must have told it; NULL: anybody. NULL
 * if there is none that is believed, and then the delivery is unchanged; also out of memory.
 */
const struct story *story_read(struct delivery *delivery, const char *queue, const char *user);

/* The header x-delivery-count of a message; below 0: it has none. */
int64_t story_delivery_count(const struct delivery *delivery);

#endif

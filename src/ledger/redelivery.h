/* SPDX-License-Identifier: MIT */
/*
 * redelivery - what a broker's count of deliveries is good for, by its version.
 *
 * A quorum queue counts what is given back, in x-delivery-count, and destroys or dead-letters a
 * message whose count goes beyond a limit. Until RabbitMQ 4.3 that counts basic.nack too, so that
 * messages which nobody failed to handle go away after some shutdowns. Pure.
 *
 *   R1  A count is believed only of a redelivery, by a queue known to be a quorum queue: what a
 *       first delivery carries is the publisher's, who may write what he likes.
 *   R2  Where a release could be the last one, it is not made. Taking a forged count for a real one
 *       costs no more than a copy.
 */
#ifndef ACKD_LEDGER_REDELIVERY_H
#define ACKD_LEDGER_REDELIVERY_H

#include <stdbool.h>
#include <stdint.h>

enum { REDELIVERY_LIMIT_4 = 20 }; /* of a quorum queue that says nothing else, since RabbitMQ 4.0 */

struct redelivery_version {
    unsigned major, minor; /* 0.0: not known */
};

/* The first two numbers of @text, as in "RabbitMQ 3.10.8". NULL: not known. */
struct redelivery_version redelivery_version(const char *text);
/*
 * How often a message may come back, for an operator's option @configured (below 0: not given).
 * Below 0: without a limit, or without one that a release counts towards.
 */
int64_t redelivery_limit(struct redelivery_version version, int64_t configured);
/* Whether giving back a message that came back @count times would bring it to @limit (R2). */
bool redelivery_would_end(int64_t limit, uint64_t count);
/* How often it came back, as far as that is to be believed (R1). */
uint64_t redelivery_believed(bool redelivered, bool quorum, int64_t count);

#endif

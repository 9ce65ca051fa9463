/* SPDX-License-Identifier: MIT */
/*
 * delivery - one message as it came from the broker, with all its bytes in memory of its own.
 *
 * Made and freed by the thread that reads the connection; in between it may be read by one other.
 * The small ones live in blocks that the pool keeps, so after warm-up a message allocates nothing.
 *
 *   D1  Strings are terminated and valid as long as the delivery; absent properties are NULL or as
 *       noted. A string that has a zero octet inside reads as ending there.
 *
 *   D2  Headers are kept as they came and were bounded before (table.h): depth, entries and
 * lengths.
 *
 *   D3  A delivery that could not be read safely has `poison` set and no properties; its tag is
 *       good, and so is its body, unless that is what is too large.
 */
#ifndef ACKD_AMQP_DELIVERY_H
#define ACKD_AMQP_DELIVERY_H

#include <ackd/message.h>

#include "base/arena.h"
#include "base/list.h"

struct delivery_pool;

struct properties {
    const char *content_type;
    const char *content_encoding;
    const char *correlation_id;
    const char *reply_to;
    const char *expiration;
    const char *message_id;
    const char *type;
    const char *user_id;
    const char *app_id;
    struct ackd_bytes headers; /* the encoded entries, without their length; size 0: none */
    uint64_t timestamp_s;      /* 0: absent */
    int delivery_mode;         /* -1: absent */
    int priority;              /* -1: absent */
};

struct delivery {
    struct list node; /* for its present owner */
    struct delivery_pool *pool;
    void *extra; /* extra_size bytes, zeroed, for the owner */
    uint64_t tag;
    const char *consumer_tag;
    size_t consumer_tag_size; /* bytes, without the end; 0 where it came otherwise */
    const char *exchange;
    const char *routing_key;
    struct properties properties;
    uint64_t body_size; /* as announced; body.size is 0 where it is larger than the limit */
    struct ackd_bytes body;
    const char *poison; /* why it cannot be handed to a handler; NULL: it can */
    int return_code;    /* of basic.return: 312 NO_ROUTE...; 0: not a return */
    const char *return_text;
    uint16_t channel;
    bool redelivered;
    uint8_t *large_body; /* owned; NULL where the body is in the arena */
    struct arena arena;
};

/*
 * Each delivery has @extra_size bytes for its owner. At most @kept idle deliveries are kept for
 * reuse.
 */
ACKD_MUST_CHECK int delivery_pool_new(size_t extra_size, size_t kept,
                                      struct delivery_pool **ret_pool);
/* No delivery may be left. */
void delivery_pool_free(struct delivery_pool **pool);
size_t delivery_pool_live(const struct delivery_pool *pool);

/* An empty one; NULL when out of memory, with the error set. */
struct delivery *delivery_new(struct delivery_pool *pool);
void delivery_free(struct delivery **delivery);

#endif

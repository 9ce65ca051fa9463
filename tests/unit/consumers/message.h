/* SPDX-License-Identifier: MIT */
/*
 * message - a message that a test makes up, for handlers that are linked into the test itself.
 *
 * Stands in for the host: it defines what <ackd/message.h> declares.
 */
#ifndef ACKD_TESTS_MESSAGE_H
#define ACKD_TESTS_MESSAGE_H

#include <ackd/message.h>

struct ackd_message {
    const char *body; /* NULL: none */
    size_t size;
    const char *exchange, *routing_key, *queue; /* NULL reads as "" */
    const char *content_type, *content_encoding, *correlation_id, *reply_to, *expiration, *id,
        *type, *user_id, *app_id;
    bool redelivered;
    uint32_t attempt;
    uint64_t timestamp_s;
    int priority;
    const struct ackd_header *headers;
    size_t header_count;
};

#endif

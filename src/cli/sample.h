/* SPDX-License-Identifier: MIT */
/*
 * sample - made-up deliveries from lines of text: for `ackd try`.
 *
 * A line is a body; or, with JSON, an object: body (a string, or any value, written as JSON),
 * routing_key, exchange, redelivered, content_type, content_encoding, correlation_id, reply_to,
 * expiration, message_id, type, user_id, app_id, priority, delivery_mode, timestamp, and headers
 * (an object of strings, numbers and booleans).
 */
#ifndef ACKD_CLI_SAMPLE_H
#define ACKD_CLI_SAMPLE_H

#include "amqp/delivery.h"

/* @line of @size bytes becomes a delivery. ACKD_E_SYNTAX says what is wrong with the JSON;
 * ACKD_E_NOMEM. */
ACKD_MUST_CHECK int sample_make(struct delivery_pool *pool, const char *line, size_t size,
                                bool json, struct delivery **ret_delivery);

#endif

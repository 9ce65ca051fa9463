/* SPDX-License-Identifier: MIT */
/* test_delivery - a made-up message, as if a broker had delivered it. */
#ifndef ACKD_HOST_TEST_DELIVERY_H
#define ACKD_HOST_TEST_DELIVERY_H

#include <ackd/test.h>

#include "amqp/delivery.h"

/* A delivery of @pool with copies of all that @message says. ACKD_E_INVAL for a header's name that
 * is too long, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int test_delivery_make(struct delivery_pool *pool,
                                       const struct ackd_test_message *message,
                                       struct delivery **ret_delivery);

#endif

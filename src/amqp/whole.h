/* SPDX-License-Identifier: MIT */
/* whole - the short way for what comes most: a small message whose frames are all in the input. */
#ifndef ACKD_AMQP_WHOLE_H
#define ACKD_AMQP_WHOLE_H

#include "amqp/inside.h"

/*
 * Take the message that is whole at the front of the input. TAKEN_EVENT; TAKEN_NOTHING, and nothing
 * was touched, where there is none or anything about its frames is not plain: then they go the long
 * way, which knows what to say of them. Or an error.
 */
ACKD_MUST_CHECK int whole_take(struct connection *connection, struct connection_event *event);

#endif

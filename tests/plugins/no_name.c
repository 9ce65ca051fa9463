/* SPDX-License-Identifier: MIT */
/* no_name - a consumer without a name. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

ACKD_CONSUMER(.handle = handle);

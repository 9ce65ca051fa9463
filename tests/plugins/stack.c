/* SPDX-License-Identifier: MIT */
/* stack - a sound handler, but linked so that its stack can be executed. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "stack", .handle = handle);

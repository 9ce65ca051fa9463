/* SPDX-License-Identifier: MIT */
/* noop - a handler that is done at once: what is left is the cost of the host. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "noop", .help = "does nothing, successfully", .handle = handle);

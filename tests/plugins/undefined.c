/* SPDX-License-Identifier: MIT */
/* undefined - calls a function that this version of ackd does not have. */
#include <ackd/ackd.h>

int ackd_from_the_future(void);

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ackd_from_the_future();
}

ACKD_CONSUMER(.name = "undefined", .handle = handle);

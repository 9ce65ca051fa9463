/* SPDX-License-Identifier: MIT */
/* await - a handler that waits for 20 ms, as for a database, and holds no thread meanwhile. */
#include <ackd/ackd.h>

enum { AWAIT_MS = 20 };

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    ACKD_TRY(ackd_delay(AWAIT_MS));
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "await", .help = "waits for 20 ms, successfully", .handle = handle);

/* SPDX-License-Identifier: MIT */
/* bad_run - a consumer whose service fails in a way that there is not. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

static int run(void *state)
{
    (void)state;
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "bad_run", .handle = handle, .run = run,
              .run_failure = (enum ackd_service_failure)7);

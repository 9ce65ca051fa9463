/* SPDX-License-Identifier: MIT */
/* bad_options - its table names a member that is outside of its state. */
#include <ackd/ackd.h>

struct bad {
    uint64_t one;
    uint64_t two;
};

static const struct ackd_option options[] = {ACKD_OPTION(struct bad, two, SIZE), ACKD_OPTIONS_END};

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "bad_options", .handle = handle, .options = options, .state_size = 8);

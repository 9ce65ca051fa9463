/* SPDX-License-Identifier: MIT */
/* smaller - from a time when descriptors ended with handle. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

extern ACKD_API const struct ackd_consumer ackd_consumer;
const struct ackd_consumer ackd_consumer = {
    .size = offsetof(struct ackd_consumer, stop),
    .abi_major = ACKD_ABI_MAJOR,
    .name = "smaller",
    .handle = handle,
    .stop = (int (*)(void *))1, /* what stands behind an older descriptor is not its own */
};

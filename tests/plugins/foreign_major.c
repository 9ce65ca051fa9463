/* SPDX-License-Identifier: MIT */
/* foreign_major - built for the next major version of the ABI. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

extern ACKD_API const struct ackd_consumer ackd_consumer;
const struct ackd_consumer ackd_consumer = {
    .size = sizeof(struct ackd_consumer),
    .abi_major = ACKD_ABI_MAJOR + 1,
    .name = "foreign",
    .handle = handle,
};

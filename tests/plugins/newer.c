/* SPDX-License-Identifier: MIT */
/* newer - built for a later minor version, of which it uses nothing. */
#include <ackd/ackd.h>

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

/* A descriptor that has grown by one member. */
struct later {
    struct ackd_consumer consumer;
    uint64_t more;
};

extern ACKD_API const struct later ackd_consumer_later __asm__("ackd_consumer");
const struct later ackd_consumer_later = {
    .consumer = {.size = sizeof(struct later),
                 .abi_major = ACKD_ABI_MAJOR,
                 .abi_minor = ACKD_ABI_MINOR + 1,
                 .name = "newer",
                 .handle = handle},
    .more = 0,
};

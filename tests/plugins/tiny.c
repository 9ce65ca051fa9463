/* SPDX-License-Identifier: MIT */
/* tiny - a symbol of that name which is something else. */
#include <ackd/ackd.h>

extern ACKD_API const uint64_t ackd_consumer_number __asm__("ackd_consumer");
const uint64_t ackd_consumer_number = 4;

/* SPDX-License-Identifier: MIT */
/* memory - stands in for the memory of a task: it defines what <ackd/memory.h> declares. */
#ifndef ACKD_TESTS_MEMORY_H
#define ACKD_TESTS_MEMORY_H

void memory_reset(void);

#endif

/* SPDX-License-Identifier: MIT */
/* unguarded - a frame as compilers make it without -fstack-clash-protection. */
#ifndef ACKD_TESTS_TASK_UNGUARDED_H
#define ACKD_TESTS_TASK_UNGUARDED_H

/* A task: the lowest byte of a frame of 200 KiB is the first and the only one that it touches. */
int unguarded_use_large_local(void *arg);

#endif

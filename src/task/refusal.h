/* SPDX-License-Identifier: MIT */
/*
 * refusal - misuse that is refused, in one way everywhere.
 *
 * What is refused has no effect. It returns a code with its error; it is counted; and the first
 * time at each place in the program it is logged, with a backtrace.
 */
#ifndef ACKD_TASK_REFUSAL_H
#define ACKD_TASK_REFUSAL_H

#include <ackd/abi.h>
#include <ackd/error.h>
#include <stdint.h>

/*
 * Refuse with @code, which is returned. The place is @file and @line where the caller's are known.
 * @site is for functions that are not told them: the address they return to; else NULL.
 */
int refusal_at(int code, const void *site, const char *file, int line, const char *function,
               const char *format, ...) ACKD_PRINTF(6, 7);

/* For a function that handlers call and that is not told from where. */
#define refusal_here(code, ...) \
    refusal_at((code), __builtin_return_address(0), ACKD_HERE, __VA_ARGS__)

/* Refusals in this process so far. From any thread. */
uint64_t refusal_count(void);

#endif

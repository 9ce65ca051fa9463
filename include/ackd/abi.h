/* SPDX-License-Identifier: MIT */
/*
 * abi - what a handler and the host agree on before either calls the other.
 *
 * The host refuses a handler of another major number. A larger minor number only adds: functions,
 * or members at the end of a structure that starts with its size.
 *
 *   1.0  2026-11  the first: consumers, messages, tasks, scopes, cancellation, errors, memory, log,
 * processes
 *   1.1  2026-11  handle_batch at the end of struct ackd_consumer, and <ackd/batch.h>; <ackd/publish.h>
 */
#ifndef ACKD_ABI_H
#define ACKD_ABI_H

#define ACKD_ABI_MAJOR 1
#define ACKD_ABI_MINOR 1

#ifdef __cplusplus
#define ACKD_BEGIN_DECLS extern "C" {
#define ACKD_END_DECLS }
#else
#define ACKD_BEGIN_DECLS
#define ACKD_END_DECLS
#endif

/* Exported from libackd, and from a plugin its one descriptor. */
#define ACKD_API __attribute__((visibility("default")))

/* The result must be looked at: a failure that nobody reads is a failure that nobody handles. */
#define ACKD_MUST_CHECK __attribute__((warn_unused_result))

#define ACKD_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))

/*
 * A function so marked may suspend the calling task: other tasks of the loop run before it returns.
 * It is a cancellation point, and returns ACKD_E_NOT_IN_TASK, having done nothing, where no task
 * runs.
 */
#define ACKD_SUSPENDS ACKD_MUST_CHECK

/* The place of a call, for errors, spawns and awaits. */
#define ACKD_HERE __FILE__, __LINE__, __func__

#endif

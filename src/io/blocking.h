/* SPDX-License-Identifier: MIT */
/*
 * blocking - what becomes of a call that would block a loop, while the program runs.
 *
 * The program `ackd` has functions of the same names in front of the C library's
 * (cli/interpose.c); they ask here first. Only a call made by a task is looked at: the broker's
 * thread, pools and libraries' threads have none.
 *
 *   B1  One report for each place that calls, whatever the policy but ALLOW.
 *   B2  A report is written by a thread of the watchdog, where there is one: names of functions cost
 *       time and stack.
 */
#ifndef ACKD_IO_BLOCKING_H
#define ACKD_IO_BLOCKING_H

#include <ackd/blocking.h>
#include <ackd/runtime.h>
#include <stdbool.h>
#include <stdint.h>

/* Of the process, from any thread. At first WARN. */
void blocking_set_policy(enum ackd_blocking_policy policy);

/*
 * A function of that name is called, to return to @place: whether it must not be done. For the
 * program only: libackd exports it beside ackd_main.
 */
ACKD_API bool ackd_blocking_refuses(const char *call, const void *place);

/* Whether @function is one of those that are looked at. */
bool blocking_is_call(const char *function);

/*
 * Reports are left for whoever calls blocking_write_reports, after wake(arg) asked for it, from any
 * thread. False: there is somebody else. Without anybody they are written where they arise.
 */
bool blocking_take_reports(void (*wake)(void *arg), void *arg);
void blocking_leave_reports(void *arg);
void blocking_write_reports(void);

/* Calls by tasks so far, also those from places that were reported before. */
uint64_t blocking_count(void);

#endif

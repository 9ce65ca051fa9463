/* SPDX-License-Identifier: MIT */
/*
 * thread - a thread that no signal but a fault interrupts. Private to io.
 *
 * Signals belong to the main thread: a handler that ran on a task's stack would need stack there.
 */
#ifndef ACKD_IO_THREAD_H
#define ACKD_IO_THREAD_H

#include <ackd/abi.h>
#include <pthread.h>
#include <stdbool.h>

/*
 * Run run(arg) on a new thread, named as the first 15 characters of @name. With @ret_thread NULL
 * nobody waits for its end, and it names itself. ACKD_E_OS.
 */
ACKD_MUST_CHECK int thread_start(const char *name, void *(*run)(void *arg), void *arg,
                                 pthread_t *ret_thread);
/* Of the calling thread. */
void thread_set_name(const char *name);

#endif

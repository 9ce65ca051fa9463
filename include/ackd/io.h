/* SPDX-License-Identifier: MIT */
/*
 * io - what a handler awaits outside of ackd. Each header below can be included alone.
 *
 *   - A call that waits holds no thread and can be cancelled. After it returned, for whatever
 *     reason, the caller's memory is not touched any more.
 *   - In a cancelled scope nothing is started: a socket sees no bytes, a name is not looked up.
 *   - What can be had at once is had at once, without suspending; a task that never has to wait is
 *     made to yield now and then.
 *   - A handle belongs to the loop of the task that opened it; calls from another return
 *     ACKD_E_WRONG_LOOP. Outside of tasks calls return ACKD_E_NOT_IN_TASK.
 *   - Two tasks may use a connection or a descriptor at a time, one that reads and one that writes;
 *     another one gets ACKD_E_INVAL. Whoever closes it wakes them with ACKD_E_CLOSED; nobody may
 *     use it after that.
 *   - A handle that is declared with the macro of its kind is closed at the end of the block.
 */
#ifndef ACKD_IO_H
#define ACKD_IO_H

#include <ackd/descriptor.h>
#include <ackd/file.h>
#include <ackd/name.h>
#include <ackd/process.h>
#include <ackd/signal.h>
#include <ackd/tcp.h>

#endif

/* SPDX-License-Identifier: MIT */
/*
 * signal - signals as something to await. What holds for all of <ackd/io.h> holds here.
 *
 *     ACKD_SIGNAL(rotate);
 *     ACKD_TRY(ackd_signal_open(SIGUSR1, &rotate));
 *     for (;;) {
 *         ACKD_TRY(ackd_signal_await(rotate));
 *         ACKD_TRY(rotate_files());
 *     }
 */
#ifndef ACKD_SIGNAL_H
#define ACKD_SIGNAL_H

#include <ackd/abi.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

struct ackd_signal;

/* Declare one, not yet opened, that is closed at the end of the block. */
#define ACKD_SIGNAL(signal) \
    __attribute__((cleanup(ackd_signal_close))) struct ackd_signal *signal = NULL

/*
 * Take the signal @number from here on: what it did by default it does no more, while anybody has it
 * open. Several may have the same one, and each gets it. Does not suspend. ACKD_E_INVAL for what
 * nobody can take (KILL, STOP), what tells of a fault (SEGV, BUS, FPE, ILL, ABRT, TRAP, SYS), what
 * the runtime lives on (CHLD, URG, PIPE), and, where the host handles them, TERM, INT, HUP and QUIT:
 * those reach a task as cancellation. ACKD_E_OS; ACKD_E_NOMEM; ACKD_E_NOT_IN_TASK.
 *
 * Loops do not take signals on their own threads: one of the program's others, as a rule the main
 * one, must not block it.
 */
ACKD_API ACKD_MUST_CHECK int ackd_signal_open(int number, struct ackd_signal **ret_signal);
/* @signal becomes NULL; NULL does nothing. */
ACKD_API void ackd_signal_close(struct ackd_signal **signal);

/*
 * Wait until it came, since it was opened or since this last returned ACKD_OK; several that came
 * meanwhile are one. One that came in a cancelled wait is there for the next. ACKD_CANCELED;
 * ACKD_E_CLOSED; ACKD_E_INVAL where another task waits for the same handle; ACKD_E_WRONG_LOOP.
 */
#define ackd_signal_await(signal) ackd_signal_await_at((signal), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_signal_await_at(struct ackd_signal *signal, const char *file,
                                                int line, const char *function);

ACKD_END_DECLS

#endif

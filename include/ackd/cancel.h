/* SPDX-License-Identifier: MIT */
/*
 * cancel - asking work to stop, and bounding how long it may take.
 *
 * Cancellation is ambient: every await looks at the task's enclosing scopes, deadlines and shields,
 * so there is no token to forget. It is level-triggered: once cancelled, each further await returns
 * ACKD_CANCELED at once and starts nothing, until the scope that was cancelled is left. It is not a
 * failure and has no error; it has a reason.
 */
#ifndef ACKD_CANCEL_H
#define ACKD_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

enum ackd_cancel_reason {
    ACKD_CANCEL_NONE,
    ACKD_CANCEL_REQUESTED,      /* somebody asked for it */
    ACKD_CANCEL_DEADLINE,       /* an enclosing deadline passed */
    ACKD_CANCEL_SIBLING_FAILED, /* another child of a fail-fast scope failed */
    ACKD_CANCEL_LOST_RACE,      /* another alternative was first */
    ACKD_CANCEL_PARENT,         /* the block that owns the scope was left */
    ACKD_CANCEL_CHANNEL_CLOSED, /* the delivery's channel died: its result cannot count any more */
    ACKD_CANCEL_SHUTDOWN,       /* the host stops */
    ACKD_CANCEL_PAUSE           /* the consumer is paused */
};

/* "requested", "deadline", "sibling-failed", ... */
ACKD_API const char *ackd_cancel_reason_name(enum ackd_cancel_reason reason);

/* Whether the current task is asked to stop, and why. Never suspends; outside of tasks: false,
 * NONE. */
ACKD_API bool ackd_cancellation_requested(void);
ACKD_API enum ackd_cancel_reason ackd_cancel_reason(void);

/*
 * A time limit on what follows, up to the matching pop, in this task and in children spawned
 * meanwhile. Limits only shorten. Owned by the block; must not be copied. pop takes what the body
 * returned, and returns ACKD_E_TIMEOUT, with what was awaited, if the body ended in ACKD_CANCELED
 * because this very limit passed; the body's code otherwise: a limit further out stays
 * ACKD_CANCELED, and success stays success.
 */
struct ackd_deadline {
    void *opaque[14];
};
ACKD_API void ackd_deadline_push_at(struct ackd_deadline *deadline, uint64_t ms, const char *file,
                                    int line, const char *function);
#define ackd_deadline_push(deadline, ms) ackd_deadline_push_at((deadline), (ms), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_deadline_pop(struct ackd_deadline *deadline, int body_code);

/* Milliseconds to the nearest limit; UINT64_MAX without one. */
ACKD_API uint64_t ackd_time_left_ms(void);

/*
 * Clean-up that must be done even though the task is cancelled: up to the matching pop,
 * cancellation from outside is not seen, for at most @ms milliseconds, after which awaits return
 * ACKD_CANCELED again. ACKD_E_INVAL for 0: a shield has a bound.
 */
struct ackd_shield {
    void *opaque[14];
};
ACKD_API ACKD_MUST_CHECK int ackd_shield_push(struct ackd_shield *shield, uint64_t ms);
ACKD_API void ackd_shield_pop(struct ackd_shield *shield);

/*
 * Call fn(arg) on this loop when the current task is cancelled: once, and at once if it already is.
 * The call must not await. Registrations run last-registered first; the caller's memory, and
 * removed before it goes.
 */
struct ackd_cancel_call {
    void *opaque[6];
};
ACKD_API void ackd_cancel_call_add(struct ackd_cancel_call *call, void (*fn)(void *arg), void *arg);
ACKD_API void ackd_cancel_call_remove(struct ackd_cancel_call *call);

ACKD_END_DECLS

#endif

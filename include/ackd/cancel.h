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
#include <stddef.h>
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

/*
 * What is ambient stays within a loop. A source is for the rest: it may be cancelled from any
 * thread, and whoever holds one of its tokens sees that. Cancelling marks it at once; calls
 * registered on a loop run on that loop, outside of tasks, those registered elsewhere on the thread
 * that cancels; none may await. Reference-counted; a token holds no reference and is good while
 * somebody holds one.
 *
 * The guarantees are those of .NET's CancellationTokenSource: calls run last-registered first, each
 * once; a second cancellation returns at once and changes nothing; after unregister returned, the
 * call neither runs nor ever will, unless unregister was called from within that very call.
 */
struct ackd_cancel_source;
struct ackd_token {
    struct ackd_cancel_source *source; /* NULL: never cancelled */
};

/* With one reference. ACKD_E_NOMEM. */
ACKD_API ACKD_MUST_CHECK int ackd_cancel_source_new(struct ackd_cancel_source **ret_source);
/*
 * A source that any of its parents cancels, with the reason PARENT and the parent's who; cancelling
 * it leaves them as they are. It keeps a reference on each. ACKD_E_NOMEM.
 */
ACKD_API ACKD_MUST_CHECK int ackd_cancel_source_link(const struct ackd_token *parents, size_t count,
                                                     struct ackd_cancel_source **ret_source);
/* NULL for what nobody can keep: no source, or that of a job's token, which ends with the job. */
ACKD_API struct ackd_cancel_source *ackd_cancel_source_ref(struct ackd_cancel_source *source);
/* The last one drops what is still registered, and says so in the log: it will never be called. */
ACKD_API void ackd_cancel_source_unref(struct ackd_cancel_source *source);
ACKD_API struct ackd_token ackd_cancel_source_token(struct ackd_cancel_source *source);

/* Any thread; only the first counts. @who is copied (63 bytes), and shown; may be NULL. */
ACKD_API void ackd_cancel(struct ackd_cancel_source *source, enum ackd_cancel_reason reason,
                          const char *who);
/*
 * Cancel it with DEADLINE in @ms milliseconds, in place of an earlier such request; 0 cancels
 * before it returns, UINT64_MAX takes the request back. Nothing happens once cancelled. In a task
 * or a call on its loop, always of the same loop: ACKD_E_NOT_IN_TASK, ACKD_E_WRONG_LOOP;
 * ACKD_E_INVAL for the source of a job's token.
 */
ACKD_API ACKD_MUST_CHECK int ackd_cancel_after(struct ackd_cancel_source *source, uint64_t ms);
/* Make it as new, without its registrations and its cancel_after. False, changing nothing, if it
 * was cancelled. */
ACKD_API bool ackd_cancel_source_try_reset(struct ackd_cancel_source *source);

/* Any thread. */
ACKD_API bool ackd_token_canceled(struct ackd_token token);
/* NONE if it is not; @ret_who, which may be NULL, lives as long as the source. */
ACKD_API enum ackd_cancel_reason ackd_token_reason(struct ackd_token token, const char **ret_who);
/*
 * What cancels the current task here, as a token for others: good until the innermost scope,
 * deadline or shield is left, or the task ends. {NULL} outside of tasks or out of memory.
 */
ACKD_API struct ackd_token ackd_token_current(void);

/* The caller's memory, until it was called or unregistered; nothing is allocated. */
struct ackd_cancel_registration {
    void *opaque[10];
};
/*
 * Call fn(arg) once when @token is cancelled; if it is already, before this returns. On a loop that
 * ended meanwhile it is never called.
 */
ACKD_API void ackd_cancel_register(struct ackd_token token,
                                   struct ackd_cancel_registration *registration,
                                   void (*fn)(void *arg), void *arg);
ACKD_API void ackd_cancel_unregister(struct ackd_cancel_registration *registration);

/*
 * The current task, and children spawned meanwhile, also heed @token up to the matching pop, as if
 * it were a scope around them. pop returns what the body returned; a task that ends with the
 * ACKD_CANCELED of such a block counts as cancelled, for the token's reason. Owned by the block.
 */
struct ackd_token_block {
    void *opaque[16];
};
ACKD_API void ackd_token_push_at(struct ackd_token_block *block, struct ackd_token token,
                                 const char *file, int line, const char *function);
#define ackd_token_push(block, token) ackd_token_push_at((block), (token), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_token_pop(struct ackd_token_block *block, int body_code);

ACKD_END_DECLS

#endif

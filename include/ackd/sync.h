/* SPDX-License-Identifier: MIT */
/*
 * sync - how tasks of one loop take turns: semaphore, mutex, event, once, and a timer that ticks.
 *
 * Tasks of a loop run one at a time, so what they share needs no lock between awaits; these are for
 * what must hold across awaits. Nothing here holds a thread, allocates, or crosses loops: calls
 * from another loop return ACKD_E_WRONG_LOOP. Each is the caller's memory, in the state of a handler
 * or on a task's stack, must not be moved between init and fini, and belongs to the loop it was
 * first used on. Waiters are served first come, first served. A waiter that is cancelled has taken
 * nothing; a grant that comes together with a cancellation counts. fini is for when nobody waits:
 * who does gets ACKD_E_CLOSED, and the log says so.
 */
#ifndef ACKD_SYNC_H
#define ACKD_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/cancel.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

/* At most so many at once; what SemaphoreSlim is to .NET. */
struct ackd_semaphore {
    void *opaque[10];
};
/* @initial permits, of at most @max. ACKD_E_INVAL where max is 0 or below initial. @name is
 * borrowed, and shown in dumps. */
ACKD_API ACKD_MUST_CHECK int ackd_semaphore_init(struct ackd_semaphore *semaphore, const char *name,
                                                 size_t initial, size_t max);
ACKD_API void ackd_semaphore_fini(struct ackd_semaphore *semaphore);
#define ackd_semaphore_acquire(semaphore) ackd_semaphore_acquire_at((semaphore), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_semaphore_acquire_at(struct ackd_semaphore *semaphore,
                                                     const char *file, int line,
                                                     const char *function);
/* Whether there was a permit, which is the caller's then; it does not pass those who wait. */
ACKD_API ACKD_MUST_CHECK bool ackd_semaphore_try_acquire(struct ackd_semaphore *semaphore);
/* ACKD_E_FULL beyond the maximum: somebody released what nobody had acquired. */
ACKD_API ACKD_MUST_CHECK int ackd_semaphore_release(struct ackd_semaphore *semaphore);
ACKD_API size_t ackd_semaphore_available(const struct ackd_semaphore *semaphore);

/*
 * One task at a time, which also is the one that unlocks. Not recursive: ACKD_E_CYCLE for a caller
 * that holds it, or whose holder waits, directly or through others, for the caller. It is unlocked
 * for a task that ends without doing so, and the log says so.
 */
struct ackd_mutex {
    void *opaque[10];
};
ACKD_API void ackd_mutex_init(struct ackd_mutex *mutex, const char *name);
ACKD_API void ackd_mutex_fini(struct ackd_mutex *mutex);
#define ackd_mutex_lock(mutex) ackd_mutex_lock_at((mutex), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_mutex_lock_at(struct ackd_mutex *mutex, const char *file, int line,
                                              const char *function);
ACKD_API ACKD_MUST_CHECK bool ackd_mutex_try_lock(struct ackd_mutex *mutex);
/* ACKD_E_INVAL where the caller does not hold it. */
#define ackd_mutex_unlock(mutex) ackd_mutex_unlock_at((mutex), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_mutex_unlock_at(struct ackd_mutex *mutex, const char *file,
                                                  int line, const char *function);

/* Something that is so, or is not yet; ManualResetEvent, or with @resets AutoResetEvent: each set
 * lets one waiter through. */
struct ackd_event {
    void *opaque[10];
};
ACKD_API void ackd_event_init(struct ackd_event *event, const char *name, bool resets);
ACKD_API void ackd_event_fini(struct ackd_event *event);
/* In a task or a callback of the loop, like reset; else ACKD_E_WRONG_LOOP, which is logged. */
ACKD_API int ackd_event_set(struct ackd_event *event);
ACKD_API int ackd_event_reset(struct ackd_event *event);
ACKD_API bool ackd_event_is_set(const struct ackd_event *event);
#define ackd_event_await(event) ackd_event_await_at((event), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_event_await_at(struct ackd_event *event, const char *file, int line,
                                               const char *function);

/*
 * Done once, however many ask: the first caller runs fn(arg), the others wait for it. A failure, or
 * a cancellation of the one who ran it, is that one's: the next to ask runs it again. Zeroed memory
 * is ready for use.
 */
struct ackd_once {
    void *opaque[10];
};
#define ackd_once(once, fn, arg) ackd_once_at((once), (fn), (arg), #fn, ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_once_at(struct ackd_once *once, int (*fn)(void *arg), void *arg,
                                        const char *name, const char *file, int line,
                                        const char *function);

/*
 * A timer that ticks every @period_ms; what PeriodicTimer is to .NET. next waits for a tick; ticks
 * that pass while nobody waits are one. One task may wait at a time: ACKD_E_INVAL for a second.
 * After stop, from any task of the loop, next returns ACKD_E_CLOSED. It stops at the latest when the
 * task that started it ends.
 */
struct ackd_periodic {
    void *opaque[10];
};
/* ACKD_E_INVAL for 0, ACKD_E_NOMEM, ACKD_E_NOT_IN_TASK. */
#define ackd_periodic_start(periodic, period_ms) \
    ackd_periodic_start_at((periodic), (period_ms), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_periodic_start_at(struct ackd_periodic *periodic,
                                                    uint64_t period_ms, const char *file, int line,
                                                    const char *function);
#define ackd_periodic_next(periodic) ackd_periodic_next_at((periodic), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_periodic_next_at(struct ackd_periodic *periodic, const char *file,
                                                 int line, const char *function);
ACKD_API void ackd_periodic_stop(struct ackd_periodic *periodic);

ACKD_END_DECLS

#endif

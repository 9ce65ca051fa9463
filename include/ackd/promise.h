/* SPDX-License-Identifier: MIT */
/*
 * promise - a result that something other than a task will bring: a callback, another thread.
 *
 * What TaskCompletionSource is to .NET: whoever waits awaits the promise, whoever has the result
 * resolves it, from any thread; the first to do so wins. Resolving never runs the waiter inside the
 * call: it goes on on its own loop.
 *
 * An operation (ackd_op) is the other half of a call that may wait: start it now, do something
 * else, await it later, without a task and without an allocation; what ValueTask is to .NET.
 */
#ifndef ACKD_PROMISE_H
#define ACKD_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/cancel.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

/*
 * Made in a task, awaited by tasks of its loop, resolved from anywhere. Reference-counted, because
 * the callback may outlive the waiter: new gives one reference, and each party that keeps it takes
 * its own. The last unref of one that is not resolved resolves it with ACKD_E_ABANDONED, whose
 * error says where it was made. Those who wait keep its memory, but are no such party: a task that
 * holds a reference while it waits waits as long as it does itself. ackd_promise_take does not.
 *
 * References may outlive the loop: once it has ended, to resolve it only decides it.
 */
struct ackd_promise;

/* @what is borrowed, and shown in dumps and errors: "price of order 7". ACKD_E_NOMEM,
 * ACKD_E_NOT_IN_TASK. */
#define ackd_promise_new(what, ret_promise) ackd_promise_new_at((what), (ret_promise), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_promise_new_at(const char *what,
                                                 struct ackd_promise **ret_promise,
                                                 const char *file, int line, const char *function);
/* Any thread. */
ACKD_API struct ackd_promise *ackd_promise_ref(struct ackd_promise *promise);
ACKD_API void ackd_promise_unref(struct ackd_promise *promise);

/*
 * Any thread. Whether this call is the one that decided it: if not, @value stays the caller's. fail
 * takes @code and, if it is for that code, the caller's current error, which moves; a failure that
 * nobody awaits is reported.
 */
ACKD_API bool ackd_promise_resolve(struct ackd_promise *promise, void *value);
ACKD_API bool ackd_promise_fail(struct ackd_promise *promise, int code);
ACKD_API bool ackd_promise_cancel(struct ackd_promise *promise);
ACKD_API bool ackd_promise_is_resolved(const struct ackd_promise *promise);

/*
 * Wait for it, any number of times, by any number of tasks of its loop; @ret_value may be NULL. The
 * code it failed with, ACKD_CANCELED if it was cancelled or the caller is (ackd_promise_is_resolved
 * tells), ACKD_E_WRONG_LOOP.
 */
#define ackd_promise_await(promise, ret_value) \
    ackd_promise_await_at((promise), (ret_value), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_promise_await_at(struct ackd_promise *promise, void **ret_value,
                                                 const char *file, int line, const char *function);

/*
 * Wait for it as await does, and let the caller's reference go as the wait begins: with that and
 * nobody left who could resolve it, it is abandoned, not waited for. A caller that is cancelled
 * cancels it, so that whoever brings the result hears that nobody takes it. The usual way:
 *
 *     ACKD_TRY(ackd_promise_new("price", &promise));
 *     ask_for_price(answer, ackd_promise_ref(promise));  ... which resolves and unrefs ...
 *     return ackd_promise_take(&promise, &price);
 */
#define ackd_promise_take(promise, ret_value) \
    ackd_promise_take_at((promise), (ret_value), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_promise_take_at(struct ackd_promise **promise, void **ret_value,
                                                const char *file, int line, const char *function);

/*
 * On the caller's stack or in a structure of its own; must stay where it is until it is awaited or
 * cancelled. Belongs to the task that started it. One that is left behind, because its block or its
 * task ended, is cancelled at the task's next await or end, and the log says so (debug).
 */
struct ackd_op {
    uint32_t version; /* tells its uses apart */
    uint32_t state;
    void *opaque[2];
};

struct ackd_mailbox;
struct ackd_semaphore;

/*
 * Start: each may complete at once. The same checks and codes as the awaiting function, and
 * ACKD_E_NOMEM; how it went is what await returns. What is received is in @ret_item, @ret_value only
 * then.
 */
#define ackd_op_delay(op, ms) ackd_op_delay_at((op), (ms), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_op_delay_at(struct ackd_op *op, uint64_t ms, const char *file,
                                              int line, const char *function);
#define ackd_op_promise(op, promise, ret_value) \
    ackd_op_promise_at((op), (promise), (ret_value), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_op_promise_at(struct ackd_op *op, struct ackd_promise *promise,
                                                void **ret_value, const char *file, int line,
                                                const char *function);
#define ackd_op_receive(op, mailbox, ret_item) \
    ackd_op_receive_at((op), (mailbox), (ret_item), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_op_receive_at(struct ackd_op *op, struct ackd_mailbox *mailbox,
                                                void **ret_item, const char *file, int line,
                                                const char *function);
#define ackd_op_acquire(op, semaphore) ackd_op_acquire_at((op), (semaphore), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_op_acquire_at(struct ackd_op *op,
                                                struct ackd_semaphore *semaphore, const char *file,
                                                int line, const char *function);

ACKD_API bool ackd_op_is_completed(const struct ackd_op *op);
/*
 * Once: the result, waiting for it if need be. A second time, or one that was never started:
 * ACKD_E_CONSUMED. If it has completed, its result is returned to a cancelled caller too: what it
 * took is not lost. Otherwise a caller that is cancelled gets ACKD_CANCELED, and the operation has
 * not happened: no item taken, no permit held.
 */
#define ackd_op_await(op) ackd_op_await_at((op), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_op_await_at(struct ackd_op *op, const char *file, int line,
                                            const char *function);
/* Give it up: it has not happened (true), or it had completed, and the permit or the item it had is
 * given back (false; so, too, for one not under way). The memory is free afterwards. */
ACKD_API bool ackd_op_cancel(struct ackd_op *op);

ACKD_END_DECLS

#endif

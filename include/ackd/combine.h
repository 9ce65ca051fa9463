/* SPDX-License-Identifier: MIT */
/*
 * combine - waiting for several things at once, and trying several ways to one result.
 *
 * when_all and when_any wait for tasks that the caller spawned, as .NET's Task.WhenAll and WhenAny
 * do, except that nothing hides behind "the first exception": when_all returns every failure. race,
 * failover, hedge and for_each own what they start: they return only after all of it has ended.
 *
 * Everywhere a failure counts before a cancellation, and a cancellation before success.
 */
#ifndef ACKD_COMBINE_H
#define ACKD_COMBINE_H

#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/cancel.h>
#include <ackd/error.h>
#include <ackd/task.h>

ACKD_BEGIN_DECLS

/*
 * Wait until all have ended, also when one fails early. One failure: its code and error. More:
 * ACKD_E_AGGREGATE, with them as children in the order of @tasks, a task given twice once. None,
 * but some cancelled: ACKD_CANCELED, and ackd_awaited_reason. ACKD_OK for none at all. ACKD_E_INVAL for a NULL among them,
 * before it waits. When the caller is cancelled, it returns ACKD_CANCELED, leaves the tasks running
 * and has looked at no failure.
 */
ACKD_API ACKD_SUSPENDS int ackd_when_all_at(struct ackd_task *const *tasks, size_t count,
                                            const char *file, int line, const char *function);
#define ackd_when_all(tasks, count) ackd_when_all_at((tasks), (count), ACKD_HERE)

/*
 * Wait until one has ended, and say which; of several the lowest index. How it ended is not looked
 * at: await it. ACKD_E_INVAL for none, or for a NULL among them.
 */
ACKD_API ACKD_SUSPENDS int ackd_when_any_at(struct ackd_task *const *tasks, size_t count,
                                            size_t *ret_index, const char *file, int line,
                                            const char *function);
#define ackd_when_any(tasks, count, ret_index) \
    ackd_when_any_at((tasks), (count), (ret_index), ACKD_HERE)

/*
 * The same, then cancel the others with LOST_RACE, wait for them, and return what the winner
 * returned; failures of the others are children of its error, or reported where it has none. A
 * cancelled caller cancels all of them, waits for them, and looks at none. In a fail-fast scope a
 * failure of theirs is the scope's, too: a supervised one is meant for this.
 */
ACKD_API ACKD_SUSPENDS int ackd_race_at(struct ackd_task *const *tasks, size_t count,
                                        size_t *ret_index, const char *file, int line,
                                        const char *function);
#define ackd_race(tasks, count, ret_index) ackd_race_at((tasks), (count), (ret_index), ACKD_HERE)

/* One way to the result. */
struct ackd_alternative {
    ackd_task_fn *fn;
    void *arg;
    const char *name; /* of its task; required */
};

struct ackd_failover_options {
    uint64_t per_try_ms;    /* a try that takes longer has failed; 0: no limit */
    const int *final_codes; /* failures after which no other way is tried */
    size_t final_count;
};

/*
 * Try one after the other until one succeeds: @ret_winner (may be NULL) says which. All failed:
 * ACKD_E_AGGREGATE with a child each, in order; the only one is itself. A code among the final ones
 * is returned at once, with those before it as a child. A try that succeeds although its time is
 * over has succeeded. A cancelled caller cancels the try under way, waits for it, and starts no
 * further one. @options may be NULL. ACKD_E_INVAL for none.
 */
ACKD_API ACKD_SUSPENDS int ackd_failover_at(const struct ackd_alternative *alternatives,
                                            size_t count,
                                            const struct ackd_failover_options *options,
                                            size_t *ret_winner, const char *file, int line,
                                            const char *function);
#define ackd_failover(alternatives, count, options, ret_winner) \
    ackd_failover_at((alternatives), (count), (options), (ret_winner), ACKD_HERE)

/*
 * Start the first; each @stagger_ms, and at once when one fails, the next one beside it. The first
 * success wins; the others are cancelled with LOST_RACE and waited for; what fails after that is
 * reported. All failed: as failover. A cancelled caller starts no further one and waits for those
 * that run; a success among them counts.
 */
ACKD_API ACKD_SUSPENDS int ackd_hedge_at(const struct ackd_alternative *alternatives, size_t count,
                                         uint64_t stagger_ms, size_t *ret_winner, const char *file,
                                         int line, const char *function);
#define ackd_hedge(alternatives, count, stagger_ms, ret_winner) \
    ackd_hedge_at((alternatives), (count), (stagger_ms), (ret_winner), ACKD_HERE)

typedef int ackd_each_fn(void *item, void *arg);

struct ackd_for_each_options {
    const char *name;        /* of the tasks; NULL: "for_each" */
    size_t concurrency;      /* bodies alive at once; 0: 16 */
    size_t stack_size;       /* as for spawn */
    struct ackd_token token; /* stops it, too */
    size_t *ret_started;     /* items whose body began; may be NULL */
    size_t *ret_not_started; /* the rest; may be NULL */
};

/*
 * fn(items[i], arg) for each item, a bounded number at once. The first failure starts no further
 * item, cancels those that run with SIBLING_FAILED and waits for them; it is returned, with later
 * ones as children of its error. Where the caller or the token was cancelled before all items were
 * done the result is ACKD_CANCELED, whatever failed after that (as .NET's Parallel.ForEachAsync).
 * @options may be NULL.
 */
ACKD_API ACKD_SUSPENDS int ackd_for_each_at(void *const *items, size_t count, ackd_each_fn *fn,
                                            void *arg, const struct ackd_for_each_options *options,
                                            const char *file, int line, const char *function);
#define ackd_for_each(items, count, fn, arg, options) \
    ackd_for_each_at((items), (count), (fn), (arg), (options), ACKD_HERE)

ACKD_END_DECLS

#endif

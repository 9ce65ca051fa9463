/* SPDX-License-Identifier: MIT */
/* promise - deciding, from any thread, and telling those who wait. It must not know who resolves. */
#include <config.h>

#include "task/promise.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "task/engine.h"
#include "task/home.h"
#include "task/refusal.h"
#include "task/task.h"

enum { PROMISE_MAGIC = 0x9a0315ed };
enum promise_state { PROMISE_PENDING, PROMISE_DECIDING, PROMISE_DECIDED };

struct ackd_promise {
    uint32_t magic;
    atomic_uint references; /* parties that could resolve it */
    atomic_uint holds;      /* V3: one for all references, one for each that waits or has posted */
    _Atomic enum promise_state state;
    int code; /* once decided, as are the next two */
    void *value;
    const struct ackd_error *error; /* owned */
    bool observed;                  /* its loop only: somebody was told */
    struct home *home;              /* with a reference */
    struct scheduler_post post;     /* once decided */
    struct queue waiting;           /* V2 */
    const char *what, *file, *function;
    int line;
};

static const char *promise_what(const struct ackd_promise *promise)
{
    return promise->what == NULL ? "" : promise->what;
}

int ackd_promise_new_at(const char *what, struct ackd_promise **ret_promise, const char *file,
                        int line, const char *function)
{
    if (engine_task() == NULL)
        return refusal_at(ACKD_E_NOT_IN_TASK, NULL, file, line, function,
                          "only a task makes a promise, which its loop then awaits");
    struct ackd_promise *promise = malloc(sizeof *promise);
    if (promise == NULL)
        return ackd_fail_at(ACKD_E_NOMEM, file, line, function, "a promise");
    *promise = (struct ackd_promise){.magic = PROMISE_MAGIC,
                                     .home = home_ref(engine_this->home),
                                     .what = what,
                                     .file = file,
                                     .function = function,
                                     .line = line};
    atomic_init(&promise->references, 1);
    atomic_init(&promise->holds, 1);
    atomic_init(&promise->state, PROMISE_PENDING);
    queue_init(&promise->waiting);
    *ret_promise = promise;
    return ACKD_OK;
}

static void promise_report(const struct ackd_promise *promise)
{
    char text[768];
    atomic_fetch_add_explicit(&promise->home->unobserved, 1, memory_order_relaxed);
    ackd_error_format(promise->error, text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    log_limited("unobserved-failure",
                ACKD_FIELDS(ACKD_FIELD("promise", promise_what(promise)),
                            ACKD_FIELD("code", ackd_code_name(promise->code))),
                "nobody awaited a promise that failed (%s:%d): %s", promise->file, promise->line,
                text);
}

static void promise_hold(struct ackd_promise *promise)
{
    atomic_fetch_add_explicit(&promise->holds, 1, memory_order_relaxed);
}

/* Each lets go of what it has done (release); the last one sees all of it (acquire). */
static void promise_let_go(struct ackd_promise *promise)
{
    if (atomic_fetch_sub_explicit(&promise->holds, 1, memory_order_acq_rel) > 1)
        return;
    ackd_assert(queue_empty(&promise->waiting));
    /* What was abandoned before anybody awaited it was wanted by nobody. */
    if (promise->error != NULL && !promise->observed && promise->code != ACKD_E_ABANDONED)
        promise_report(promise);
    ackd_error_unref(promise->error);
    home_unref(promise->home);
    promise->magic = 0;
    free(promise);
}

/* On its loop: whoever waits can go on. */
static void promise_serve(struct ackd_promise *promise)
{
    for (struct queue_entry *entry; (entry = queue_first(&promise->waiting)) != NULL;)
        queue_grant(entry, ACKD_OK);
}

static void promise_posted(struct scheduler_post *post)
{
    struct ackd_promise *promise = LIST_ITEM(post, ackd_promise, post);
    promise_serve(promise);
    promise_let_go(promise);
}

/* Whether this call is the first: then it writes, and calls promise_publish (V1). */
static bool promise_begin(struct ackd_promise *promise)
{
    ackd_assert(promise->magic == PROMISE_MAGIC);
    enum promise_state pending = PROMISE_PENDING;
    return atomic_compare_exchange_strong_explicit(&promise->state, &pending, PROMISE_DECIDING,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static void promise_publish(struct ackd_promise *promise)
{
    /* Another party may let go of its reference, and the waiters of theirs, as soon as the state is
     * there: this call needs the memory a little longer. */
    promise_hold(promise);
    atomic_store_explicit(&promise->state, PROMISE_DECIDED, memory_order_release);
    if (home_is_here(promise->home)) {
        promise_serve(promise);
    } else {
        promise->post.run = promise_posted;
        if (home_post(promise->home, &promise->post))
            return; /* the post has the hold, V2 */
    }
    promise_let_go(promise);
}

/* Acquires what V1 wrote. */
static bool promise_decided(const struct ackd_promise *promise)
{
    return atomic_load_explicit(&promise->state, memory_order_acquire) == PROMISE_DECIDED;
}

static void promise_abandon(struct ackd_promise *promise)
{
    if (!promise_begin(promise))
        return;
    struct error_slot slot = {0};
    struct error_slot *before = error_slot_use(&slot);
    promise->code = ackd_fail_at(ACKD_E_ABANDONED, promise->file, promise->line, promise->function,
                                 "promise '%s' was abandoned: nobody is left who could resolve it",
                                 promise_what(promise));
    promise->error = error_take();
    error_slot_use(before);
    promise_publish(promise);
}

struct ackd_promise *ackd_promise_ref(struct ackd_promise *promise)
{
    ackd_assert(promise->magic == PROMISE_MAGIC);
    unsigned before = atomic_fetch_add_explicit(&promise->references, 1, memory_order_relaxed);
    ackd_assert(before > 0);
    return promise;
}

void ackd_promise_unref(struct ackd_promise *promise)
{
    if (promise == NULL)
        return;
    ackd_assert(promise->magic == PROMISE_MAGIC);
    unsigned before = atomic_fetch_sub_explicit(&promise->references, 1, memory_order_acq_rel);
    ackd_assert(before > 0);
    if (before > 1)
        return;
    promise_abandon(promise);
    promise_let_go(promise);
}

bool ackd_promise_resolve(struct ackd_promise *promise, void *value)
{
    if (!promise_begin(promise))
        return false;
    promise->value = value;
    promise_publish(promise);
    return true;
}

bool ackd_promise_fail(struct ackd_promise *promise, int code)
{
    if (code == ACKD_CANCELED)
        return ackd_promise_cancel(promise);
    if (!promise_begin(promise))
        return false;
    /* The reference moves: this thread has the error no more, and the waiter's alone may add to
     * its trace. */
    promise->code = ackd_error_code(error_for(code));
    promise->error = error_take();
    promise_publish(promise);
    return true;
}

bool ackd_promise_cancel(struct ackd_promise *promise)
{
    if (!promise_begin(promise))
        return false;
    promise->code = ACKD_CANCELED;
    promise_publish(promise);
    return true;
}

bool ackd_promise_is_resolved(const struct ackd_promise *promise)
{
    return promise_decided(promise);
}

static int promise_result(struct ackd_promise *promise, void **ret_value)
{
    if (promise->error != NULL) {
        promise->observed = true;
        return error_give(ackd_error_ref(promise->error));
    }
    if (promise->code == ACKD_OK && ret_value != NULL)
        *ret_value = promise->value;
    return promise->code;
}

static int promise_check(struct ackd_promise *promise, const char *file, int line,
                         const char *function)
{
    if (promise == NULL)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function, "no promise to await");
    ackd_assert(promise->magic == PROMISE_MAGIC);
    if (engine_this->home == promise->home)
        return ACKD_OK;
    char name[32];
    home_name(promise->home, name, sizeof name);
    return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                      "promise '%s' belongs to %s, this is %s", promise_what(promise), name,
                      engine_this->name);
}

/* Not decided when it was looked at: a decision after that is followed by serving the queue (V2). */
static int promise_wait(struct ackd_promise *promise, void **ret_value, const char *file, int line,
                        const char *function)
{
    struct queue_entry entry;
    queue_entry_init(&entry, NULL, NULL);
    queue_append(&promise->waiting, &entry);
    int code = queue_park(&entry, WAIT_PROMISE, promise->what, file, line, function);
    return entry.granted ? promise_result(promise, ret_value) : code;
}

__attribute__((noinline)) int ackd_promise_await_at(struct ackd_promise *promise, void **ret_value,
                                                    const char *file, int line,
                                                    const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = promise_check(promise, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (promise_decided(promise))
        return promise_result(promise, ret_value);
    promise_hold(promise);
    code = promise_wait(promise, ret_value, file, line, function);
    promise_let_go(promise);
    return code;
}

__attribute__((noinline)) int ackd_promise_take_at(struct ackd_promise **place, void **ret_value,
                                                   const char *file, int line, const char *function)
{
    struct ackd_promise *promise = *place;
    int checked = task_check(TASK_STACK_NOW, file, line, function);
    if (checked != ACKD_OK && checked != ACKD_CANCELED)
        return checked;
    int code = promise_check(promise, file, line, function);
    if (code != ACKD_OK)
        return code;
    *place = NULL;
    promise_hold(promise);
    if (checked == ACKD_CANCELED)
        (void)ackd_promise_cancel(promise);
    ackd_promise_unref(promise);
    if (checked == ACKD_CANCELED)
        code = checked;
    else if (promise_decided(promise))
        code = promise_result(promise, ret_value);
    else
        code = promise_wait(promise, ret_value, file, line, function);
    if (code == ACKD_CANCELED)
        (void)ackd_promise_cancel(promise);
    promise_let_go(promise);
    return code;
}

int promise_join(struct ackd_promise *promise, struct queue_entry *entry, const char **ret_what,
                 const char *file, int line, const char *function)
{
    int code = promise_check(promise, file, line, function);
    if (code != ACKD_OK)
        return code;
    *ret_what = promise->what;
    promise_hold(promise);
    queue_append(&promise->waiting, entry);
    if (promise_decided(promise))
        queue_grant(entry, ACKD_OK);
    return ACKD_OK;
}

int promise_take(struct queue_entry *entry, void **ret_value)
{
    struct ackd_promise *promise = entry->object;
    int code = promise_result(promise, ret_value);
    promise_let_go(promise);
    return code;
}

void promise_leave(struct queue_entry *entry)
{
    queue_remove(entry);
    promise_let_go(entry->object);
}

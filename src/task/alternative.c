/* SPDX-License-Identifier: MIT */
/*
 * alternative - several ways to one result: one after the other, or overlapping.
 *
 * Each runs as a task of its own, in a scope that is left before the call returns. It must not know
 * what the ways are.
 */
#include <config.h>

#include <ackd/combine.h>
#include <stdlib.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/refusal.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/unobserved.h"
#include "task/wait.h"

static int alternative_check(const struct ackd_alternative *alternatives, size_t count,
                             const char *file, int line, const char *function)
{
    if (count == 0)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function, "no alternative at all");
    for (size_t i = 0; i < count; i++) {
        if (alternatives[i].name == NULL || alternatives[i].name[0] == '\0')
            return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                              "alternative %zu of %zu needs a name", i, count);
        if (alternatives[i].fn == NULL)
            return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                              "alternative '%s' has nothing to run", alternatives[i].name);
    }
    return ACKD_OK;
}

/* Who is cancelled before its turn came does not begin. */
static int alternative_run(void *arg)
{
    const struct ackd_alternative *alternative = arg;
    if (engine_this->current->innermost->reason != ACKD_CANCEL_NONE)
        return ACKD_CANCELED;
    return alternative->fn(alternative->arg);
}

static int alternative_spawn(struct ackd_scope *scope, const struct ackd_alternative *alternative,
                             struct ackd_task **ret_task, const char *file, int line,
                             const char *function)
{
    const struct ackd_task_options options = {.name = alternative->name};
    return ackd_spawn_at(scope, alternative_run, (void *)(uintptr_t)alternative, &options, ret_task,
                         file, line, function);
}

/* All came to nothing: every failure, or that they were cancelled. */
static int alternative_conclude(struct error_bundle *failures, const char *file, int line,
                                const char *function)
{
    const struct ackd_error *error = error_bundle_end(failures, file, line, function);
    return error == NULL ? ACKD_CANCELED : error_give(error);
}

/* Run it in a scope of its own, and wait for its end also when cancelled. */
static int alternative_run_alone(const struct ackd_alternative *alternative, const char *file,
                                 int line, const char *function)
{
    __attribute__((cleanup(ackd_scope_close))) struct ackd_scope scope;
    ackd_scope_open_at(&scope, ACKD_SCOPE_SUPERVISE, file, line, function);
    struct ackd_task *task;
    int code = alternative_spawn(&scope, alternative, &task, file, line, function);
    if (code != ACKD_OK)
        return code;
    code = ackd_await_at(task, file, line, function);
    if (task->state < ACKD_TASK_SUCCEEDED) {
        error_ignore(ackd_scope_join(&scope));
        code = task->code;
        if (task->error != NULL) {
            task->observed = true;
            error_give(ackd_error_ref(task->error));
        }
    }
    ackd_task_unref(task);
    return code;
}

static int alternative_try(const struct ackd_alternative *alternative, uint64_t limit_ms,
                           const char *file, int line, const char *function)
{
    if (limit_ms == 0)
        return alternative_run_alone(alternative, file, line, function);
    struct ackd_deadline deadline;
    ackd_deadline_push_at(&deadline, limit_ms, file, line, function);
    return ackd_deadline_pop(&deadline, alternative_run_alone(alternative, file, line, function));
}

static bool alternative_is_final(const struct ackd_failover_options *options, int code)
{
    for (size_t i = 0; i < options->final_count; i++) {
        if (options->final_codes[i] == code)
            return true;
    }
    return false;
}

__attribute__((noinline)) int ackd_failover_at(const struct ackd_alternative *alternatives,
                                               size_t count,
                                               const struct ackd_failover_options *options,
                                               size_t *ret_winner, const char *file, int line,
                                               const char *function)
{
    static const struct ackd_failover_options none;
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = alternative_check(alternatives, count, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (options == NULL)
        options = &none;
    const struct ackd_task *self = engine_this->current;
    struct error_bundle failures = {0};
    for (size_t i = 0; i < count; i++) {
        code = alternative_try(&alternatives[i], options->per_try_ms, file, line, function);
        if (code == ACKD_OK && ret_winner != NULL)
            *ret_winner = i;
        bool stopped = code != ACKD_OK && self->innermost->reason != ACKD_CANCEL_NONE;
        if (stopped || code == ACKD_OK) {
            unobserved_forget("alternative-failed",
                              error_bundle_end(&failures, file, line, function));
            if (!stopped)
                return ACKD_OK;
            if (code != ACKD_CANCELED)
                unobserved_forget("alternative-failed", error_take());
            return ACKD_CANCELED;
        }
        if (code == ACKD_CANCELED)
            continue;
        (void)error_for(code);
        if (alternative_is_final(options, code))
            return error_give(
                error_with_child(error_take(), error_bundle_end(&failures, file, line, function)));
        error_collect(&failures, error_take());
    }
    return alternative_conclude(&failures, file, line, function);
}

enum { HEDGE_OWN = 8 };

/* On the stack of who waits. */
struct hedge {
    struct ackd_scope scope;
    struct frame *frame;
    struct wait *wait; /* NULL: not waiting */
    struct timer timer;
    const struct ackd_alternative *alternatives;
    size_t count, next;
    size_t due;                       /* how many of the next ones may start */
    size_t winner;                    /* SIZE_MAX: none */
    const struct ackd_error **errors; /* owned; by alternative */
    const struct ackd_error *own[HEDGE_OWN];
};

static void hedge_wake(struct hedge *hedge)
{
    if (hedge->wait != NULL)
        wait_finish(hedge->wait, ACKD_OK);
}

static void hedge_stagger_over(struct timer *timer)
{
    struct hedge *hedge = LIST_ITEM(timer, hedge, timer);
    hedge->due++;
    hedge_wake(hedge);
}

static void hedge_ended(struct frame *scope, struct ackd_task *task)
{
    struct hedge *hedge = LIST_ITEM((uintptr_t)scope->block, hedge, scope);
    size_t index = (size_t)((const struct ackd_alternative *)task->arg - hedge->alternatives);
    ackd_assert(index < hedge->next);
    if (hedge->winner == SIZE_MAX && task->code == ACKD_OK) {
        hedge->winner = index;
        cancel_request(&scope->node, ACKD_CANCEL_LOST_RACE);
    } else if (hedge->winner == SIZE_MAX) {
        hedge->due++;
        task->observed = true;
        hedge->errors[index] = ackd_error_ref(task->error);
    }
    hedge_wake(hedge);
}

static bool hedge_is_over(const struct hedge *hedge)
{
    return hedge->frame->node.reason != ACKD_CANCEL_NONE || hedge->next == hedge->count;
}

/* Start those that may, and set the time for the one after them. */
static void hedge_start(struct hedge *hedge, uint64_t stagger_ms, const char *file, int line,
                        const char *function)
{
    bool started = false;
    while (!hedge_is_over(hedge) && (hedge->due > 0 || stagger_ms == 0)) {
        size_t index = hedge->next++;
        if (hedge->due > 0)
            hedge->due--;
        int code = alternative_spawn(&hedge->scope, &hedge->alternatives[index], NULL, file, line,
                                     function);
        started = true;
        if (code == ACKD_OK || code == ACKD_CANCELED)
            continue;
        hedge->errors[index] = error_take();
        hedge->due++;
    }
    if (!started)
        return;
    timer_stop(&hedge->timer);
    if (!hedge_is_over(hedge))
        timer_start(&engine_this->timers, &hedge->timer,
                    timer_after_ms(engine_now(engine_this), stagger_ms));
}

static void hedge_run(struct hedge *hedge, uint64_t stagger_ms, const char *file, int line,
                      const char *function)
{
    for (;;) {
        hedge_start(hedge, stagger_ms, file, line, function);
        if (hedge->frame->scope.live == 0 && hedge_is_over(hedge))
            break;
        struct wait wait;
        wait_init(&wait, WAIT_HEDGE, NULL, file, line, function);
        hedge->wait = &wait;
        int code = hedge->frame->node.reason == ACKD_CANCEL_NONE ? wait_park(&wait)
                                                                 : wait_park_to_end(&wait);
        hedge->wait = NULL;
        error_ignore(code);
    }
    timer_stop(&hedge->timer);
}

static int hedge_result(struct hedge *hedge, const char *file, int line, const char *function)
{
    bool failed = hedge->winner == SIZE_MAX && hedge->frame->node.reason == ACKD_CANCEL_NONE;
    struct error_bundle failures = {0};
    for (size_t i = 0; i < hedge->count; i++) {
        if (!failed)
            unobserved_forget("alternative-failed", hedge->errors[i]);
        else if (hedge->errors[i] != NULL)
            error_collect(&failures, hedge->errors[i]);
    }
    if (hedge->winner != SIZE_MAX)
        return ACKD_OK;
    return alternative_conclude(&failures, file, line, function);
}

__attribute__((noinline)) int ackd_hedge_at(const struct ackd_alternative *alternatives,
                                            size_t count, uint64_t stagger_ms, size_t *ret_winner,
                                            const char *file, int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = alternative_check(alternatives, count, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct hedge hedge = {
        .alternatives = alternatives, .count = count, .due = 1, .winner = SIZE_MAX};
    hedge.errors = count <= HEDGE_OWN ? hedge.own : calloc(count, sizeof *hedge.errors);
    if (hedge.errors == NULL)
        return ackd_fail_at(ACKD_E_NOMEM, file, line, function, "%zu alternatives", count);
    timer_init(&hedge.timer, hedge_stagger_over);
    ackd_scope_open_at(&hedge.scope, ACKD_SCOPE_SUPERVISE, file, line, function);
    code = scope_take_over(&hedge.scope, hedge_ended, &hedge.frame);
    if (code == ACKD_OK) {
        hedge_run(&hedge, stagger_ms, file, line, function);
        code = hedge_result(&hedge, file, line, function);
        ackd_scope_close(&hedge.scope);
    }
    if (hedge.errors != hedge.own)
        free(hedge.errors);
    if (code == ACKD_OK && ret_winner != NULL)
        *ret_winner = hedge.winner;
    return code;
}

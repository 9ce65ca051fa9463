/* SPDX-License-Identifier: MIT */
/*
 * each - one function for many items, a bounded number at once.
 *
 * What stops it first counts: a failure of its own, after which the others are cancelled, or a
 * cancellation from outside, after which failures are taken for its consequence.
 */
#include <config.h>

#include <ackd/combine.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/refusal.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/unobserved.h"
#include "task/wait.h"

enum { EACH_CONCURRENCY = 16 };

/* On the stack of who waits. */
struct each {
    struct ackd_scope scope;
    struct frame *frame;
    struct wait *wait; /* NULL: not waiting */
    void *const *items;
    size_t count, next; /* the next one to be spawned */
    size_t concurrency;
    size_t started, succeeded;
    ackd_each_fn *fn;
    void *arg;
    const struct ackd_error *failure; /* owned; the first, with later ones as children */
    struct ackd_task_options options;
};

static struct each *each_of(const struct frame *scope)
{
    return LIST_ITEM((uintptr_t)scope->block, each, scope);
}

/* A task: an item that is cancelled before its turn came does not begin. */
static int each_run(void *arg)
{
    void *const *item = arg;
    const struct ackd_task *task = engine_this->current;
    if (task->innermost->reason != ACKD_CANCEL_NONE)
        return ACKD_CANCELED;
    struct each *each = each_of(task->scope);
    each->started++;
    return each->fn(*item, each->arg);
}

/* Cancelled from outside, before anything else stopped it. */
static bool each_is_canceled(const struct each *each)
{
    const struct cancel *node = &each->frame->node;
    return node->reason != ACKD_CANCEL_NONE && node->own == ACKD_CANCEL_NONE;
}

/* Takes the reference. */
static void each_fail(struct each *each, const struct ackd_error *error)
{
    if (each_is_canceled(each)) {
        unobserved_forget("suppressed", error);
        return;
    }
    each->failure = each->failure == NULL ? error : error_with_child(each->failure, error);
    cancel_request(&each->frame->node, ACKD_CANCEL_SIBLING_FAILED);
}

static void each_ended(struct frame *scope, struct ackd_task *task)
{
    struct each *each = each_of(scope);
    if (task->code == ACKD_OK) {
        each->succeeded++;
    } else if (task->error != NULL) {
        task->observed = true;
        each_fail(each, ackd_error_ref(task->error));
    } else if (scope->node.reason == ACKD_CANCEL_NONE) {
        /* By somebody who has its handle: then the rest is not wanted, either. */
        cancel_request(&scope->node, task->node.reason);
    }
    if (each->wait != NULL)
        wait_finish(each->wait, ACKD_OK);
}

static bool each_is_over(const struct each *each)
{
    return each->next == each->count || each->frame->node.reason != ACKD_CANCEL_NONE;
}

static void each_spawn(struct each *each, const char *file, int line, const char *function)
{
    const size_t *live = &each->frame->scope.live;
    while (!each_is_over(each) && *live < each->concurrency) {
        int code =
            ackd_spawn_at(&each->scope, each_run, (void *)(uintptr_t)&each->items[each->next],
                          &each->options, NULL, file, line, function);
        if (code == ACKD_E_FULL && *live > 0) {
            error_clear(); /* there is room when one of ours has ended */
            return;
        }
        if (code == ACKD_OK)
            each->next++;
        else if (code != ACKD_CANCELED)
            each_fail(each, error_take());
    }
}

static void each_go_through(struct each *each, const char *file, int line, const char *function)
{
    for (;;) {
        each_spawn(each, file, line, function);
        if (each->frame->scope.live == 0 && each_is_over(each))
            return;
        struct wait wait;
        wait_init(&wait, WAIT_FOR_EACH, each->options.name, file, line, function);
        each->wait = &wait;
        int code = each->frame->node.reason == ACKD_CANCEL_NONE ? wait_park(&wait)
                                                                : wait_park_to_end(&wait);
        each->wait = NULL;
        error_ignore(code);
    }
}

static int each_result(struct each *each)
{
    if (each->failure != NULL)
        return error_give(each->failure);
    if (each->succeeded == each->count)
        return ACKD_OK;
    engine_this->current->awaited = each->frame->node.reason;
    return ACKD_CANCELED;
}

static int each_in_scope(struct each *each, const char *file, int line, const char *function)
{
    ackd_scope_open_at(&each->scope, ACKD_SCOPE_SUPERVISE, file, line, function);
    int code = scope_take_over(&each->scope, each_ended, &each->frame);
    if (code != ACKD_OK)
        return code;
    each_go_through(each, file, line, function);
    code = each_result(each);
    ackd_scope_close(&each->scope);
    return code;
}

/* The limits of what @options ask for. */
static int each_with_token(struct each *each, struct ackd_token token, const char *file, int line,
                           const char *function)
{
    if (token.source == NULL)
        return each_in_scope(each, file, line, function);
    struct ackd_token_block block;
    ackd_token_push_at(&block, token, file, line, function);
    return ackd_token_pop(&block, each_in_scope(each, file, line, function));
}

__attribute__((noinline)) int ackd_for_each_at(void *const *items, size_t count, ackd_each_fn *fn,
                                               void *arg,
                                               const struct ackd_for_each_options *options,
                                               const char *file, int line, const char *function)
{
    static const struct ackd_for_each_options none;
    if (options == NULL)
        options = &none;
    struct each each = {.items = items, .count = count, .fn = fn, .arg = arg};
    each.concurrency = options->concurrency == 0 ? EACH_CONCURRENCY : options->concurrency;
    each.options.name = options->name == NULL ? "for_each" : options->name;
    each.options.stack_size = options->stack_size;
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK && fn == NULL)
        code = refusal_at(ACKD_E_INVAL, NULL, file, line, function, "nothing to do for each item");
    if (code == ACKD_OK && count > 0)
        code = each_with_token(&each, options->token, file, line, function);
    if (options->ret_started != NULL)
        *options->ret_started = each.started;
    if (options->ret_not_started != NULL)
        *options->ret_not_started = count - each.started;
    return code;
}

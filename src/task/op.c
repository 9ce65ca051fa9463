/* SPDX-License-Identifier: MIT */
/*
 * op - something started and not awaited yet.
 *
 * All of it is in a holding: the caller's structure only says which, and of which use, so that one
 * whose memory is gone, or was copied, is known for what it is.
 */
#include <config.h>

#include <ackd/log.h>
#include <ackd/promise.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/holding.h"
#include "task/mailbox.h"
#include "task/promise.h"
#include "task/queue.h"
#include "task/refusal.h"
#include "task/semaphore.h"
#include "task/task.h"

enum { OP_STARTED = 0x6f70a11e, OP_OVER = 0x6f70dead };

struct op {
    struct queue_entry entry; /* first */
    struct timer timer;
    const struct op_kind *kind;
    const char *what;
    void **ret; /* written when it is awaited; may be NULL */
};

_Static_assert(sizeof(struct op) <= HOLDING_BYTES, "it must fit");

struct op_kind {
    enum wait_kind wait;
    /* It was granted: its result. */
    int (*take)(struct op *op, const char *file, int line, const char *function);
    /* Give it up, or what it was granted. */
    void (*leave)(struct op *op);
};

static struct op *op_of(struct holding *holding)
{
    return (struct op *)holding->bytes;
}

static void op_end(struct holding *holding, bool gone, const void *limit)
{
    (void)gone;
    struct op *op = op_of(holding);
    /* A semaphore may have been in the same block, and its queue with it. */
    if (!holding_is_below(holding, op->entry.object, limit))
        op->kind->leave(op);
    holding_drop(holding);
}

static const struct holding_kind op_holding = {"n operation", op_end};

/* The holding of an operation under way; NULL: it was awaited, never started, or copied. */
static struct holding *op_find(const struct ackd_op *opaque)
{
    if (opaque->state != OP_STARTED || opaque->opaque[1] != engine_this)
        return NULL;
    struct holding *holding = opaque->opaque[0];
    return holding->block == opaque && holding->version == opaque->version ? holding : NULL;
}

/* A holding for a task that passed its task_check. */
static int op_begin(struct ackd_op *opaque, const struct op_kind *kind, void *object, void **ret,
                    const char *file, int line, const char *function)
{
    struct ackd_task *task = engine_this->current;
    holding_end_block(task, opaque);
    opaque->state = OP_OVER;
    struct holding *holding = holding_take(task, &op_holding, opaque, file, line, function);
    if (holding == NULL)
        return ackd_fail_at(ACKD_E_NOMEM, file, line, function, "an operation");
    struct op *op = op_of(holding);
    *op = (struct op){.kind = kind, .ret = ret};
    queue_entry_init(&op->entry, object == NULL ? op : object, NULL);
    opaque->opaque[0] = holding;
    opaque->opaque[1] = engine_this;
    opaque->version = holding->version;
    opaque->state = OP_STARTED;
    return ACKD_OK;
}

/* What joining said: as it was, if it could not be. */
static int op_joined(struct ackd_op *opaque, int code)
{
    if (code != ACKD_OK) {
        opaque->state = OP_OVER;
        holding_drop(opaque->opaque[0]);
    }
    return code;
}

static void op_delay_over(struct timer *timer)
{
    queue_grant(&LIST_ITEM(timer, op, timer)->entry, ACKD_OK);
}

static int op_delay_take(struct op *op, const char *file, int line, const char *function)
{
    (void)op;
    (void)file;
    (void)line;
    (void)function;
    return ACKD_OK;
}

static void op_delay_leave(struct op *op)
{
    timer_stop(&op->timer);
}

__attribute__((noinline)) int ackd_op_delay_at(struct ackd_op *opaque, uint64_t ms,
                                               const char *file, int line, const char *function)
{
    static const struct op_kind kind = {WAIT_TIMER, op_delay_take, op_delay_leave};
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = op_begin(opaque, &kind, NULL, NULL, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct op *op = op_of(opaque->opaque[0]);
    timer_init(&op->timer, op_delay_over);
    if (ms == 0)
        queue_grant(&op->entry, ACKD_OK);
    else
        timer_start(&engine_this->timers, &op->timer, timer_after_ms(engine_now(engine_this), ms));
    return ACKD_OK;
}

static int op_promise_take(struct op *op, const char *file, int line, const char *function)
{
    (void)file;
    (void)line;
    (void)function;
    return promise_take(&op->entry, op->ret);
}

static void op_promise_leave(struct op *op)
{
    promise_leave(&op->entry);
}

__attribute__((noinline)) int ackd_op_promise_at(struct ackd_op *opaque,
                                                 struct ackd_promise *promise, void **ret_value,
                                                 const char *file, int line, const char *function)
{
    static const struct op_kind kind = {WAIT_PROMISE, op_promise_take, op_promise_leave};
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = op_begin(opaque, &kind, promise, ret_value, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct op *op = op_of(opaque->opaque[0]);
    return op_joined(opaque, promise_join(promise, &op->entry, &op->what, file, line, function));
}

static int op_receive_take(struct op *op, const char *file, int line, const char *function)
{
    return mailbox_take(&op->entry, op->ret, file, line, function);
}

static void op_receive_leave(struct op *op)
{
    mailbox_leave(&op->entry);
}

__attribute__((noinline)) int ackd_op_receive_at(struct ackd_op *opaque,
                                                 struct ackd_mailbox *mailbox, void **ret_item,
                                                 const char *file, int line, const char *function)
{
    static const struct op_kind kind = {WAIT_MAILBOX, op_receive_take, op_receive_leave};
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = op_begin(opaque, &kind, mailbox, ret_item, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct op *op = op_of(opaque->opaque[0]);
    return op_joined(opaque, mailbox_join(mailbox, &op->entry, &op->what, file, line, function));
}

static int op_acquire_take(struct op *op, const char *file, int line, const char *function)
{
    semaphore_take(&op->entry);
    if (op->entry.gone)
        return queue_fail_gone(WAIT_SEMAPHORE, op->what, file, line, function);
    return ACKD_OK;
}

static void op_acquire_leave(struct op *op)
{
    semaphore_leave(&op->entry);
}

__attribute__((noinline)) int ackd_op_acquire_at(struct ackd_op *opaque,
                                                 struct ackd_semaphore *semaphore, const char *file,
                                                 int line, const char *function)
{
    static const struct op_kind kind = {WAIT_SEMAPHORE, op_acquire_take, op_acquire_leave};
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code == ACKD_OK)
        code = op_begin(opaque, &kind, semaphore, NULL, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct op *op = op_of(opaque->opaque[0]);
    return op_joined(opaque,
                     semaphore_join(semaphore, &op->entry, &op->what, file, line, function));
}

bool ackd_op_is_completed(const struct ackd_op *opaque)
{
    struct holding *holding = op_find(opaque);
    return holding != NULL && op_of(holding)->entry.granted;
}

/* It is under way, and the caller's. */
static int op_check(const struct ackd_op *opaque, const char *file, int line, const char *function)
{
    if (opaque->state == OP_STARTED && opaque->opaque[1] != engine_this)
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                          "the operation was started on another loop than %s", engine_this->name);
    const struct holding *holding = op_find(opaque);
    if (holding == NULL)
        return refusal_at(ACKD_E_CONSUMED, NULL, file, line, function,
                          "an operation is awaited once: this one was before, or is not started");
    if (holding->task != engine_this->current)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                          "the operation is of task '%s' (%s:%d)", holding->task->name,
                          holding->file, holding->line);
    return ACKD_OK;
}

__attribute__((noinline)) int ackd_op_await_at(struct ackd_op *opaque, const char *file, int line,
                                               const char *function)
{
    int checked = task_check(TASK_STACK_NOW, file, line, function);
    if (checked != ACKD_OK && checked != ACKD_CANCELED)
        return checked;
    int code = op_check(opaque, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct holding *holding = opaque->opaque[0];
    struct op *op = op_of(holding);
    opaque->state = OP_OVER;
    /* What it waits in leaves it alone from here on: its holding is found by the task's end only. */
    if (!op->entry.granted && checked == ACKD_OK)
        checked = queue_park(&op->entry, op->kind->wait, op->what, file, line, function);
    if (op->entry.granted) {
        code = op->kind->take(op, file, line, function);
    } else {
        op->kind->leave(op);
        code = checked;
    }
    holding_drop(holding);
    return code;
}

bool ackd_op_cancel(struct ackd_op *opaque)
{
    struct holding *holding = op_find(opaque);
    if (holding == NULL)
        return false;
    bool completed = op_of(holding)->entry.granted;
    opaque->state = OP_OVER;
    op_end(holding, false, holding->task->stack->low);
    return !completed;
}

/* SPDX-License-Identifier: MIT */
/* deadline - time limits, and shields, which are limits too. They must not know what is awaited. */
#include <config.h>

#include <ackd/cancel.h>
#include <ackd/error.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/frame.h"
#include "task/refusal.h"
#include "task/task.h"

struct deadline_place {
    struct frame *frame; /* NULL: outside of tasks, or popped */
    bool no_memory;
};

_Static_assert(sizeof(struct deadline_place) <= sizeof(struct ackd_deadline), "it must fit");
_Static_assert(sizeof(struct deadline_place) <= sizeof(struct ackd_shield), "it must fit");

/* Note in the frame that its own limit passed, and what the task was waiting for then. */
static void deadline_note(struct frame *frame)
{
    struct ackd_task *task = frame->node.task;
    const struct wait *wait = task->wait;
    uint64_t passed_ms = (task->scheduler->now_ns - frame->limit.start_ns) / NS_PER_MS;
    struct error_slot slot = {.task_id = task->id, .task_name = task->name};
    struct error_slot *before = error_slot_use(&slot);
    if (wait == NULL)
        (void)ackd_fail_at(ACKD_E_TIMEOUT, frame->file, frame->line, frame->function,
                           "a limit of %llu ms passed after %llu ms, while nothing was awaited",
                           (unsigned long long)frame->limit.limit_ms,
                           (unsigned long long)passed_ms);
    else
        (void)ackd_fail_at(ACKD_E_TIMEOUT, frame->file, frame->line, frame->function,
                           "a limit of %llu ms passed after %llu ms, awaiting %s%s%s at %s:%d",
                           (unsigned long long)frame->limit.limit_ms, (unsigned long long)passed_ms,
                           wait_kind_name(wait->kind), wait->what == NULL ? "" : " ",
                           wait->what == NULL ? "" : wait->what, wait->file, wait->line);
    frame->limit.error = error_take();
    error_slot_use(before);
}

static void deadline_expire(struct frame *frame)
{
    if (frame->node.reason == ACKD_CANCEL_NONE)
        deadline_note(frame);
    cancel_request(&frame->node, ACKD_CANCEL_DEADLINE);
}

static void deadline_fire(struct timer *timer)
{
    deadline_expire(LIST_ITEM(timer, frame, limit.timer));
}

/* A shield that has had its time lets through what is outside, or ends what it protects. */
static void deadline_fire_shield(struct timer *timer)
{
    struct frame *frame = LIST_ITEM(timer, frame, limit.timer);
    enum ackd_cancel_reason outside = frame->node.parent->reason;
    if (outside == ACKD_CANCEL_NONE)
        cancel_request(&frame->node, ACKD_CANCEL_DEADLINE);
    else
        cancel_request_by(&frame->node, outside, frame->node.parent->who);
}

static void deadline_arm(struct frame *frame, uint64_t ms, void (*fire)(struct timer *timer))
{
    struct scheduler *scheduler = frame->node.task->scheduler;
    uint64_t now_ns = engine_now(scheduler);
    frame->limit.start_ns = now_ns;
    frame->limit.limit_ms = ms;
    frame->limit.due_ns = timer_after_ms(now_ns, ms);
    if (frame->limit.due_ns < frame->node.due_ns)
        frame->node.due_ns = frame->limit.due_ns;
    timer_init(&frame->limit.timer, fire);
    if (ms > 0)
        timer_start(&scheduler->timers, &frame->limit.timer, frame->limit.due_ns);
    else
        deadline_expire(frame);
}

void ackd_deadline_push_at(struct ackd_deadline *deadline, uint64_t ms, const char *file, int line,
                           const char *function)
{
    struct deadline_place *place = (struct deadline_place *)deadline;
    struct ackd_task *task = engine_task();
    *place = (struct deadline_place){0};
    if (task == NULL)
        return;
    place->frame = frame_enter(task, FRAME_DEADLINE, deadline, file, line, function);
    place->no_memory = place->frame == NULL;
    if (place->frame != NULL)
        deadline_arm(place->frame, ms, deadline_fire);
}

int ackd_deadline_pop(struct ackd_deadline *deadline, int body_code)
{
    struct deadline_place *place = (struct deadline_place *)deadline;
    struct frame *frame = place->frame;
    place->frame = NULL;
    if (place->no_memory && body_code == ACKD_OK)
        return ackd_fail(ACKD_E_NOMEM, "a deadline could not be kept");
    if (frame == NULL)
        return body_code;
    struct scheduler *scheduler = frame->node.task->scheduler;
    ackd_assert(frame->node.task == engine_task());
    const struct ackd_error *error = NULL;
    if (body_code == ACKD_CANCELED) {
        error = frame->limit.error;
        frame->limit.error = NULL;
    } else if (body_code == ACKD_OK && engine_now(scheduler) >= frame->limit.due_ns) {
        scheduler->counts.late++;
    }
    frame_leave(frame);
    return error == NULL ? body_code : error_give(error);
}

uint64_t ackd_time_left_ms(void)
{
    const struct ackd_task *task = engine_task();
    if (task == NULL || task->innermost->due_ns == TIMER_NEVER)
        return UINT64_MAX;
    uint64_t now_ns = engine_now(task->scheduler);
    uint64_t due_ns = task->innermost->due_ns;
    return due_ns > now_ns ? (due_ns - now_ns) / NS_PER_MS : 0;
}

int ackd_shield_push(struct ackd_shield *shield, uint64_t ms)
{
    struct deadline_place *place = (struct deadline_place *)shield;
    struct ackd_task *task = engine_task();
    *place = (struct deadline_place){0};
    if (task == NULL)
        return refusal_here(ACKD_E_NOT_IN_TASK, "a shield protects a task");
    if (ms == 0)
        return refusal_here(ACKD_E_INVAL, "a shield has a bound");
    place->frame = frame_enter(task, FRAME_SHIELD, shield, ACKD_HERE);
    if (place->frame == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a shield");
    deadline_arm(place->frame, ms, deadline_fire_shield);
    return ACKD_OK;
}

void ackd_shield_pop(struct ackd_shield *shield)
{
    struct deadline_place *place = (struct deadline_place *)shield;
    if (place->frame == NULL)
        return;
    ackd_assert(place->frame->node.task == engine_task());
    frame_leave(place->frame);
    place->frame = NULL;
}

/* SPDX-License-Identifier: MIT */
/* view - see the header. It must not know who looks. */
#include <config.h>

#include "task/view.h"

#include "task/owner.h"
#include "task/task.h"

static void view_fill_wait(struct scheduler_view *view, const struct wait *wait)
{
    view->await_kind = wait_kind_name(wait->kind);
    view->await_what = wait->what;
    if (wait->kind == WAIT_OFFLOAD)
        view->await_state =
            atomic_load_explicit(&((const struct wait_stated *)wait)->state, memory_order_relaxed);
    view->await_file = wait->file;
    view->await_function = wait->function;
    view->await_line = wait->line;
    view->await_inside = wait->kind == WAIT_TASK || wait->kind == WAIT_SCOPE;
}

/* The present state adds to its own. */
static void view_fill_times(struct scheduler_view *view, const struct ackd_task *task)
{
    const struct task_times *times = &task->times;
    view->busy_ns = times->busy_ns;
    view->ready_ns = times->ready_ns;
    view->awaiting_ns = times->awaiting_ns;
    view->longest_ns = times->longest_ns;
    view->dispatches = times->dispatches;
    view->yields = times->yields;
    if (task->state >= ACKD_TASK_SUCCEEDED) {
        view->age_ns -= view->state_ns; /* up to its end */
    } else if (task->parked) {
        view->awaiting_ns += view->state_ns;
    } else if (task == task->scheduler->current) {
        view->busy_ns += view->state_ns;
        if (view->state_ns > view->longest_ns)
            view->longest_ns = view->state_ns;
    } else {
        view->ready_ns += view->state_ns;
    }
}

static void view_fill_stack(struct scheduler_view *view, const struct ackd_task *task)
{
    const struct stack *stack = task->stack;
    view->stack_size = task->stack_size;
    if (stack == NULL)
        return;
    const char *now = stack->context.place;
    if (stack == task->scheduler->running)
        now = __builtin_frame_address(0); /* if this is a task of its own that looks */
    if (now >= stack->low && now <= stack->top)
        view->stack_used = (size_t)(stack->top - now);
    view->stack_depth = stack_depth(&task->scheduler->stacks, stack);
    if (view->stack_depth < view->stack_used)
        view->stack_depth = view->stack_used;
}

void view_fill(struct scheduler_view *view, const struct ackd_task *task, uint64_t now_ns)
{
    const struct cancel *node = task->innermost;
    bool ended = task->state >= ACKD_TASK_SUCCEEDED;
    if (now_ns < task->state_ns)
        now_ns = task->state_ns;
    *view = (struct scheduler_view){.id = task->id,
                                    .parent_id = task->parent_id,
                                    .name = task->name,
                                    .state = task->state,
                                    .unobserved = ended && task->error != NULL && !task->observed,
                                    .state_ns = now_ns - task->state_ns,
                                    .age_ns = now_ns - task->created_ns,
                                    .deadline_left_ns = TIMER_NEVER,
                                    .spawn_file = task->file,
                                    .spawn_line = task->line,
                                    .message = task->message,
                                    .task = task};
    view_fill_times(view, task);
    if (ended)
        return;
    if (node->due_ns != TIMER_NEVER)
        view->deadline_left_ns = node->due_ns > now_ns ? node->due_ns - now_ns : 0;
    view->cancel_reason = node->reason;
    view->cancel_who = node->reason == ACKD_CANCEL_NONE ? NULL : node->who;
    view->cancel_asked = task->node.reason;
    view->owner = task->owner == NULL ? NULL : task->owner->name;
    view->tally = task->tally;
    if (task->wait != NULL)
        view_fill_wait(view, task->wait);
    view_fill_stack(view, task);
}

/* The address sanitizer knows what is between the frames as not to be read. */
__attribute__((no_sanitize("address"))) size_t view_frames(const struct ackd_task *task,
                                                           const void **frames, size_t max)
{
    const struct stack *stack = task->stack;
    size_t count = 0;
    if (stack == NULL || stack == task->scheduler->running || stack->context.place == NULL)
        return 0;
    struct switch_frame left = switch_frame(stack->context.place);
    uintptr_t low = (uintptr_t)stack->context.place;
    const void *resume = left.resume;
    uintptr_t frame = (uintptr_t)left.frame;
    while (count < max && resume != NULL) {
        frames[count++] = resume;
        /* Upwards, and within the stack: else something is not built with frame pointers. */
        if (frame < low || frame % sizeof(void *) != 0 ||
            frame + 2 * sizeof(void *) > (uintptr_t)stack->top)
            break;
        low = frame + sizeof(void *);
        resume = ((const void *const *)frame)[1];
        frame = ((const uintptr_t *)frame)[0];
    }
    return count;
}

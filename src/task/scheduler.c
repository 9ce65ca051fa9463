/* SPDX-License-Identifier: MIT */
/* scheduler - turns, dispatches, and the stacks they run on. It must not know what tasks are for.
 */
#include <config.h>

#include "task/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/stack.h"
#include "task/task.h"

enum { SCHEDULER_TASKS_DEFAULT = 10000, SCHEDULER_CACHED_DEFAULT = 256 };

int scheduler_new(const struct scheduler_options *options, struct scheduler **ret_scheduler)
{
    ackd_assert(options->now_ns != NULL);
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a scheduler");
    scheduler->tasks_max = options->tasks_max == 0 ? SCHEDULER_TASKS_DEFAULT : options->tasks_max;
    size_t cached = options->stacks_cached == 0 ? SCHEDULER_CACHED_DEFAULT : options->stacks_cached;
    int code = stack_pool_init(&scheduler->stacks, options->guard, scheduler->tasks_max, cached);
    if (code != ACKD_OK) {
        free(scheduler);
        return code;
    }
    scheduler->stack_size = stack_round(
        &scheduler->stacks, options->stack_size == 0 ? STACK_SIZE_DEFAULT : options->stack_size);
    scheduler->now = options->now_ns;
    scheduler->wake = options->wake;
    scheduler->arg = options->arg;
    snprintf(scheduler->name, sizeof scheduler->name, "%s",
             options->name == NULL ? "loop" : options->name);
    scheduler->clock_every = 1;
    scheduler->ready_end = &scheduler->ready;
    scheduler->now_stale = true;
    list_init(&scheduler->tasks);
    timers_init(&scheduler->timers);
    *ret_scheduler = scheduler;
    return ACKD_OK;
}

void scheduler_free(struct scheduler **scheduler)
{
    struct scheduler *going = *scheduler;
    if (going == NULL)
        return;
    ackd_assert(going != engine_this);
    ackd_assert(going->counts.live == 0);
    task_serve_asked(going);
    overflow_remove(&going->overflow);
    stack_pool_fini(&going->stacks);
    engine_free_chunks(going);
    free(going);
    *scheduler = NULL;
}

/* The clock is looked at the more rarely the quicker tasks are. False: the turn has had its time.
 */
static bool scheduler_look_at_clock(struct scheduler *scheduler)
{
    uint64_t now_ns = engine_now(scheduler);
    bool quick = now_ns - scheduler->looked_ns < ENGINE_CLOCK_QUICK_NS;
    scheduler->looked_ns = now_ns;
    if (!quick)
        scheduler->clock_every = 1;
    else if (scheduler->clock_every < ENGINE_CLOCK_EVERY_MAX)
        scheduler->clock_every *= 2;
    scheduler->clock_in = scheduler->clock_every;
    if (now_ns < scheduler->turn_end_ns)
        return true;
    scheduler->turn_left = 0;
    return false;
}

/* Whether this turn may dispatch one more. */
static inline bool scheduler_may_go_on(struct scheduler *scheduler)
{
    if (scheduler->turn_left == 0)
        return false;
    scheduler->turn_left--;
    return --scheduler->clock_in > 0 || scheduler_look_at_clock(scheduler);
}

static inline struct ackd_task *scheduler_next(struct scheduler *scheduler)
{
    struct ackd_task *task = scheduler->ready;
    scheduler->ready = task->ready_next;
    if (scheduler->ready == NULL)
        scheduler->ready_end = &scheduler->ready;
    scheduler->counts.ready--;
    return task;
}

static inline void scheduler_enter(struct scheduler *scheduler, struct ackd_task *task)
{
    scheduler->current = task;
    scheduler->budget = ENGINE_BUDGET;
    scheduler->counts.dispatched++;
    task->state = task->ending ? ACKD_TASK_JOINING : ACKD_TASK_RUNNING;
    task->state_ns = scheduler->now_ns;
    error_slot_use(&task->slot);
    log_context_use(task->log_context);
}

/* The next task in the queue, if it is new and this stack will do for it (G2). */
static struct ackd_task *scheduler_next_here(struct scheduler *scheduler)
{
    struct ackd_task *task = scheduler->ready;
    if (task == NULL || task->stack != NULL || task->stack_size != scheduler->running->size)
        return NULL;
    if (!switch_is_pristine() || !scheduler_may_go_on(scheduler))
        return NULL;
    scheduler_next(scheduler);
    task->stack = scheduler->running;
    scheduler_enter(scheduler, task);
    return task;
}

void scheduler_take_back(struct scheduler *scheduler)
{
    if (scheduler->retired != NULL) {
        stack_give(&scheduler->stacks, scheduler->retired);
        scheduler->retired = NULL;
    }
}

static bool scheduler_attach(struct scheduler *scheduler, struct ackd_task *task);

struct context *scheduler_choose(struct scheduler *scheduler)
{
    while (scheduler->ready != NULL && scheduler_may_go_on(scheduler)) {
        struct ackd_task *task = scheduler_next(scheduler);
        if (task->stack == NULL && !scheduler_attach(scheduler, task)) {
            task_abandon(task, ACKD_E_NOMEM);
            continue;
        }
        scheduler_enter(scheduler, task);
        scheduler->running = task->stack;
        return &task->stack->context;
    }
    scheduler->current = NULL;
    scheduler->running = NULL;
    return &scheduler->context;
}

/* What a stack runs: one new task after the other. It is never returned from, so TSan must not
 * count its entry. */
#if SANITIZER_THREAD
__attribute__((no_sanitize("thread")))
#endif
static void
scheduler_run_stack(void *arg)
{
    struct scheduler *scheduler = arg;
    context_arrived(scheduler->left);
    scheduler_take_back(scheduler);
    struct stack *stack = scheduler->running;
    struct ackd_task *task = scheduler->current;
    do {
        task_run(task);
        task = scheduler_next_here(scheduler);
    } while (task != NULL);
    scheduler->retired = stack;
    scheduler->left = &stack->context;
    context_leave(&stack->context, scheduler_choose(scheduler));
}

static bool scheduler_attach(struct scheduler *scheduler, struct ackd_task *task)
{
    struct error_slot *slot = error_slot_use(NULL);
    struct stack *stack = stack_take(&scheduler->stacks, task->stack_size);
    error_slot_use(slot);
    if (stack == NULL)
        return false;
    stack->context.place = switch_init(stack->top, scheduler_run_stack, scheduler);
    task->stack = stack;
    return true;
}

static void scheduler_run_ready(struct scheduler *scheduler)
{
    scheduler->turn_left = ENGINE_TURN_MAX;
    scheduler->clock_in = scheduler->clock_every;
    scheduler->looked_ns = scheduler->now_ns;
    scheduler->turn_end_ns = scheduler->now_ns + ENGINE_TURN_NS;
    struct context *next = scheduler_choose(scheduler);
    if (next == &scheduler->context)
        return;
    scheduler->left = &scheduler->context;
    context_switch(&scheduler->context, next);
    scheduler_take_back(scheduler);
}

uint64_t scheduler_turn(struct scheduler *scheduler)
{
    ackd_assert(engine_this == NULL || engine_this->current == NULL);
    struct scheduler *before = engine_this;
    engine_this = scheduler;
    if (!engine_is_here(scheduler)) {
        atomic_store_explicit(&scheduler->thread, &engine_thread, memory_order_relaxed);
        overflow_install(&scheduler->overflow);
    }
    context_is_here(&scheduler->context);
    struct error_slot *slot = error_slot_use(NULL);
    const struct log_context *log_context = log_context_use(NULL);
    if (atomic_load_explicit(&scheduler->asked, memory_order_relaxed) != NULL)
        task_serve_asked(scheduler);
    engine_fire(scheduler);
    if (scheduler->ready != NULL)
        scheduler_run_ready(scheduler);
    log_context_use(log_context);
    error_slot_use(slot);
    scheduler->now_stale = true;
    engine_this = before;
    return scheduler->ready != NULL ? 0 : timers_next_ns(&scheduler->timers);
}

struct scheduler *scheduler_current(void)
{
    return engine_this;
}

int scheduler_spawn(struct scheduler *scheduler, const struct scheduler_root *root,
                    struct ackd_task **ret_task)
{
    struct ackd_task *task;
    int code = task_new(scheduler, root->fn, root->arg, root->name, root->stack_size, NULL, &task);
    if (code != ACKD_OK)
        return code;
    task->scope = NULL;
    task->parent_id = 0;
    task->message = root->message;
    task->log_context = root->log_context;
    task->done = root->done;
    task->file = task->function = "";
    task->line = 0;
    if (ret_task != NULL)
        *ret_task = task;
    return ACKD_OK;
}

void *scheduler_message(void)
{
    const struct ackd_task *task = engine_task();
    return task == NULL ? NULL : task->message;
}

void scheduler_counts(const struct scheduler *scheduler, struct scheduler_counts *ret_counts)
{
    *ret_counts = scheduler->counts;
    ret_counts->stacks_live = scheduler->stacks.live;
    ret_counts->stacks_cached = scheduler->stacks.cached;
    ret_counts->stack_high_water = scheduler->stacks.high_water;
    ret_counts->timers = scheduler->timers.count;
}

static void scheduler_view_wait(const struct wait *wait, struct scheduler_view *view)
{
    if (wait == NULL)
        return;
    view->await_kind = wait_kind_name(wait->kind);
    view->await_what = wait->what;
    view->await_file = wait->file;
    view->await_function = wait->function;
    view->await_line = wait->line;
}

void scheduler_visit(const struct scheduler *scheduler,
                     void (*visit)(const struct scheduler_view *view, void *arg), void *arg)
{
    uint64_t now_ns = scheduler->now(scheduler->arg);
    list_for_each (link, &scheduler->tasks) {
        const struct ackd_task *task = LIST_ITEM(link, ackd_task, all);
        struct scheduler_view view = {.id = task->id,
                                      .parent_id = task->parent_id,
                                      .name = task->name,
                                      .state = task->state,
                                      .state_ns = now_ns - task->state_ns,
                                      .age_ns = now_ns - task->created_ns,
                                      .spawn_file = task->file,
                                      .spawn_line = task->line,
                                      .cancel_reason = task->innermost->reason,
                                      .message = task->message};
        scheduler_view_wait(task->wait, &view);
        visit(&view, arg);
    }
}

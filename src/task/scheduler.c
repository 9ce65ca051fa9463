/* SPDX-License-Identifier: MIT */
/* scheduler - turns, dispatches, and the stacks they run on. It must not know what tasks are for.
 */
#include <config.h>

#include "task/scheduler.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/home.h"
#include "task/spin.h"
#include "task/stack.h"
#include "task/tally.h"
#include "task/task.h"
#include "task/unobserved.h"
#include "task/view.h"

enum {
    SCHEDULER_TASKS_DEFAULT = 10000,
    SCHEDULER_CACHED_DEFAULT = 256,
    SCHEDULER_LINE = 64,     /* bytes that a processor fetches at a time */
    SCHEDULER_FORESEEN = 10, /* such lines of a stack: the frames of an await and of its caller */
    SCHEDULER_UNOBSERVED_SHOWN = 500
};

/* All there are, for debuggers: see ackd-gdb.py. */
static struct scheduler *scheduler_first;
static struct spin scheduler_first_lock;

static void scheduler_enlist(struct scheduler *scheduler)
{
    spin_lock(&scheduler_first_lock);
    scheduler->next = scheduler_first;
    scheduler_first = scheduler;
    spin_unlock(&scheduler_first_lock);
}

static void scheduler_delist(const struct scheduler *scheduler)
{
    spin_lock(&scheduler_first_lock);
    struct scheduler **link = &scheduler_first;
    while (*link != scheduler)
        link = &(*link)->next;
    *link = scheduler->next;
    spin_unlock(&scheduler_first_lock);
}

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
    scheduler->home = home_new(scheduler);
    if (scheduler->home == NULL) {
        stack_pool_fini(&scheduler->stacks);
        free(scheduler);
        return ackd_fail(ACKD_E_NOMEM, "a scheduler");
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
    list_init(&scheduler->failed);
    queue_init(&scheduler->room);
    timers_init(&scheduler->timers);
    scheduler_enlist(scheduler);
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
    if (atomic_load_explicit(&going->posted, memory_order_relaxed) != &engine_closed)
        scheduler_close(going);
    while (atomic_load_explicit(&going->posters, memory_order_acquire) > 0)
        sched_yield();
    task_serve_asked(going);
    scheduler_delist(going);
    home_close(&going->home);
    unobserved_report_pending(going);
    overflow_remove(&going->overflow);
    if (going->resting != NULL)
        stack_end_rest(&going->stacks, going->resting);
    stack_pool_fini(&going->stacks);
    engine_free_chunks(going);
    free(going);
    *scheduler = NULL;
}

void scheduler_look_at_clock(struct scheduler *scheduler)
{
    uint64_t now_ns = engine_now(scheduler);
    bool quick = now_ns - scheduler->looked_ns < ENGINE_CLOCK_QUICK_NS;
    scheduler->looked_ns = now_ns;
    if (!quick)
        scheduler->clock_every = 1;
    else if (scheduler->clock_every < ENGINE_CLOCK_EVERY_MAX)
        scheduler->clock_every *= 2;
    scheduler->clock_in = scheduler->clock_every;
    if (now_ns >= scheduler->turn_end_ns)
        scheduler->turn_left = 0;
}

/* Whether this turn may dispatch one more. */
static inline bool scheduler_may_go_on(struct scheduler *scheduler)
{
    if (scheduler->turn_left == 0)
        return false;
    scheduler->turn_left--;
    return true;
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
    progress_dispatch(&scheduler->progress, ++scheduler->counts.dispatched, task->id);
    task->times.dispatches++;
    task->times.ready_ns += scheduler->now_ns - task->state_ns;
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

static inline bool scheduler_take_resting(struct scheduler *scheduler, struct ackd_task *task)
{
    struct stack *stack = scheduler->resting;
    if (stack == NULL || stack->size != task->stack_size)
        return false;
    scheduler->resting = NULL;
    stack_resume(&scheduler->stacks, stack);
    task->stack = stack;
    return true;
}

/*
 * Have what the one after the next will touch fetched, while the next two run: where thousands of
 * tasks are parked none of it is in a cache, and one miss after the other is most of what a switch
 * costs.
 */
static inline __attribute__((always_inline)) void
scheduler_foresee(const struct scheduler *scheduler)
{
    const struct ackd_task *task = scheduler->ready == NULL ? NULL : scheduler->ready->ready_next;
    if (task == NULL || task->stack == NULL)
        return;
    const char *place = task->stack->context.place;
    for (size_t line = 0; line < SCHEDULER_FORESEEN; line++)
        __builtin_prefetch(place + line * SCHEDULER_LINE);
    __builtin_prefetch(task->innermost);
    __builtin_prefetch(&task->state_ns);
    __builtin_prefetch(&task->slot);
    __builtin_prefetch(&task->log_context);
}

static bool scheduler_attach(struct scheduler *scheduler, struct ackd_task *task);

struct context *scheduler_choose(struct scheduler *scheduler)
{
    while (scheduler->ready != NULL && scheduler_may_go_on(scheduler)) {
        struct ackd_task *task = scheduler_next(scheduler);
        if (task->stack == NULL && !scheduler_take_resting(scheduler, task) &&
            !scheduler_attach(scheduler, task)) {
            task_abandon(task, ACKD_E_NOMEM);
            continue;
        }
        scheduler_foresee(scheduler);
        scheduler_enter(scheduler, task);
        scheduler->running = task->stack;
        return &task->stack->context;
    }
    scheduler->current = NULL;
    scheduler->running = NULL;
    return &scheduler->context;
}

/* Let others run until a new task comes to this stack, whose tasks have ended. */
static inline void scheduler_rest(struct scheduler *scheduler, struct stack *stack)
{
    scheduler->resting = stack;
    struct context *next = scheduler_choose(scheduler);
    if (next == &stack->context)
        return;
    scheduler->left = &stack->context;
    context_switch(&stack->context, next);
    scheduler_take_back(scheduler);
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
    for (;;) {
        struct ackd_task *task = scheduler->current;
        do {
            task_run(task);
            task = scheduler_next_here(scheduler);
        } while (task != NULL);
        /* Only a stack of the usual size, and on which the next task finds all as in a new one. */
        if (scheduler->resting != NULL || stack->size != scheduler->stack_size ||
            !switch_is_pristine() || !stack_rest(&scheduler->stacks, stack))
            break;
        scheduler_rest(scheduler, stack);
    }
    scheduler->retired = stack;
    scheduler->left = &stack->context;
    context_leave(&stack->context, scheduler_choose(scheduler));
}

static bool scheduler_attach(struct scheduler *scheduler, struct ackd_task *task)
{
    struct error_slot *slot = error_slot_use(&task->slot);
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
    if (atomic_load_explicit(&scheduler->posted, memory_order_relaxed) != NULL)
        engine_serve_posts(scheduler, NULL);
    engine_fire(scheduler);
    if (scheduler->ready != NULL)
        scheduler_run_ready(scheduler);
    log_context_use(log_context);
    error_slot_use(slot);
    scheduler->now_stale = true;
    engine_this = before;
    return scheduler->ready != NULL ? 0 : timers_next_ns(&scheduler->timers);
}

bool scheduler_post(struct scheduler *scheduler, struct scheduler_post *post)
{
    /* The call may run, and end all that there is to run, before the wake-up is made. */
    atomic_fetch_add_explicit(&scheduler->posters, 1, memory_order_relaxed);
    struct scheduler_post *last = atomic_load_explicit(&scheduler->posted, memory_order_relaxed);
    do
        post->next = last;
    while (last != &engine_closed &&
           !atomic_compare_exchange_weak_explicit(&scheduler->posted, &last, post,
                                                  memory_order_release, memory_order_relaxed));
    if (last == NULL && scheduler->wake != NULL)
        scheduler->wake(scheduler->arg);
    atomic_fetch_sub_explicit(&scheduler->posters, 1, memory_order_release);
    return last != &engine_closed;
}

void scheduler_close(struct scheduler *scheduler)
{
    ackd_assert(scheduler->counts.live == 0);
    ackd_assert(engine_this == NULL);
    engine_this = scheduler;
    engine_serve_posts(scheduler, &engine_closed);
    engine_this = NULL;
}

struct timers *scheduler_timers(struct scheduler *scheduler)
{
    return &scheduler->timers;
}

static bool scheduler_any_waits_outside(const struct scheduler *scheduler, int but)
{
    list_for_each (link, &scheduler->tasks) {
        const struct wait *wait = LIST_ITEM(link, ackd_task, all)->wait;
        if (wait != NULL && (int)wait->kind != but && !wait_kind_is_inside(wait->kind))
            return true;
    }
    return false;
}

bool scheduler_waits_outside(const struct scheduler *scheduler)
{
    return scheduler_any_waits_outside(scheduler, -1);
}

bool scheduler_waits_outside_but(const struct scheduler *scheduler, enum wait_kind kind)
{
    return scheduler_any_waits_outside(scheduler, (int)kind);
}

bool scheduler_is_deadlocked(const struct scheduler *scheduler)
{
    if (scheduler->counts.live == 0 || scheduler->ready != NULL || scheduler->timers.count > 0)
        return false;
    if (atomic_load_explicit(&scheduler->posted, memory_order_relaxed) != NULL ||
        atomic_load_explicit(&scheduler->asked, memory_order_relaxed) != NULL ||
        home_awaits_calls(scheduler->home))
        return false;
    return !scheduler_waits_outside(scheduler);
}

struct scheduler *scheduler_current(void)
{
    return engine_this;
}

const char *scheduler_name(const struct scheduler *scheduler)
{
    return scheduler->name;
}

struct progress *scheduler_progress(struct scheduler *scheduler)
{
    return &scheduler->progress;
}

bool scheduler_glance(struct scheduler_glance *ret_glance)
{
    const struct scheduler *scheduler = engine_this;
    *ret_glance = (struct scheduler_glance){.task_id = 0};
    if (scheduler == NULL)
        return false;
    ret_glance->ready = scheduler->counts.ready;
    const struct ackd_task *task = scheduler->current;
    if (task == NULL)
        return true;
    ret_glance->task_id = task->id;
    memcpy(ret_glance->task_name, task->name, sizeof ret_glance->task_name);
    return true;
}

static struct tally *scheduler_tally(struct scheduler *scheduler, const struct scheduler_root *root)
{
    if (root->tally == NULL)
        return tally_find(scheduler, root->name);
    if (*root->tally == NULL)
        *root->tally = tally_find(scheduler, root->name);
    return *root->tally;
}

int scheduler_spawn(struct scheduler *scheduler, const struct scheduler_root *root,
                    struct ackd_task **ret_task)
{
    if (root->fn == NULL || root->name == NULL || root->name[0] == '\0')
        return ackd_fail(ACKD_E_INVAL, "a task needs a name, and something to run");
    struct ackd_task *task;
    int code = task_new(scheduler, root->fn, root->arg, root->name, root->stack_size, NULL, &task);
    if (code != ACKD_OK)
        return code;
    task->flags = 0;
    task->scope = NULL;
    task->parent_id = 0;
    task->message = root->message;
    task->owner = root->owner;
    task->log_context = root->log_context;
    task->done = root->done;
    task->tally = scheduler_tally(scheduler, root);
    task->file = task->function = "";
    task->line = 0;
    task_queue(task);
    if (ret_task != NULL)
        *ret_task = task;
    return ACKD_OK;
}

void *scheduler_message(void)
{
    const struct ackd_task *task = engine_task();
    return task == NULL ? NULL : task->message;
}

static uint64_t scheduler_unobserved(const struct scheduler *scheduler)
{
    return scheduler->counts.unobserved +
           atomic_load_explicit(&scheduler->home->unobserved, memory_order_relaxed);
}

void scheduler_counts(const struct scheduler *scheduler, struct scheduler_counts *ret_counts)
{
    *ret_counts = scheduler->counts;
    ret_counts->unobserved = scheduler_unobserved(scheduler);
    ret_counts->stacks_live = scheduler->stacks.live;
    ret_counts->stacks_cached = scheduler->stacks.cached;
    ret_counts->stack_high_water = scheduler->stacks.high_water;
    ret_counts->timers = scheduler->timers.count;
}

uint64_t scheduler_report_unobserved(struct scheduler *scheduler)
{
    unobserved_report_pending(scheduler);
    return scheduler_unobserved(scheduler);
}

void scheduler_visit(const struct scheduler *scheduler,
                     void (*visit)(const struct scheduler_view *view, void *arg), void *arg)
{
    struct scheduler_view view;
    uint64_t now_ns = scheduler->now(scheduler->arg);
    list_for_each (link, &scheduler->tasks) {
        view_fill(&view, LIST_ITEM(link, ackd_task, all), now_ns);
        visit(&view, arg);
    }
}

uint64_t scheduler_visit_slice(const struct scheduler *scheduler, uint64_t after, size_t count,
                               void (*visit)(const struct scheduler_view *view, void *arg),
                               void *arg)
{
    struct scheduler_view view;
    uint64_t now_ns = scheduler->now(scheduler->arg);
    size_t unobserved = 0;
    list_for_each (link, &scheduler->tasks) {
        const struct ackd_task *task = LIST_ITEM(link, ackd_task, all);
        if (task->id <= after)
            continue; /* ids are given in order */
        if (count-- == 0)
            return after;
        after = task->id;
        view_fill(&view, task, now_ns);
        visit(&view, arg);
    }
    list_for_each (link, &scheduler->failed) {
        const struct ackd_task *task = LIST_ITEM(link, ackd_task, all);
        if (task->observed)
            continue;
        if (++unobserved > SCHEDULER_UNOBSERVED_SHOWN)
            break; /* all are counted, and reported when they are freed */
        view_fill(&view, task, now_ns);
        visit(&view, arg);
    }
    return 0;
}

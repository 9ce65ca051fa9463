/* SPDX-License-Identifier: MIT */
/*
 * runtime - a program's own loops and services: <ackd/runtime.h>.
 *
 * The thread that runs it, or that frees it, has a loop too, the home: it takes signals, calls for
 * the services' functions one after the other (service.h), and ends the handler loops.
 *
 *   R1  The home's loop runs in ackd_runtime_run and ackd_runtime_free alone; there everything
 *       crosses by the runners' bridges.
 *   R2  A loop quits when its services, its blocking calls and its detached tasks have ended. Where
 *       they do not in time, the loops are left as they are, and so is their memory.
 */
#include <config.h>

#include <ackd/runtime.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/report.h"
#include "host/runtime.h"
#include "host/service.h"
#include "io/blocking.h"
#include "io/latch.h"
#include "io/pool.h"
#include "io/system.h"
#include "io/watchdog.h"
#include "task/refusal.h"

#define RUNTIME_MAGIC UINT32_C(0x72756e74)

enum {
    RUNTIME_LOOPS_MAX = 256, /* more than processors, of machines there are */
    RUNTIME_NAME_SIZE = 32,
    RUNTIME_SERVICES_MAX = 500,
    RUNTIME_CAPACITY = 2 * RUNTIME_SERVICES_MAX + 8, /* of a loop: crossings of services; orders */
    RUNTIME_SHUTDOWN_MS = 30000,
    RUNTIME_DEADLOCK_MS = 100,
    RUNTIME_SURVEY_MS = 500, /* for loops to say what is left on them */
    RUNTIME_SURVIVORS_SIZE = 1024
};

enum runtime_stage {
    RUNTIME_SERVING,   /* services start, run and stop */
    RUNTIME_ENDING,    /* what else runs on the loops is cancelled and waited for */
    RUNTIME_QUITTING,  /* the loops end */
    RUNTIME_SURVEYING, /* it took too long: the loops are asked what is left on them */
    RUNTIME_STUCK,     /* they are left as they are (R2) */
    RUNTIME_GONE       /* the loops have ended */
};

struct runtime_loop {
    struct ackd_runtime *runtime;
    struct runner *runner;
    struct station station; /* nothing to call: it owns what is detached in the runtime's name */
    struct order report, quit;
    bool reporting;
    bool ended; /* nothing is detached any more */
    struct scheduler_post survey;
    atomic_bool surveyed;
    char survivors[RUNTIME_SURVIVORS_SIZE];
};

struct ackd_runtime {
    uint32_t magic;
    char name[RUNTIME_NAME_SIZE];
    uint64_t shutdown_ms;
    bool signals_wanted;
    bool pooled;
    struct watchdog *watchdog;
    struct loop *home;
    struct runtime_loop *loops;
    struct runner **runners; /* of the loops, in order */
    size_t loop_count;       /* that were made */
    size_t loops_running;
    atomic_bool starting; /* somebody starts the loops, or has */
    struct latch started; /* open when that is over */
    int start_code;       /* how it went */
    atomic_bool run;      /* ackd_runtime_run was called */
    atomic_bool serving;  /* ... and services may run */
    atomic_bool stop;     /* ackd_runtime_stop was called */
    enum runtime_stage stage;
    struct services services;
    struct signals *signals;
    struct timer late;         /* the end of shutdown_ms, then of the survey */
    bool hurried;              /* by a second signal */
    struct list blocks;        /* struct block; on the first loop's thread, as the next two */
    bool blocks_refused;       /* no more begin */
    struct scheduler_post end; /* has them cancelled */
    atomic_bool blocks_gone;
};

/* A thread that is held by ackd_block_on; on its stack. */
struct block {
    struct scheduler_post post;
    struct list node;
    struct ackd_runtime *runtime;
    ackd_task_fn *fn;
    void *arg;
    const char *name, *file, *function;
    int line;
    struct ackd_task *task;
    struct latch ended;
    int code;
    const struct ackd_error *error;    /* owned */
    const struct ackd_error *deadlock; /* owned; NULL: none was seen */
};

#define RUNTIME_INSTEAD "on a loop, call the function itself, or spawn it"

static const struct ackd_consumer runtime_handler = {.name = "runtime"};

static struct executor *runtime_executor(const struct ackd_runtime *runtime, size_t index)
{
    return runner_executor(runtime->runners[index]);
}

static void runtime_block_left(struct ackd_runtime *runtime)
{
    if (!runtime->blocks_refused || !list_empty(&runtime->blocks))
        return;
    atomic_store(&runtime->blocks_gone, true);
    loop_wake(runtime->home);
}

static void runtime_block_done(struct ackd_task *task, int code, const struct ackd_error *error,
                               enum ackd_cancel_reason reason, void *arg)
{
    struct block *block = arg;
    (void)task;
    (void)reason;
    list_remove(&block->node);
    runtime_block_left(block->runtime);
    block->code = code;
    block->error = ackd_error_ref(error);
    if (block->deadlock != NULL) {
        ackd_error_unref(block->error);
        block->code = ACKD_E_DEADLOCK;
        block->error = block->deadlock;
    }
    latch_open(&block->ended); /* from here on it is gone */
}

static int runtime_block_run(void *arg)
{
    const struct block *block = arg;
    return block->fn(block->arg);
}

static void runtime_block_begin(struct scheduler_post *post)
{
    struct block *block = LIST_ITEM(post, block, post);
    struct ackd_runtime *runtime = block->runtime;
    struct scheduler_root root = {.fn = runtime_block_run,
                                  .arg = block,
                                  .name = block->name,
                                  .owner = &runtime->loops[0].station.detached,
                                  .done = runtime_block_done};
    list_init(&block->node);
    int code = runtime->blocks_refused
                   ? ackd_fail(ACKD_E_CLOSED, "the runtime ends: '%s' was not begun", block->name)
                   : scheduler_spawn(executor_scheduler(runtime_executor(runtime, 0)), &root,
                                     &block->task);
    if (code == ACKD_OK)
        list_append(&runtime->blocks, &block->node);
    else
        runtime_block_done(NULL, code, error_for(code), ACKD_CANCEL_NONE, block);
}

/* Only ackd_block_on's tasks are there, and nobody has a handle to post with: that is certain. */
static void runtime_deadlocked(void *arg)
{
    const struct runtime_loop *loop = arg;
    struct ackd_runtime *runtime = loop->runtime;
    struct executor *executor = runner_executor(loop->runner);
    char waits[1024];
    if (executor_is_known(executor))
        return; /* another thread may post what they wait for */
    report_waits(executor_scheduler(executor), waits, sizeof waits);
    if (loop != &runtime->loops[0] || atomic_load(&runtime->serving)) {
        ackd_log_warning("deadlock",
                         "nothing but a stop can wake the tasks of this loop any more: %s", waits);
        return;
    }
    list_for_each (node, &runtime->blocks) {
        struct block *block = LIST_ITEM(node, block, node);
        if (block->deadlock != NULL)
            continue;
        error_ignore(ackd_fail_at(ACKD_E_DEADLOCK, block->file, block->line, block->function,
                                  "nothing can wake any task of '%s': %s", block->name, waits));
        block->deadlock = error_take();
    }
    list_for_each (node, &runtime->blocks)
        ackd_task_cancel(LIST_ITEM(node, block, node)->task, ACKD_CANCEL_REQUESTED);
}

static void runtime_cancel_blocks(struct scheduler_post *post)
{
    struct ackd_runtime *runtime = LIST_ITEM(post, ackd_runtime, end);
    runtime->blocks_refused = true;
    list_for_each (node, &runtime->blocks)
        ackd_task_cancel(LIST_ITEM(node, block, node)->task, ACKD_CANCEL_SHUTDOWN);
    runtime_block_left(runtime);
}

static int runtime_make_loop(struct ackd_runtime *runtime,
                             const struct ackd_runtime_options *options)
{
    struct runtime_loop *loop = &runtime->loops[runtime->loop_count];
    char name[RUNTIME_NAME_SIZE + 32];
    snprintf(name, sizeof name, "%s%sloop %zu", runtime->name, runtime->name[0] == '\0' ? "" : " ",
             runtime->loop_count);
    struct runner_options runner = {.name = name,
                                    .owner = runtime->home,
                                    .capacity = RUNTIME_CAPACITY,
                                    .stack_size = options->stack_size,
                                    .tasks_max = options->tasks_max,
                                    .stacks_cached =
                                        options->stacks_cached == 0 ? 256 : options->stacks_cached,
                                    .guard = (enum stack_guard)options->stack_guard,
                                    .watchdog = runtime->watchdog,
                                    .deadlocked = runtime_deadlocked,
                                    .deadlock_ms = RUNTIME_DEADLOCK_MS,
                                    .arg = loop};
    loop->runtime = runtime;
    loop->station.handler = &runtime_handler;
    loop->station.consumer = "runtime";
    ACKD_TRY(runner_new(&runner, &loop->runner));
    runtime->runners[runtime->loop_count++] = loop->runner;
    runner_place(loop->runner, &loop->station);
    return ACKD_OK;
}

static int runtime_check(const struct ackd_runtime_options *options)
{
    if (options->loops > RUNTIME_LOOPS_MAX)
        return ackd_fail(ACKD_E_INVAL, "%u loops are more than %d", options->loops,
                         RUNTIME_LOOPS_MAX);
    if ((unsigned)options->stack_guard > ACKD_STACK_GUARD_REGION)
        return ackd_fail(ACKD_E_INVAL, "%d is no kind of guard", (int)options->stack_guard);
    if ((unsigned)options->blocking > ACKD_BLOCKING_ALLOW)
        return ackd_fail(ACKD_E_INVAL, "%d is no policy for calls that block",
                         (int)options->blocking);
    return ACKD_OK;
}

/* What tasks may not do to their loops, and who looks. The policy is the process's. */
static int runtime_watch(struct ackd_runtime *runtime, const struct ackd_runtime_options *options)
{
    struct watchdog_options watchdog = {
        .warn_ms = options->stall_warn_ms == 0 ? WATCHDOG_WARN_MS : options->stall_warn_ms,
        .error_ms = options->stall_error_ms == 0 ? WATCHDOG_ERROR_MS : options->stall_error_ms,
        .abort_ms = options->stall_abort_ms};
    blocking_set_policy(options->blocking);
    return watchdog_new(&watchdog, &runtime->watchdog);
}

static int runtime_set_up(struct ackd_runtime *runtime, const struct ackd_runtime_options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = options->loops != 0 ? options->loops : processors > 0 ? (size_t)processors : 1;
    const struct pool_options pool = {.threads = options->cpu_threads, .queue = options->cpu_queue};
    ACKD_TRY(runtime_check(options));
    ACKD_TRY(service_init(&runtime->services));
    ACKD_TRY(pool_open(&pool));
    runtime->pooled = true;
    ACKD_TRY(runtime_watch(runtime, options));
    ACKD_TRY(loop_new(runtime->name[0] == '\0' ? "ackd" : runtime->name, &runtime->home));
    runtime->loops = calloc(count, sizeof *runtime->loops);
    runtime->runners = calloc(count, sizeof *runtime->runners);
    if (runtime->loops == NULL || runtime->runners == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%zu loops", count);
    while (runtime->loop_count < count)
        ACKD_TRY(runtime_make_loop(runtime, options));
    return ACKD_OK;
}

int ackd_runtime_new(const struct ackd_runtime_options *options, struct ackd_runtime **ret_runtime)
{
    static const struct ackd_runtime_options defaults;
    if (options == NULL)
        options = &defaults;
    struct ackd_runtime *runtime = calloc(1, sizeof *runtime);
    if (runtime == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a runtime");
    runtime->magic = RUNTIME_MAGIC;
    if (options->name != NULL)
        snprintf(runtime->name, sizeof runtime->name, "%s", options->name);
    runtime->shutdown_ms = options->shutdown_ms == 0 ? RUNTIME_SHUTDOWN_MS : options->shutdown_ms;
    runtime->signals_wanted = options->signals;
    latch_init(&runtime->started);
    list_init(&runtime->blocks);
    runtime->end.run = runtime_cancel_blocks;
    int code = runtime_set_up(runtime, options);
    if (code != ACKD_OK) {
        ackd_runtime_free(&runtime);
        return code;
    }
    *ret_runtime = runtime;
    return ACKD_OK;
}

int ackd_runtime_add_service(struct ackd_runtime *runtime, const struct ackd_service *service)
{
    ackd_assert(runtime->magic == RUNTIME_MAGIC);
    if (atomic_load(&runtime->run))
        return ackd_fail(ACKD_E_INVAL, "a service is added before the runtime runs");
    if (service->loop >= runtime->loop_count)
        return ackd_fail(ACKD_E_INVAL, "there is no loop %u for a service: there are %zu",
                         service->loop, runtime->loop_count);
    if (runtime->services.count == RUNTIME_SERVICES_MAX)
        return ackd_fail(ACKD_E_INVAL, "%d services are all that a runtime takes",
                         RUNTIME_SERVICES_MAX);
    return service_add(&runtime->services, service);
}

/* Once, by whoever comes first; the others wait for that. */
static int runtime_start(struct ackd_runtime *runtime)
{
    if (atomic_exchange(&runtime->starting, true)) {
        latch_wait(&runtime->started);
        return runtime->start_code == ACKD_OK
                   ? ACKD_OK
                   : ackd_fail(runtime->start_code, "the loops could not be started");
    }
    for (size_t i = 0; i < runtime->loop_count && runtime->start_code == ACKD_OK; i++) {
        runtime->start_code = runner_start(runtime->runners[i]);
        runtime->loops_running += runtime->start_code == ACKD_OK;
    }
    latch_open(&runtime->started);
    return runtime->start_code;
}

static void runtime_order(struct runtime_loop *loop, struct order *order)
{
    runner_send(loop->runner, &order->crossing);
    runner_flush(loop->runner);
}

/* What is left on this loop, for the error; and in the log, with more of each. */
static void runtime_surveyed(struct scheduler_post *post)
{
    struct runtime_loop *loop = LIST_ITEM(post, runtime_loop, survey);
    struct scheduler *scheduler = executor_scheduler(runner_executor(loop->runner));
    report_waits(scheduler, loop->survivors, sizeof loop->survivors);
    report_tasks(scheduler, true);
    atomic_store(&loop->surveyed, true);
    loop_wake(loop->runtime->home);
}

static void runtime_arm_late(struct ackd_runtime *runtime, uint64_t ms)
{
    timer_start(loop_timers(runtime->home), &runtime->late,
                timer_after_ms(loop_now_ns(runtime->home), ms));
}

/* It takes too long: ask who is left, and then go. */
static void runtime_give_up(struct ackd_runtime *runtime)
{
    if (runtime->stage >= RUNTIME_SURVEYING)
        return;
    runtime->stage = RUNTIME_SURVEYING;
    for (size_t i = 0; i < runtime->loops_running; i++) {
        struct runtime_loop *loop = &runtime->loops[i];
        loop->survey.run = runtime_surveyed;
        if (!scheduler_post(executor_scheduler(runner_executor(loop->runner)), &loop->survey))
            atomic_store(&loop->surveyed, true); /* it has ended meanwhile */
    }
    runtime_arm_late(runtime, RUNTIME_SURVEY_MS);
}

/* The names of who is left become the failure. */
static void runtime_end_survey(struct ackd_runtime *runtime)
{
    char text[2 * RUNTIME_SURVIVORS_SIZE] = "";
    size_t length = 0;
    for (size_t i = 0; i < runtime->loops_running; i++) {
        struct runtime_loop *loop = &runtime->loops[i];
        bool surveyed = atomic_load(&loop->surveyed);
        if ((surveyed && loop->survivors[0] == '\0') || length + 64 > sizeof text)
            continue;
        length += (size_t)snprintf(
            text + length, sizeof text - length, "%sloop %zu: %s", length == 0 ? "" : "; ", i,
            surveyed ? loop->survivors : "no answer, a task holds it without an await");
        if (length >= sizeof text)
            length = sizeof text - 1;
    }
    if (runtime->hurried)
        error_ignore(ackd_fail(ACKD_E_TIMEOUT, "stopped by a second signal; still alive: %s",
                               text)); /* kept for the result */
    else
        error_ignore(ackd_fail(ACKD_E_TIMEOUT,
                               "not all had stopped within %" PRIu64 " ms; still alive: %s",
                               runtime->shutdown_ms, text)); /* kept, too */
    ackd_log_error("stuck", "%s", ackd_error_text(ackd_error_current()));
    service_note_failure(&runtime->services);
    runtime->stage = RUNTIME_STUCK;
    loop_stop(runtime->home);
}

static void runtime_late(struct timer *timer)
{
    struct ackd_runtime *runtime = LIST_ITEM(timer, ackd_runtime, late);
    if (runtime->stage == RUNTIME_SURVEYING)
        runtime_end_survey(runtime);
    else
        runtime_give_up(runtime);
}

/* What came back from the loops. */
static void runtime_receive(struct ackd_runtime *runtime, struct runtime_loop *loop)
{
    struct crossing *crossing;
    while ((crossing = runner_receive(loop->runner)) != NULL) {
        if (crossing->kind == CROSSING_REPORT) {
            loop->reporting = false;
        } else if (crossing == &loop->station.crossing) {
            loop->ended = true;
        } else if (crossing->kind != CROSSING_CANCEL) {
            struct station *station = crossing->kind == CROSSING_RUN
                                          ? LIST_ITEM(crossing, station, run_crossing)
                                          : LIST_ITEM(crossing, station, crossing);
            service_back(&runtime->services, LIST_ITEM(station, service, station), crossing);
        }
    }
}

/* No service runs any more: end what else does. */
static void runtime_end(struct ackd_runtime *runtime)
{
    runtime->stage = RUNTIME_ENDING;
    atomic_store(&runtime->serving, false);
    for (size_t i = 0; i < runtime->loops_running; i++) {
        struct runtime_loop *loop = &runtime->loops[i];
        loop->station.crossing.kind = CROSSING_END;
        runner_send(loop->runner, &loop->station.crossing);
        runner_flush(loop->runner);
    }
    bool posted = runtime->loops_running > 0 &&
                  scheduler_post(executor_scheduler(runtime_executor(runtime, 0)), &runtime->end);
    if (!posted)
        atomic_store(&runtime->blocks_gone, true);
}

static void runtime_quit(struct ackd_runtime *runtime)
{
    if (!atomic_load(&runtime->blocks_gone))
        return;
    for (size_t i = 0; i < runtime->loops_running; i++) {
        if (!runtime->loops[i].ended)
            return;
    }
    runtime->stage = RUNTIME_QUITTING;
    for (size_t i = 0; i < runtime->loops_running; i++) {
        runtime->loops[i].quit = (struct order){.crossing = {CROSSING_QUIT}};
        runtime_order(&runtime->loops[i], &runtime->loops[i].quit);
    }
}

static void runtime_go(struct ackd_runtime *runtime)
{
    for (size_t i = 0; i < runtime->loops_running; i++) {
        if (!runner_has_quit(runtime->runners[i]))
            return;
    }
    runtime->stage = RUNTIME_GONE;
    loop_stop(runtime->home);
}

static bool runtime_is_surveyed(struct ackd_runtime *runtime)
{
    for (size_t i = 0; i < runtime->loops_running; i++) {
        if (!atomic_load(&runtime->loops[i].surveyed))
            return false;
    }
    return true;
}

/* The home's turn: what has come, and the next step that it allows for. */
static uint64_t runtime_turn(void *arg)
{
    struct ackd_runtime *runtime = arg;
    struct services *services = &runtime->services;
    for (size_t i = 0; i < runtime->loops_running; i++)
        runtime_receive(runtime, &runtime->loops[i]);
    if (runtime->stage == RUNTIME_SERVING) {
        if (atomic_load(&runtime->stop))
            services->stop = true;
        service_go_on(services, runtime->runners);
        if (services->stop && !timer_armed(&runtime->late))
            runtime_arm_late(runtime, runtime->shutdown_ms);
        if (services->stage == SERVICE_STOPPED)
            runtime_end(runtime);
    }
    if (runtime->stage == RUNTIME_ENDING)
        runtime_quit(runtime);
    if (runtime->stage == RUNTIME_QUITTING)
        runtime_go(runtime);
    if (runtime->stage == RUNTIME_SURVEYING && runtime_is_surveyed(runtime))
        runtime_end_survey(runtime);
    return TIMER_NEVER;
}

static void runtime_signal(int number, void *arg)
{
    struct ackd_runtime *runtime = arg;
    if (number == SIGQUIT) {
        for (size_t i = 0; i < runtime->loops_running; i++) {
            struct runtime_loop *loop = &runtime->loops[i];
            if (loop->reporting)
                ackd_log_warning("stuck",
                                 "loop %zu has not answered the last report: a task holds it", i);
            if (loop->reporting || runtime->stage >= RUNTIME_QUITTING)
                continue;
            loop->reporting = true;
            loop->report = (struct order){.crossing = {CROSSING_REPORT}};
            runtime_order(loop, &loop->report);
        }
        return;
    }
    bool again = atomic_exchange(&runtime->stop, true);
    ackd_log_notice("signal", "%s: %s", strsignal(number), again ? "leaving at once" : "stopping");
    if (!again)
        return; /* the turn that follows sees it */
    runtime->hurried = true;
    runtime_give_up(runtime);
}

/* Run the home until the loops have ended, or were given up. */
static void runtime_drive(struct ackd_runtime *runtime)
{
    timer_init(&runtime->late, runtime_late);
    loop_set_turn(runtime->home, runtime_turn, runtime);
    loop_run(runtime->home);
    timer_stop(&runtime->late);
    if (runtime->stage != RUNTIME_GONE)
        return;
    for (size_t i = 0; i < runtime->loops_running; i++)
        runner_join(runtime->runners[i]);
    for (size_t i = 0; i < runtime->loops_running; i++)
        (void)runner_report_unobserved(runtime->runners[i]);
}

int runtime_check_thread(const char *what, const char *instead, const char *file, int line,
                         const char *function)
{
    if (loop_current() == NULL && scheduler_current() == NULL && !pool_is_here())
        return ACKD_OK;
    return refusal_at(ACKD_E_ON_LOOP, NULL, file, line, function,
                      "%s would hold a thread of the runtime: %s", what,
                      pool_is_here() ? "a job of the pool has none to wait for" : instead);
}

int ackd_runtime_run(struct ackd_runtime *runtime)
{
    ackd_assert(runtime->magic == RUNTIME_MAGIC);
    ACKD_TRY(runtime_check_thread("ackd_runtime_run", RUNTIME_INSTEAD, ACKD_HERE));
    if (atomic_exchange(&runtime->run, true))
        return ackd_fail(ACKD_E_INVAL, "the runtime runs, or has run: it does so once");
    ACKD_TRY(runtime_start(runtime));
    if (runtime->signals_wanted)
        ACKD_TRY(signals_open(runtime->home, runtime_signal, runtime, &runtime->signals));
    atomic_store(&runtime->serving, true);
    runtime_drive(runtime);
    signals_close(&runtime->signals);
    return service_result(&runtime->services);
}

void ackd_runtime_stop(struct ackd_runtime *runtime)
{
    atomic_store(&runtime->stop, true);
    loop_wake(runtime->home);
}

int ackd_block_on_at(struct ackd_runtime *runtime, ackd_task_fn *fn, void *arg, const char *name,
                     const char *file, int line, const char *function)
{
    ackd_assert(runtime->magic == RUNTIME_MAGIC);
    int code = runtime_check_thread("ackd_block_on", RUNTIME_INSTEAD, file, line, function);
    if (code == ACKD_OK && fn == NULL)
        code = ackd_fail_at(ACKD_E_INVAL, file, line, function, "there is nothing to run");
    if (code == ACKD_OK)
        code = runtime_start(runtime);
    if (code != ACKD_OK)
        return code;
    struct block block = {.post = {.run = runtime_block_begin},
                          .runtime = runtime,
                          .fn = fn,
                          .arg = arg,
                          .name = name,
                          .file = file,
                          .line = line,
                          .function = function};
    latch_init(&block.ended);
    if (scheduler_post(executor_scheduler(runtime_executor(runtime, 0)), &block.post))
        latch_wait(&block.ended);
    else
        block.code = ackd_fail_at(ACKD_E_CLOSED, file, line, function, "the runtime has ended");
    latch_fini(&block.ended);
    return block.error == NULL ? block.code : error_give(block.error);
}

struct executor *runtime_executor_that_runs(struct ackd_runtime *runtime, size_t index)
{
    ackd_assert(runtime->magic == RUNTIME_MAGIC);
    if (!atomic_load(&runtime->starting))
        return NULL;
    latch_wait(&runtime->started);
    return index < runtime->loops_running ? runtime_executor(runtime, index) : NULL;
}

struct ackd_owner *ackd_runtime_owner(struct ackd_runtime *runtime)
{
    const struct executor *here = executor_current();
    for (size_t i = 0; i < runtime->loop_count; i++) {
        if (runtime_executor(runtime, i) == here)
            return &runtime->loops[i].station.detached;
    }
    return &runtime->loops[0].station.detached;
}

int ackd_runtime_loop(struct ackd_runtime *runtime, unsigned index, struct ackd_loop **ret_loop)
{
    if (index >= runtime->loop_count)
        return ackd_fail(ACKD_E_INVAL, "there is no loop %u: there are %zu", index,
                         runtime->loop_count);
    *ret_loop = executor_handle(runtime_executor(runtime, index));
    return ACKD_OK;
}

void ackd_runtime_free(struct ackd_runtime **runtime)
{
    struct ackd_runtime *freed = *runtime;
    if (freed == NULL)
        return;
    *runtime = NULL;
    ackd_assert(freed->magic == RUNTIME_MAGIC);
    if (freed->loops_running > 0 && freed->stage < RUNTIME_STUCK) {
        ackd_assert(loop_current() == NULL);
        freed->services.stop = true;
        runtime_drive(freed);
    }
    if (freed->stage == RUNTIME_STUCK)
        return; /* R2 */
    for (size_t i = 0; i < freed->loop_count; i++)
        runner_free(&freed->loops[i].runner);
    service_fini(&freed->services);
    loop_free(&freed->home);
    watchdog_free(&freed->watchdog);
    if (freed->pooled)
        pool_close();
    latch_fini(&freed->started);
    free(freed->runners);
    free(freed->loops);
    freed->magic = 0;
    free(freed);
}

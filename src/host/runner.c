/* SPDX-License-Identifier: MIT */
/* runner - see the header. It must not know AMQP, nor what becomes of a verdict. */
#include <config.h>

#include "host/runner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/batch.h"
#include "host/publication.h"
#include "host/report.h"
#include "io/bridge.h"

enum {
    RUNNER_DEADLOCK_MS = 10000,
    RUNNER_PUBLISHES_MAX = 1024,
    RUNNER_PUBLISH_BYTES_MAX = 64 << 20
};

enum runner_quit { RUNNER_RUNS, RUNNER_QUITTING, RUNNER_HAS_QUIT };

struct runner {
    struct executor *executor;
    struct bridge in;  /* from the broker thread */
    struct bridge out; /* to it */
    struct publication_pool publications;
    struct list running; /* jobs */
    struct list batches; /* that run */
    uint64_t (*now_ns)(void *arg);
    void (*deadlocked)(void *arg);
    void *arg;          /* of both */
    struct list hooks;  /* stations whose start() or stop() runs */
    struct loop *owner; /* who is at the other end of the bridges */
    atomic_int quit;    /* enum runner_quit */
};

static void runner_give_back(struct runner *runner, struct crossing *crossing)
{
    bool sent = bridge_send(&runner->out, crossing);
    ackd_assert(sent); /* the capacity covers everything that is under way */
}

void runner_send_out(struct runner *runner, struct crossing *crossing)
{
    runner_give_back(runner, crossing);
}

struct publication_pool *runner_publications(struct runner *runner)
{
    return &runner->publications;
}

/* A return of @code that is no code. */
static int runner_refuse(int code)
{
    return ackd_fail(ACKD_E_BAD_RETURN,
                     "the handler returned %d: 0 is success, a failure is negative", code);
}

/* Call the handler for what @arg is, within its time limit. */
static __attribute__((noinline)) int
runner_limit(const struct station *station, int (*call)(const struct station *station, void *arg),
             void *arg, const char *what)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, station->timeout_ms);
    int code = call(station, arg);
    bool late = ackd_time_left_ms() == 0;
    code = ackd_deadline_pop(&deadline, code);
    if (code > 0)
        return runner_refuse(code);
    /* Past its limit a message is tried again, whatever its handler made of that. */
    if (late && code != ACKD_OK && code != ACKD_E_TIMEOUT)
        return ackd_fail(ACKD_E_TIMEOUT,
                         "the %s's timeout of %llu ms passed; the handler then returned %s", what,
                         (unsigned long long)station->timeout_ms, error_name(code).text);
    return code;
}

static int runner_call(const struct station *station, void *arg)
{
    const struct job *job = arg;
    return station->handler->handle(&job->message, station->state);
}

static int runner_handle(void *arg)
{
    const struct job *job = arg;
    const struct station *station = job->station;
    if (station->timeout_ms > 0)
        return runner_limit(station, runner_call, arg, "message");
    int code = station->handler->handle(&job->message, station->state);
    return code > 0 ? runner_refuse(code) : code;
}

static int runner_call_batch(const struct station *station, void *arg)
{
    return station->handler->handle_batch(batch_handle(arg), station->state);
}

static int runner_handle_batch(void *arg)
{
    const struct batch *batch = arg;
    const struct station *station = batch->station;
    if (station->timeout_ms > 0)
        return runner_limit(station, runner_call_batch, arg, "batch");
    int code = runner_call_batch(station, arg);
    return code > 0 ? runner_refuse(code) : code;
}

static void runner_job_done(struct ackd_task *task, int code, const struct ackd_error *error,
                            enum ackd_cancel_reason reason, void *arg)
{
    struct job *job = arg;
    (void)task;
    job->task = NULL;
    list_remove(&job->running);
    job_judge(job, code, error, reason);
    runner_give_back(job->station->runner, &job->crossing);
}

static void runner_begin_job(struct runner *runner, struct job *job, uint64_t now_ns)
{
    struct scheduler_root root = {.fn = runner_handle,
                                  .arg = job,
                                  .name = job->station->consumer,
                                  .stack_size = job->station->stack_size,
                                  .log_context = &job->log,
                                  .message = &job->message,
                                  .tally = &job->station->tally,
                                  .owner = &job->station->detached,
                                  .done = runner_job_done};
    job->started_ns = now_ns;
    int code = scheduler_spawn(executor_scheduler(runner->executor), &root, &job->task);
    if (code == ACKD_OK) {
        list_append(&runner->running, &job->running);
        return;
    }
    /* Not the message's fault: it goes back. */
    job->error = ackd_error_ref(error_for(code));
    job->verdict = ACKD_VERDICT_RELEASE;
    runner_give_back(runner, &job->crossing);
}

static void runner_batch_done(struct ackd_task *task, int code, const struct ackd_error *error,
                              enum ackd_cancel_reason reason, void *arg)
{
    struct batch *batch = arg;
    (void)task;
    batch->task = NULL;
    list_remove(&batch->running);
    batch_judge(batch, code, error, reason);
    runner_give_back(batch->station->runner, &batch->crossing);
}

static void runner_begin_batch(struct runner *runner, struct batch *batch, uint64_t now_ns)
{
    struct scheduler_root root = {.fn = runner_handle_batch,
                                  .arg = batch,
                                  .name = batch->station->consumer,
                                  .stack_size = batch->station->stack_size,
                                  .log_context = &batch->log,
                                  .message = &batch->jobs[0]->message,
                                  .tally = &batch->station->tally,
                                  .owner = &batch->station->detached,
                                  .done = runner_batch_done};
    for (size_t i = 0; i < batch->count; i++)
        batch->jobs[i]->started_ns = now_ns;
    int code = scheduler_spawn(executor_scheduler(runner->executor), &root, &batch->task);
    if (code == ACKD_OK) {
        list_append(&runner->batches, &batch->running);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->jobs[i]->error = ackd_error_ref(error_for(code));
        batch->jobs[i]->verdict = ACKD_VERDICT_RELEASE;
    }
    runner_give_back(runner, &batch->crossing);
}

static int runner_hook(void *arg)
{
    const struct station *station = arg;
    const struct ackd_consumer *handler = station->handler;
    int (*hook)(void *) = station->crossing.kind == CROSSING_START ? handler->start : handler->stop;
    int code = hook == NULL ? ACKD_OK : hook(station->state);
    return code > 0 ? ackd_fail(ACKD_E_BAD_RETURN, "it returned %d", code) : code;
}

static void runner_hook_done(struct ackd_task *task, int code, const struct ackd_error *error,
                             enum ackd_cancel_reason reason, void *arg)
{
    struct station *station = arg;
    (void)task;
    (void)reason;
    list_remove(&station->hook);
    ackd_error_unref(station->error);
    station->code = code;
    station->error = ackd_error_ref(error);
    runner_give_back(station->runner, &station->crossing);
}

static void runner_begin_hook(struct runner *runner, struct station *station)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", station->consumer,
             station->crossing.kind == CROSSING_START ? "start" : "stop");
    struct scheduler_root root = {.fn = runner_hook,
                                  .arg = station,
                                  .name = name,
                                  .stack_size = station->stack_size,
                                  .log_context = &station->log,
                                  .owner = &station->detached,
                                  .done = runner_hook_done};
    list_init(&station->hook);
    list_append(&runner->hooks, &station->hook);
    int code = scheduler_spawn(executor_scheduler(runner->executor), &root, &station->task);
    if (code != ACKD_OK)
        runner_hook_done(NULL, code, error_for(code), ACKD_CANCEL_NONE, station);
}

static void runner_detached_ended(struct ackd_owner *detached)
{
    struct station *station = LIST_ITEM(detached, station, detached);
    runner_give_back(station->runner, &station->crossing);
}

static void runner_run_ended(int code, const struct ackd_error *error, void *arg)
{
    struct station *station = arg;
    ackd_error_unref(station->run_error);
    station->run_code = code;
    station->run_error = ackd_error_ref(error);
    runner_give_back(station->runner, &station->run_crossing);
    if (station->ending)
        owner_close(&station->detached, runner_detached_ended);
}

/* What run() detaches while it ends is cancelled after it. */
static void runner_end_station(struct station *station)
{
    station->ending = true;
    if (station->background.alive)
        background_stop(&station->background, ACKD_CANCEL_SHUTDOWN);
    else
        owner_close(&station->detached, runner_detached_ended);
}

static bool runner_is_meant(const struct order *order, const struct job *job)
{
    return job->station == order->station && job->entry.epoch <= order->epoch &&
           (order->tag == 0 || job->entry.tag == order->tag);
}

/* The messages of one station. */
static void runner_cancel_messages(struct runner *runner, const struct order *order)
{
    list_for_each (node, &runner->running) {
        struct job *job = LIST_ITEM(node, job, running);
        if (runner_is_meant(order, job))
            ackd_task_cancel(job->task, order->reason);
    }
    list_for_each (node, &runner->batches) {
        struct batch *batch = LIST_ITEM(node, batch, running);
        bool meant = false;
        /* Its messages came in their order: the last is of the latest channel. */
        for (size_t i = order->tag == 0 ? batch->count - 1 : 0; i < batch->count; i++)
            meant = meant || runner_is_meant(order, batch->jobs[i]);
        if (meant)
            ackd_task_cancel(batch->task, order->reason);
    }
}

static void runner_cancel(struct runner *runner, const struct order *order)
{
    if (order->station != NULL) {
        runner_cancel_messages(runner, order);
        return;
    }
    list_for_each (node, &runner->hooks) {
        struct station *station = LIST_ITEM(node, station, hook);
        if (station->crossing.kind == CROSSING_START)
            ackd_task_cancel(station->task, order->reason);
    }
    if (order->starts_only)
        return;
    list_for_each (node, &runner->running) {
        struct job *job = LIST_ITEM(node, job, running);
        ackd_task_cancel(job->task, order->reason);
    }
    list_for_each (node, &runner->batches) {
        struct batch *batch = LIST_ITEM(node, batch, running);
        ackd_task_cancel(batch->task, order->reason);
    }
}

static void runner_closed(void *arg)
{
    struct runner *runner = arg;
    atomic_store(&runner->quit, RUNNER_HAS_QUIT);
    loop_stop(executor_loop(runner->executor));
    if (runner->owner != NULL)
        loop_wake(runner->owner);
}

/* What outlived a stop by force may use what is local to the loop: that is left alone then. */
static void runner_quit(struct runner *runner)
{
    struct scheduler_counts counts;
    atomic_store(&runner->quit, RUNNER_QUITTING);
    scheduler_counts(executor_scheduler(runner->executor), &counts);
    if (counts.live > 0)
        runner_closed(runner);
    else
        executor_close(runner->executor, runner_closed, runner);
}

static void runner_reported(void *arg)
{
    struct order *order = arg;
    runner_give_back(order->runner, &order->crossing);
}

static void runner_obey(struct runner *runner, struct order *order)
{
    if (order->crossing.kind == CROSSING_CANCEL) {
        runner_cancel(runner, order);
    } else if (order->crossing.kind == CROSSING_ORPHANS) {
        runner_cancel_messages(runner, order);
    } else if (order->crossing.kind == CROSSING_REPORT) {
        order->runner = runner;
        report_start(executor_scheduler(runner->executor), order->forced, runner_reported, order);
        return;
    } else {
        runner_quit(runner);
        return;
    }
    runner_give_back(runner, &order->crossing);
}

/* All but messages. */
static void runner_take_other(struct runner *runner, struct crossing *crossing)
{
    if (crossing->kind == CROSSING_PUBLISH || crossing->kind == CROSSING_WITHDRAW)
        publication_back(crossing);
    else if (crossing->kind == CROSSING_START || crossing->kind == CROSSING_STOP)
        runner_begin_hook(runner, LIST_ITEM(crossing, station, crossing));
    else if (crossing->kind == CROSSING_RUN)
        background_start(&LIST_ITEM(crossing, station, run_crossing)->background);
    else if (crossing->kind == CROSSING_END)
        runner_end_station(LIST_ITEM(crossing, station, crossing));
    else
        runner_obey(runner, LIST_ITEM(crossing, order, crossing));
}

/* Begin what has come, a batch at most. False if that was all. */
static bool runner_take(void *arg)
{
    struct runner *runner = arg;
    uint64_t now_ns = 0;
    for (int taken = 0; taken < EXECUTOR_BATCH; taken++) {
        struct crossing *crossing = bridge_receive(&runner->in);
        if (crossing == NULL)
            return false;
        if (crossing->kind > CROSSING_BATCH) {
            runner_take_other(runner, crossing);
            continue;
        }
        if (now_ns == 0)
            now_ns = executor_now_ns(runner->executor);
        if (crossing->kind == CROSSING_JOB)
            runner_begin_job(runner, LIST_ITEM(crossing, job, crossing), now_ns);
        else
            runner_begin_batch(runner, LIST_ITEM(crossing, batch, crossing), now_ns);
    }
    return true;
}

static uint64_t runner_now_ns(void *arg)
{
    const struct runner *runner = arg;
    return runner->now_ns(runner->arg);
}

static void runner_show(void *arg)
{
    struct runner *runner = arg;
    bridge_flush(&runner->out);
}

/* Messages may still come and wake them; but nobody should have to count on that. */
static void runner_deadlocked(void *arg)
{
    const struct runner *runner = arg;
    char waits[1024];
    if (runner->deadlocked != NULL) {
        runner->deadlocked(runner->arg);
        return;
    }
    if (list_empty(&runner->running) && list_empty(&runner->batches) && list_empty(&runner->hooks))
        return; /* services that wait for messages to bring them work */
    report_waits(executor_scheduler(runner->executor), waits, sizeof waits);
    ackd_log_warning("deadlock",
                     "for %d ms all tasks of this loop have been waiting for one another: %s",
                     RUNNER_DEADLOCK_MS, waits);
}

int runner_new(const struct runner_options *options, struct runner **ret_runner)
{
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a handler loop");
    list_init(&runner->running);
    list_init(&runner->batches);
    list_init(&runner->hooks);
    size_t publishes_max =
        options->publishes_max == 0 ? RUNNER_PUBLISHES_MAX : options->publishes_max;
    publication_pool_init(&runner->publications, runner, publishes_max,
                          options->publish_bytes_max == 0 ? RUNNER_PUBLISH_BYTES_MAX
                                                          : options->publish_bytes_max,
                          options->seed);
    /* Each may have its withdrawal behind it. */
    size_t capacity = options->capacity + 2 * publishes_max;
    runner->now_ns = options->now_ns;
    runner->owner = options->owner;
    runner->deadlocked = options->deadlocked;
    runner->arg = options->arg;
    struct executor_options executor = {
        .name = options->name,
        .take = runner_take,
        .flush = runner_show,
        .deadlocked = runner_deadlocked,
        .deadlock_ms = options->deadlocked != NULL ? options->deadlock_ms
                       : options->now_ns == NULL   ? RUNNER_DEADLOCK_MS
                                                   : 0,
        .now_ns = options->now_ns == NULL ? NULL : runner_now_ns,
        .arg = runner,
        .stack_size = options->stack_size,
        .tasks_max = options->tasks_max,
        .stacks_cached = options->stacks_cached == 0 ? options->capacity : options->stacks_cached,
        .guard = options->guard,
        .watchdog = options->watchdog};
    int code = executor_new(&executor, &runner->executor);
    if (code == ACKD_OK)
        code = bridge_init(&runner->in, capacity, executor_loop(runner->executor));
    if (code == ACKD_OK)
        code =
            bridge_init(&runner->out, capacity,
                        options->owner == NULL ? executor_loop(runner->executor) : options->owner);
    if (code != ACKD_OK) {
        runner_free(&runner);
        return code;
    }
    *ret_runner = runner;
    return ACKD_OK;
}

void runner_free(struct runner **runner)
{
    struct runner *freed = *runner;
    if (freed == NULL)
        return;
    *runner = NULL;
    bridge_fini(&freed->in);
    bridge_fini(&freed->out);
    publication_pool_fini(&freed->publications);
    executor_free(&freed->executor);
    free(freed);
}

void runner_place(struct runner *runner, struct station *station)
{
    const struct ackd_consumer *handler = station->handler;
    station->runner = runner;
    station->field = (struct ackd_log_field)ACKD_FIELD("consumer", station->consumer);
    station->log = (struct log_context){.fields = &station->field, .count = 1};
    snprintf(station->run_name, sizeof station->run_name, "%.58s.run", station->consumer);
    owner_init(&station->detached, executor_scheduler(runner->executor), station->consumer);
    station->detached.log_context = &station->log;
    station->detached.context = station;
    station->run_crossing.kind = CROSSING_RUN;
    station->background = (struct background){.executor = runner->executor,
                                              .run = handler->run,
                                              .state = station->state,
                                              .name = station->run_name,
                                              .on_failure = handler->run_failure,
                                              .stack_size = station->stack_size,
                                              .owner = &station->detached,
                                              .log_context = &station->log,
                                              .ended = runner_run_ended,
                                              .arg = station};
}

void runner_clear(struct station *station)
{
    ackd_error_unref(station->error);
    ackd_error_unref(station->run_error);
    station->error = station->run_error = NULL;
}

int runner_start(struct runner *runner)
{
    return executor_start(runner->executor);
}

void runner_join(struct runner *runner)
{
    executor_join(runner->executor);
}

struct executor *runner_executor(const struct runner *runner)
{
    return runner->executor;
}

void runner_send(struct runner *runner, struct crossing *crossing)
{
    bool sent = bridge_send(&runner->in, crossing);
    ackd_assert(sent);
}

void runner_flush(struct runner *runner)
{
    bridge_flush(&runner->in);
}

struct crossing *runner_receive(struct runner *runner)
{
    return bridge_receive(&runner->out);
}

bool runner_has_quit(const struct runner *runner)
{
    return atomic_load(&runner->quit) == RUNNER_HAS_QUIT;
}

bool runner_is_quitting(const struct runner *runner)
{
    return atomic_load(&runner->quit) != RUNNER_RUNS;
}

uint64_t runner_report_unobserved(struct runner *runner)
{
    return scheduler_report_unobserved(executor_scheduler(runner->executor));
}

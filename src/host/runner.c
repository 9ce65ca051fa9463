/* SPDX-License-Identifier: MIT */
/* runner - see the header. It must not know AMQP, nor what becomes of a verdict. */
#include <config.h>

#include "host/runner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/report.h"
#include "io/bridge.h"

enum {
    RUNNER_BATCH = 64, /* messages begun before any runs */
    RUNNER_ROUNDS = 64 /* batches in a turn */
};

struct runner {
    struct loop *loop;
    struct scheduler *scheduler;
    struct bridge in;    /* from the broker thread */
    struct bridge out;   /* to it */
    struct list running; /* jobs */
    struct list hooks;   /* stations whose start() or stop() runs */
    atomic_bool quit;
};

static uint64_t runner_now_ns(void *arg)
{
    const struct runner *runner = arg;
    return loop_now_ns(runner->loop);
}

static void runner_wake(void *arg)
{
    const struct runner *runner = arg;
    loop_wake(runner->loop);
}

static void runner_give_back(struct runner *runner, struct crossing *crossing)
{
    bool sent = bridge_send(&runner->out, crossing);
    ackd_assert(sent); /* the capacity covers everything that is under way */
}

/* The handler, within its time limit. */
static int runner_handle(void *arg)
{
    struct job *job = arg;
    const struct station *station = job->station;
    if (station->timeout_ms == 0) {
        int code = station->handler->handle(&job->message, station->state);
        return code > 0 ? ackd_fail(ACKD_E_BAD_RETURN, "the handler returned %d", code) : code;
    }
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, station->timeout_ms);
    int code = station->handler->handle(&job->message, station->state);
    bool late = ackd_time_left_ms() == 0;
    code = ackd_deadline_pop(&deadline, code);
    if (code > 0)
        return ackd_fail(ACKD_E_BAD_RETURN, "the handler returned %d", code);
    /* Past its limit a message is tried again, whatever its handler made of that. */
    if (late && code != ACKD_OK && code != ACKD_E_TIMEOUT)
        return ackd_fail(ACKD_E_TIMEOUT,
                         "the message's timeout of %llu ms passed; the handler then "
                         "returned %s",
                         (unsigned long long)station->timeout_ms, ackd_code_name(code));
    return code;
}

/* What the message comes to: the table of verdicts. */
static void runner_judge(struct job *job, int code, const struct ackd_error *error,
                         enum ackd_cancel_reason reason)
{
    job->error = ackd_error_ref(error);
    job->delay_ms = ackd_error_delay_ms(error);
    if (code == ACKD_OK) {
        job->verdict = ACKD_VERDICT_DONE;
    } else if (code == ACKD_CANCELED) {
        job->verdict =
            reason == ACKD_CANCEL_CHANNEL_CLOSED ? ACKD_VERDICT_ORPHAN : ACKD_VERDICT_RELEASE;
    } else if (reason == ACKD_CANCEL_SHUTDOWN) {
        job->failed_during_shutdown = true;
        job->verdict = ACKD_VERDICT_RELEASE;
    } else {
        job->verdict = ackd_error_verdict(error);
    }
}

static void runner_job_done(struct ackd_task *task, int code, const struct ackd_error *error,
                            enum ackd_cancel_reason reason, void *arg)
{
    struct job *job = arg;
    (void)task;
    job->task = NULL;
    list_remove(&job->running);
    runner_judge(job, code, error, reason);
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
                                  .done = runner_job_done};
    job->started_ns = now_ns;
    int code = scheduler_spawn(runner->scheduler, &root, &job->task);
    if (code == ACKD_OK) {
        list_append(&runner->running, &job->running);
        return;
    }
    /* Not the message's fault: it goes back. */
    job->error = ackd_error_ref(error_for(code));
    job->verdict = ACKD_VERDICT_RELEASE;
    runner_give_back(runner, &job->crossing);
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
                                  .done = runner_hook_done};
    list_init(&station->hook);
    list_append(&runner->hooks, &station->hook);
    int code = scheduler_spawn(runner->scheduler, &root, &station->task);
    if (code != ACKD_OK)
        runner_hook_done(NULL, code, error_for(code), ACKD_CANCEL_NONE, station);
}

static void runner_cancel(struct runner *runner, const struct order *order)
{
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
}

static void runner_obey(struct runner *runner, struct order *order)
{
    if (order->crossing.kind == CROSSING_CANCEL) {
        runner_cancel(runner, order);
    } else if (order->crossing.kind == CROSSING_REPORT) {
        report_tasks(runner->scheduler, order->forced);
    } else {
        atomic_store(&runner->quit, true);
        loop_stop(runner->loop);
        return;
    }
    runner_give_back(runner, &order->crossing);
}

/* Begin what has come, a batch at most. False if that was all. */
static bool runner_take(struct runner *runner)
{
    uint64_t now_ns = 0;
    for (int taken = 0; taken < RUNNER_BATCH; taken++) {
        struct crossing *crossing = bridge_receive(&runner->in);
        if (crossing == NULL)
            return false;
        if (crossing->kind == CROSSING_JOB) {
            if (now_ns == 0)
                now_ns = loop_now_ns(runner->loop);
            runner_begin_job(runner, LIST_ITEM(crossing, job, crossing), now_ns);
        } else if (crossing->kind == CROSSING_START || crossing->kind == CROSSING_STOP) {
            runner_begin_hook(runner, LIST_ITEM(crossing, station, crossing));
        } else {
            runner_obey(runner, LIST_ITEM(crossing, order, crossing));
        }
    }
    return true;
}

/*
 * By batches: what the tasks of one leave in the cache serves those of the next. It goes on while
 * handlers end or await as fast as that; where they do not, the loop must see its other events.
 */
static uint64_t runner_turn(void *arg)
{
    struct runner *runner = arg;
    bool more = true;
    uint64_t next_ns = TIMER_NEVER;
    for (int round = 0; round < RUNNER_ROUNDS && more && next_ns != 0; round++) {
        more = runner_take(runner);
        next_ns = scheduler_turn(runner->scheduler);
    }
    bridge_flush(&runner->out);
    return more ? 0 : next_ns;
}

int runner_new(const struct runner_options *options, struct runner **ret_runner)
{
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a handler loop");
    list_init(&runner->running);
    list_init(&runner->hooks);
    struct scheduler_options scheduler = {.name = options->name,
                                          .now_ns = runner_now_ns,
                                          .wake = runner_wake,
                                          .arg = runner,
                                          .stack_size = options->stack_size,
                                          .tasks_max = options->tasks_max,
                                          .stacks_cached = options->capacity};
    int code = loop_new(options->name, &runner->loop);
    if (code == ACKD_OK)
        code = bridge_init(&runner->in, options->capacity, runner->loop);
    if (code == ACKD_OK)
        code = bridge_init(&runner->out, options->capacity, options->owner);
    if (code == ACKD_OK)
        code = scheduler_new(&scheduler, &runner->scheduler);
    if (code != ACKD_OK) {
        runner_free(&runner);
        return code;
    }
    loop_set_turn(runner->loop, runner_turn, runner);
    *ret_runner = runner;
    return ACKD_OK;
}

void runner_free(struct runner **runner)
{
    struct runner *freed = *runner;
    if (freed == NULL)
        return;
    *runner = NULL;
    scheduler_free(&freed->scheduler);
    bridge_fini(&freed->in);
    bridge_fini(&freed->out);
    loop_free(&freed->loop);
    free(freed);
}

int runner_start(struct runner *runner)
{
    return loop_start(runner->loop);
}

void runner_join(struct runner *runner)
{
    loop_join(runner->loop);
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
    return atomic_load(&runner->quit);
}

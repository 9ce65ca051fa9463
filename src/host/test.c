/* SPDX-License-Identifier: MIT */
/*
 * test - <ackd/test.h>: a runner on the calling thread, under a clock of its own.
 *
 * The test plays both sides: the broker thread that sends jobs and takes them back, and the loop's
 * own thread, one round after the other. A round in which nothing was dispatched and nothing came
 * back is followed by a second one, for what the first one's events made ready; then the test is
 * idle, and only time or the outside can go on.
 */
#include <config.h>

#include <ackd/test.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/batch.h"
#include "host/executor.h"
#include "host/job.h"
#include "host/report.h"
#include "host/runner.h"
#include "host/test_delivery.h"
#include "host/test_outlet.h"
#include "plugin/plugin.h"
#include "task/refusal.h"

enum {
    TEST_CAPACITY = 65536, /* messages under way */
    TEST_OUTSIDE_MS = 50   /* a look at the outside, at most */
};

#define TEST_LONG_NS (3600 * NS_PER_S) /* of the test's clock: nothing takes longer */

struct ackd_test {
    struct runner *runner;
    struct plugin *plugin;
    struct delivery_pool *pool;
    struct station station;
    struct order order;
    bool order_back, hook_back, run_back, stopped;
    bool started; /* start() succeeded */
    bool leaks;   /* tasks are left that cannot be ended */
    uint64_t start_ns, now_ns;
    uint64_t tags;
    struct list deliveries;
    struct test_outlet outlet;
    struct list batches; /* idle ones: each is for as many messages as it was made for */
};

struct ackd_test_delivery {
    struct job job; /* first: both are in the delivery's own memory */
    struct list link;
    struct ackd_test *test;
    uint64_t sent_ns, took_ns;
    bool ended;
};

static struct scheduler *test_scheduler(const struct ackd_test *test)
{
    return executor_scheduler(runner_executor(test->runner));
}

static uint64_t test_clock_ns(void *arg)
{
    const struct ackd_test *test = arg;
    return test->now_ns;
}

static void test_end_delivery(const struct ackd_test *test, struct job *job)
{
    struct ackd_test_delivery *delivery = LIST_ITEM(job, ackd_test_delivery, job);
    delivery->ended = true;
    delivery->took_ns = test->now_ns - delivery->sent_ns;
}

static void test_take_back(struct ackd_test *test, struct crossing *crossing)
{
    if (crossing->kind == CROSSING_JOB) {
        test_end_delivery(test, LIST_ITEM(crossing, job, crossing));
    } else if (crossing->kind == CROSSING_BATCH) {
        struct batch *batch = LIST_ITEM(crossing, batch, crossing);
        for (struct job *job; (job = batch_take(batch)) != NULL;)
            test_end_delivery(test, job);
        list_append(&test->batches, &batch->node);
    } else if (crossing->kind == CROSSING_PUBLISH || crossing->kind == CROSSING_WITHDRAW) {
        test_outlet_receive(&test->outlet, test_scheduler(test), test->now_ns,
                            ackd_test_now_ms(test), crossing);
    } else if (crossing == &test->order.crossing) {
        test->order_back = true;
    } else if (crossing == &test->station.run_crossing) {
        test->run_back = true;
    } else {
        ackd_assert(crossing == &test->station.crossing);
        test->hook_back = true;
    }
}

/* One round of the loop, with a look at the outside of @wait_ms. Whether anything happened. */
static bool test_round(struct ackd_test *test, uint64_t wait_ms)
{
    struct scheduler_counts before, after;
    scheduler_counts(test_scheduler(test), &before);
    loop_poll(executor_loop(runner_executor(test->runner)), wait_ms);
    scheduler_counts(test_scheduler(test), &after);
    bool happened = after.dispatched != before.dispatched || after.ready > 0;
    struct crossing *crossing;
    while ((crossing = runner_receive(test->runner)) != NULL) {
        test_take_back(test, crossing);
        happened = true;
    }
    return happened || executor_due_ns(runner_executor(test->runner)) == 0;
}

static void test_run_ready(struct ackd_test *test)
{
    for (int quiet = 0; quiet < 2; quiet++) {
        if (test_round(test, 0))
            quiet = -1;
    }
}

/* Look at the outside until the next limit or @until_ns at the latest, and let the clock follow. */
static void test_wait_outside(struct ackd_test *test, uint64_t due_ns)
{
    struct loop *loop = executor_loop(runner_executor(test->runner));
    uint64_t left_ms = (due_ns - test->now_ns) / NS_PER_MS + 1;
    uint64_t from_ns = loop_now_ns(loop);
    (void)test_round(test, left_ms < TEST_OUTSIDE_MS ? left_ms : TEST_OUTSIDE_MS);
    uint64_t passed_ns = loop_now_ns(loop) - from_ns;
    test->now_ns = passed_ns < due_ns - test->now_ns ? test->now_ns + passed_ns : due_ns;
}

/* Let happen what happens next, up to @until_ns. False if nothing does before then. */
static bool test_step(struct ackd_test *test, uint64_t until_ns, bool outside)
{
    test_run_ready(test);
    uint64_t due_ns = executor_due_ns(runner_executor(test->runner));
    bool due = due_ns <= until_ns;
    /* Publishes wait for the test itself. */
    if (outside && scheduler_waits_outside_but(test_scheduler(test), WAIT_PUBLISH))
        test_wait_outside(test, due ? due_ns : until_ns);
    else if (due && due_ns > test->now_ns)
        test->now_ns = due_ns;
    else if (!due)
        return false;
    return test->now_ns < until_ns;
}

size_t ackd_test_dump(const struct ackd_test *test, char *text, size_t size)
{
    return report_dump(test_scheduler(test), text, size);
}

/* Until *@done. ACKD_E_TIMEOUT or ACKD_E_DEADLOCK, saying what is awaited instead. */
static int test_run_until(struct ackd_test *test, const bool *done, const char *what)
{
    uint64_t until_ns = test->now_ns + TEST_LONG_NS;
    for (bool more = true;; more = test_step(test, until_ns, true)) {
        test_run_ready(test); /* also what is due at the very end */
        if (*done)
            return ACKD_OK;
        if (!more)
            break;
    }
    char tasks[2048];
    ackd_test_dump(test, tasks, sizeof tasks);
    if (scheduler_is_deadlocked(test_scheduler(test)))
        return ackd_fail(ACKD_E_DEADLOCK, "%s cannot end any more:\n%s", what, tasks);
    return ackd_fail(ACKD_E_TIMEOUT, "%s did not end within an hour:\n%s", what, tasks);
}

static void test_send(struct ackd_test *test, struct crossing *crossing)
{
    runner_send(test->runner, crossing);
    runner_flush(test->runner);
}

/* start() or stop(). */
static int test_hook(struct ackd_test *test, enum crossing_kind kind, const char *what)
{
    test->station.crossing.kind = kind;
    test->hook_back = false;
    test_send(test, &test->station.crossing);
    ACKD_TRY(test_run_until(test, &test->hook_back, what));
    if (test->station.code == ACKD_OK || test->station.code == ACKD_CANCELED)
        return test->station.code;
    return error_give(ackd_error_ref(test->station.error));
}

/* The settings as the configuration would give them; a list for a key that comes again. */
static int test_make_state(struct ackd_test *test, const struct ackd_test_setting *settings)
{
    size_t count = 0;
    while (settings != NULL && settings[count].key != NULL)
        count++;
    struct config_setting *made = calloc(count + 1, sizeof *made);
    const char **values = calloc(2 * count + 1, sizeof *values);
    if (made == NULL || values == NULL) {
        free(made);
        free(values);
        return ackd_fail(ACKD_E_NOMEM, "the settings of a test");
    }
    size_t keys = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(settings[k].key, settings[i].key) == 0;
        if (again)
            continue;
        struct config_setting *setting = &made[keys++];
        *setting = (struct config_setting){.key = settings[i].key,
                                           .values = &values[used],
                                           .file = "settings",
                                           .line = (int)i + 1};
        size_t items = 0;
        for (size_t k = i; k < count; k++) {
            if (strcmp(settings[k].key, settings[i].key) != 0)
                continue;
            values[used++] = settings[k].value;
            items++;
        }
        values[used++] = NULL;
        setting->list = items > 1;
    }
    int code = plugin_state_new(test->plugin, made, keys, "the test", &test->station.state);
    free(made);
    free(values);
    return code;
}

static int test_set_up(struct ackd_test *test, const struct ackd_consumer *consumer,
                       const struct ackd_test_setting *settings)
{
    ACKD_TRY(plugin_wrap(consumer, &test->plugin));
    ACKD_TRY(test_make_state(test, settings));
    ACKD_TRY(delivery_pool_new(sizeof(struct ackd_test_delivery), 0, &test->pool));
    const struct runner_options options = {
        .name = "test", .capacity = TEST_CAPACITY, .now_ns = test_clock_ns, .arg = test};
    ACKD_TRY(runner_new(&options, &test->runner));
    test->station.handler = plugin_consumer(test->plugin);
    test->station.consumer = test->station.handler->name;
    test->station.publishes = true;
    runner_place(test->runner, &test->station);
    ACKD_TRY(test_hook(test, CROSSING_START, "start()"));
    test->started = true;
    if (test->station.handler->run != NULL)
        test_send(test, &test->station.run_crossing);
    test_run_ready(test);
    return ACKD_OK;
}

int ackd_test_new(const struct ackd_consumer *consumer, const struct ackd_test_setting *settings,
                  struct ackd_test **ret_test)
{
    if (loop_current() != NULL)
        return refusal_here(ACKD_E_ON_LOOP, "a test has a loop of its own: not inside of another");
    struct ackd_test *test = calloc(1, sizeof *test);
    if (test == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a test");
    test->now_ns = test->start_ns = TEST_LONG_NS;
    list_init(&test->deliveries);
    test_outlet_init(&test->outlet);
    list_init(&test->batches);
    list_init(&test->station.hook);
    int code = test_set_up(test, consumer, settings);
    if (code == ACKD_OK) {
        *ret_test = test;
        return ACKD_OK;
    }
    const struct ackd_error *error = error_take();
    ackd_test_free(&test);
    return code == ACKD_CANCELED ? code : error_give(error);
}

/* Cancel all that runs, and wait for it. */
static int test_end_work(struct ackd_test *test)
{
    test->order = (struct order){.crossing = {CROSSING_CANCEL}, .reason = ACKD_CANCEL_SHUTDOWN};
    test_send(test, &test->order.crossing);
    ACKD_TRY(test_run_until(test, &test->order_back, "the cancellation"));
    list_for_each (link, &test->deliveries) {
        struct ackd_test_delivery *delivery = LIST_ITEM(link, ackd_test_delivery, link);
        ACKD_TRY(test_run_until(test, &delivery->ended, "a message that was cancelled"));
    }
    return test_hook(test, CROSSING_END, "run(), or what was detached,");
}

size_t ackd_test_tasks(const struct ackd_test *test)
{
    struct scheduler_counts counts;
    scheduler_counts(test_scheduler(test), &counts);
    return counts.live;
}

int ackd_test_stop(struct ackd_test *test)
{
    if (test->stopped)
        return ackd_fail(ACKD_E_CLOSED, "the test was stopped");
    test->stopped = true;
    int code = test->started ? test_end_work(test) : ACKD_OK;
    if (code == ACKD_OK && test->started)
        code = test_hook(test, CROSSING_STOP, "stop()");
    if (code == ACKD_OK && test->run_back && test->station.run_code != ACKD_OK)
        code = error_give(ackd_error_ref(test->station.run_error));
    test->leaks = ackd_test_tasks(test) > 0;
    return code;
}

static void test_quit(struct ackd_test *test)
{
    test->order = (struct order){.crossing = {CROSSING_QUIT}};
    test_send(test, &test->order.crossing);
    while (!runner_has_quit(test->runner))
        (void)test_step(test, test->now_ns + TEST_LONG_NS, true);
    runner_free(&test->runner);
}

void ackd_test_free(struct ackd_test **test)
{
    struct ackd_test *freed = *test;
    if (freed == NULL)
        return;
    *test = NULL;
    if (freed->runner != NULL && !freed->stopped)
        error_ignore(ackd_test_stop(freed));
    if (freed->leaks)
        return;
    if (freed->runner != NULL)
        test_quit(freed);
    for (struct list *link; (link = list_take(&freed->deliveries)) != NULL;) {
        struct job *job = &LIST_ITEM(link, ackd_test_delivery, link)->job;
        job_free(&job);
    }
    for (struct list *link; (link = list_take(&freed->batches)) != NULL;) {
        struct batch *batch = LIST_ITEM(link, batch, node);
        batch_free(&batch);
    }
    if (freed->pool != NULL)
        delivery_pool_free(&freed->pool);
    if (freed->plugin != NULL)
        plugin_state_free(freed->plugin, &freed->station.state);
    plugin_forget(&freed->plugin);
    runner_clear(&freed->station);
    test_outlet_fini(&freed->outlet);
    free(freed);
}

void ackd_test_set_timeout(struct ackd_test *test, uint64_t ms)
{
    test->station.timeout_ms = ms;
}

void *ackd_test_state(struct ackd_test *test)
{
    return test->station.state;
}

static int test_make(struct ackd_test *test, const struct ackd_test_message *message,
                     struct ackd_test_delivery **ret_delivery)
{
    struct delivery *made;
    ACKD_TRY(test_delivery_make(test->pool, message, &made));
    made->tag = ++test->tags;
    struct job *job = job_init(made, NULL, test->station.consumer, "test");
    if (message->attempt > 0)
        job->message.attempt = message->attempt;
    job->station = &test->station;
    struct ackd_test_delivery *delivery = LIST_ITEM(job, ackd_test_delivery, job);
    delivery->test = test;
    delivery->sent_ns = test->now_ns;
    list_init(&delivery->link);
    list_append(&test->deliveries, &delivery->link);
    *ret_delivery = delivery;
    return ACKD_OK;
}

int ackd_test_send(struct ackd_test *test, const struct ackd_test_message *message,
                   struct ackd_test_delivery **ret_delivery)
{
    if (test->stopped)
        return ackd_fail(ACKD_E_CLOSED, "the test was stopped");
    if (test->station.handler->handle == NULL)
        return ackd_fail(ACKD_E_INVAL, "consumer '%s' has no handle(): ackd_test_handle_batch",
                         test->station.consumer);
    ACKD_TRY(test_make(test, message, ret_delivery));
    test_send(test, &(*ret_delivery)->job.crossing);
    return ACKD_OK;
}

/* What was made of a batch that cannot be sent: it is nobody's. */
static void test_unmake(struct ackd_test_delivery **deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct job *job = &deliveries[i]->job;
        list_remove(&deliveries[i]->link);
        job_free(&job);
    }
}

int ackd_test_send_batch(struct ackd_test *test, const struct ackd_test_message *messages,
                         size_t count, struct ackd_test_delivery **ret_deliveries)
{
    struct batch *batch = NULL;
    if (test->stopped)
        return ackd_fail(ACKD_E_CLOSED, "the test was stopped");
    if (count == 0 || test->station.handler->handle_batch == NULL)
        return ackd_fail(ACKD_E_INVAL,
                         count == 0 ? "a batch has one message at least"
                                    : "consumer '%s' has no handle_batch()",
                         test->station.consumer);
    ACKD_TRY(batch_new(count, &batch));
    int code = ACKD_OK;
    for (size_t i = 0; i < count && code == ACKD_OK; i++) {
        code = test_make(test, &messages[i], &ret_deliveries[i]);
        if (code == ACKD_OK)
            batch_add(batch, &ret_deliveries[i]->job);
    }
    if (code != ACKD_OK) {
        test_unmake(ret_deliveries, batch->count);
        batch_free(&batch);
        return code;
    }
    batch_begin(batch, &test->station);
    test_send(test, &batch->crossing);
    return ACKD_OK;
}

struct ackd_test_outcome ackd_test_outcome(const struct ackd_test_delivery *delivery)
{
    const struct job *job = &delivery->job;
    if (!delivery->ended)
        return (struct ackd_test_outcome){.ended = false};
    int code = job->verdict == ACKD_VERDICT_DONE ? ACKD_OK : ACKD_CANCELED;
    return (struct ackd_test_outcome){.ended = true,
                                      .verdict = job->verdict,
                                      .code =
                                          job->error == NULL ? code : ackd_error_code(job->error),
                                      .error = job->error,
                                      .delay_ms = job->delay_ms,
                                      .took_ms = delivery->took_ns / NS_PER_MS};
}

int ackd_test_finish(struct ackd_test_delivery *delivery, struct ackd_test_outcome *ret_outcome)
{
    ACKD_TRY(test_run_until(delivery->test, &delivery->ended, "the message"));
    *ret_outcome = ackd_test_outcome(delivery);
    return ACKD_OK;
}

int ackd_test_handle(struct ackd_test *test, const struct ackd_test_message *message,
                     struct ackd_test_outcome *ret_outcome)
{
    struct ackd_test_delivery *delivery;
    ACKD_TRY(ackd_test_send(test, message, &delivery));
    return ackd_test_finish(delivery, ret_outcome);
}

int ackd_test_handle_batch(struct ackd_test *test, const struct ackd_test_message *messages,
                           size_t count, struct ackd_test_outcome *ret_outcomes)
{
    struct ackd_test_delivery **deliveries = calloc(count + 1, sizeof(struct ackd_test_delivery *));
    if (deliveries == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a batch of %zu messages", count);
    int code = ackd_test_send_batch(test, messages, count, deliveries);
    for (size_t i = 0; i < count && code == ACKD_OK; i++)
        code = ackd_test_finish(deliveries[i], &ret_outcomes[i]);
    free(deliveries);
    return code;
}

void ackd_test_cancel(struct ackd_test_delivery *delivery, enum ackd_cancel_reason reason)
{
    test_run_ready(delivery->test); /* it may not have begun */
    const struct batch *batch = delivery->job.message.batch;
    struct ackd_task *task = batch == NULL ? delivery->job.task : batch->task;
    if (task != NULL)
        ackd_task_cancel(task, reason);
}

void ackd_test_settle(struct ackd_test *test)
{
    test_run_ready(test);
}

void ackd_test_advance(struct ackd_test *test, uint64_t ms)
{
    uint64_t until_ns = test->now_ns + ms * NS_PER_MS;
    while (test_step(test, until_ns, false))
        continue;
    test->now_ns = until_ns;
    test_run_ready(test);
}

uint64_t ackd_test_now_ms(const struct ackd_test *test)
{
    return (test->now_ns - test->start_ns) / NS_PER_MS;
}

/* A task that is no message. */
struct test_part {
    ackd_task_fn *fn;
    void *arg;
    int code;
    const struct ackd_error *error;
    bool ended;
};

static int test_part_run(void *arg)
{
    struct test_part *part = arg;
    return part->fn(part->arg);
}

static void test_part_done(struct ackd_task *task, int code, const struct ackd_error *error,
                           enum ackd_cancel_reason reason, void *arg)
{
    struct test_part *part = arg;
    (void)task;
    (void)reason;
    part->code = code;
    part->error = ackd_error_ref(error);
    part->ended = true;
}

int ackd_test_run_at(struct ackd_test *test, ackd_task_fn *fn, void *arg, const char *name)
{
    struct test_part part = {.fn = fn, .arg = arg};
    const struct scheduler_root root = {.fn = test_part_run,
                                        .arg = &part,
                                        .name = name,
                                        .owner = &test->station.detached,
                                        .done = test_part_done};
    ACKD_TRY(scheduler_spawn(test_scheduler(test), &root, NULL));
    int code = test_run_until(test, &part.ended, name);
    if (code != ACKD_OK) {
        /* Its task still has our memory: nothing may run any more. */
        test->stopped = test->leaks = true;
        return code;
    }
    return part.error == NULL ? part.code : error_give(part.error);
}

size_t ackd_test_unobserved(const struct ackd_test *test)
{
    struct scheduler_counts counts;
    scheduler_counts(test_scheduler(test), &counts);
    return counts.unobserved;
}

size_t ackd_test_publications(const struct ackd_test *test)
{
    return test->outlet.count;
}

const struct ackd_test_publication *ackd_test_publication(const struct ackd_test *test,
                                                          size_t index)
{
    return test_outlet_at(&test->outlet, index);
}

void ackd_test_on_publish(struct ackd_test *test, ackd_test_publish_fn *answer, void *arg)
{
    test->outlet.answer = answer;
    test->outlet.arg = arg;
}

/* SPDX-License-Identifier: MIT */
/*
 * inspect - <ackd/inspect.h>: a look at all loops from outside.
 *
 * Every loop is asked at once, and each answers at its own pace. A request that is given up is left
 * to its loop, which frees it when it gets to it.
 */
#include <config.h>

#include <ackd/inspect.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/dump.h"
#include "host/runtime.h"
#include "io/latch.h"
#include "io/symbol.h"
#include "task/progress.h"

/* It waits for the answers of all loops. */
#define INSPECT_INSTEAD "call it from a thread of your own"

enum { INSPECT_STALL_MS = 1000, INSPECT_LOOK_MS = 50 };

enum inspect_state { INSPECT_ASKED, INSPECT_ANSWERED, INSPECT_GIVEN_UP };

struct inspect_loop {
    struct survey *survey;
    struct latch answered;
    atomic_int state; /* enum inspect_state */
};

/* What is done with the answers. */
struct inspect {
    void (*take)(struct inspect *inspect, const struct survey *survey);
    void (*stalled)(struct inspect *inspect, const char *loop, uint64_t task, uint64_t ms);
    struct dump *dump;
    void (*fn)(const struct ackd_task_info *task, void *arg);
    void (*lint)(const struct ackd_task_lint *lint, void *arg);
    void *arg;
    int code;
};

static void inspect_free(struct inspect_loop *loop)
{
    if (loop == NULL)
        return;
    survey_free(&loop->survey);
    latch_fini(&loop->answered);
    free(loop);
}

static void inspect_answer(struct survey *survey)
{
    struct inspect_loop *loop = survey->arg;
    int asked = INSPECT_ASKED;
    if (atomic_compare_exchange_strong(&loop->state, &asked, INSPECT_ANSWERED))
        latch_open(&loop->answered);
    else
        inspect_free(loop);
}

/* NULL: it has ended, or there is no memory, which @ret_code says then. */
static struct inspect_loop *inspect_ask(struct executor *executor, bool frames, int *ret_code)
{
    struct inspect_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        *ret_code = ackd_fail(ACKD_E_NOMEM, "to ask a loop for its tasks");
        return NULL;
    }
    latch_init(&loop->answered);
    loop->survey = survey_new(executor_scheduler(executor), frames);
    if (loop->survey == NULL) {
        *ret_code = ackd_fail(ACKD_E_NOMEM, "to ask a loop for its tasks");
    } else {
        loop->survey->arg = loop;
        if (survey_start(loop->survey, inspect_answer))
            return loop;
    }
    inspect_free(loop);
    return NULL;
}

/* False: it stands still; what holds it is in @ret_task. */
static bool inspect_wait(struct inspect_loop *loop, struct progress *progress, uint64_t *ret_task)
{
    uint64_t still_ms = 0, seen = 0;
    while (!latch_wait_ms(&loop->answered, INSPECT_LOOK_MS)) {
        uint64_t now = atomic_load_explicit(&progress->dispatches, memory_order_relaxed) +
                       atomic_load_explicit(&progress->rounds, memory_order_relaxed);
        *ret_task = atomic_load_explicit(&progress->task, memory_order_relaxed);
        still_ms = now == seen ? still_ms + INSPECT_LOOK_MS : 0;
        seen = now;
        if (still_ms < INSPECT_STALL_MS)
            continue;
        int asked = INSPECT_ASKED;
        if (atomic_compare_exchange_strong(&loop->state, &asked, INSPECT_GIVEN_UP))
            return false;
        latch_wait(&loop->answered); /* it has just come */
        return true;
    }
    return true;
}

static void inspect_collect(struct inspect *inspect, struct inspect_loop *loop,
                            struct executor *executor)
{
    struct scheduler *scheduler = executor_scheduler(executor);
    uint64_t task;
    if (!inspect_wait(loop, scheduler_progress(scheduler), &task)) {
        inspect->stalled(inspect, scheduler_name(scheduler), task, INSPECT_STALL_MS);
        return; /* it is the loop's */
    }
    if (survey_sort(loop->survey) && !loop->survey->no_memory)
        inspect->take(inspect, loop->survey);
    else
        inspect->code = ackd_fail(ACKD_E_NOMEM, "the tasks of %s", loop->survey->loop);
    inspect_free(loop);
}

static int inspect_all(struct ackd_runtime *runtime, bool frames, struct inspect *inspect)
{
    size_t count = 0;
    while (runtime_executor_that_runs(runtime, count) != NULL)
        count++;
    struct inspect_loop **loops = calloc(count + 1, sizeof(struct inspect_loop *));
    if (loops == NULL)
        return ackd_fail(ACKD_E_NOMEM, "to ask %zu loops for their tasks", count);
    for (size_t i = 0; i < count; i++)
        loops[i] = inspect_ask(runtime_executor_that_runs(runtime, i), frames, &inspect->code);
    for (size_t i = 0; i < count; i++) {
        if (loops[i] != NULL)
            inspect_collect(inspect, loops[i], runtime_executor_that_runs(runtime, i));
    }
    free(loops);
    return inspect->code;
}

static void inspect_fail_for_stall(struct inspect *inspect, const char *loop, uint64_t task,
                                   uint64_t ms)
{
    bool is_task = task != PROGRESS_LOOP && task != PROGRESS_POLLING;
    char holder[64] = "a callback of the loop";
    if (is_task)
        snprintf(holder, sizeof holder, "task #%" PRIu64, task);
    inspect->code = ackd_fail(ACKD_E_TIMEOUT, "%s has not answered for %" PRIu64 " ms: %s holds it",
                              loop, ms, holder);
}

static void inspect_visit(struct inspect *inspect, const struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++)
        inspect->fn(&survey->sorted[i]->info, inspect->arg);
}

int ackd_tasks_visit(struct ackd_runtime *runtime, unsigned flags,
                     void (*fn)(const struct ackd_task_info *task, void *arg), void *arg)
{
    ACKD_TRY(runtime_check_thread("ackd_tasks_visit", INSPECT_INSTEAD, ACKD_HERE));
    struct inspect inspect = {
        .take = inspect_visit, .stalled = inspect_fail_for_stall, .fn = fn, .arg = arg};
    return inspect_all(runtime, (flags & ACKD_DUMP_FRAMES) != 0, &inspect);
}

static void inspect_lint(struct inspect *inspect, const struct survey *survey)
{
    for (size_t i = 0; i < survey->finding_count; i++) {
        const struct lint_finding *finding = &survey->findings[i];
        struct ackd_task_lint lint = {survey->loop, finding->kind, finding->text, finding->hint,
                                      finding->task_id};
        inspect->lint(&lint, inspect->arg);
    }
}

int ackd_tasks_lint(struct ackd_runtime *runtime,
                    void (*fn)(const struct ackd_task_lint *lint, void *arg), void *arg)
{
    ACKD_TRY(runtime_check_thread("ackd_tasks_lint", INSPECT_INSTEAD, ACKD_HERE));
    struct inspect inspect = {
        .take = inspect_lint, .stalled = inspect_fail_for_stall, .lint = fn, .arg = arg};
    return inspect_all(runtime, false, &inspect);
}

static int inspect_write(const void *bytes, size_t size, void *arg)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(*(const int *)arg, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return ackd_fail(ACKD_E_OS, "the dump cannot be written: %s", strerror(errno));
        at += written;
        size -= (size_t)written;
    }
    return ACKD_OK;
}

static void inspect_name(const void *address, char *text, size_t size)
{
    struct symbol symbol;
    symbol_find(address, false, &symbol);
    symbol_format(&symbol, text, size);
}

static void inspect_dump(struct inspect *inspect, const struct survey *survey)
{
    dump_survey(inspect->dump, survey);
}

static void inspect_dump_stalled(struct inspect *inspect, const char *loop, uint64_t task,
                                 uint64_t ms)
{
    dump_stalled(inspect->dump, loop, task, ms);
}

int ackd_tasks_dump(struct ackd_runtime *runtime, int fd, unsigned flags)
{
    ACKD_TRY(runtime_check_thread("ackd_tasks_dump", INSPECT_INSTEAD, ACKD_HERE));
    struct dump dump = {.write = inspect_write,
                        .name = inspect_name,
                        .arg = &fd,
                        .json = (flags & ACKD_DUMP_JSON) != 0};
    struct inspect inspect = {.take = inspect_dump, .stalled = inspect_dump_stalled, .dump = &dump};
    dump_begin(&dump);
    int code = inspect_all(runtime, (flags & ACKD_DUMP_FRAMES) != 0, &inspect);
    int written = dump_end(&dump);
    return code == ACKD_OK ? written : code;
}

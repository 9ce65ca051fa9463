/* SPDX-License-Identifier: MIT */
/* lint - bounds, and sentences. It must not know who is told. */
#include <config.h>

#include "task/lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/metric.h"
#include "task/engine.h"
#include "task/tally.h"
#include "task/task.h"

#define LINT_RUN_NS (1000 * NS_PER_MS)
#define LINT_READY_WAIT_NS (20 * NS_PER_MS)
#define LINT_AWAIT_NS (100 * NS_PER_MS) /* under this nobody minds */

enum {
    LINT_DISPATCHES = 100, /* of a task, or of roots that ended: fewer say nothing */
    LINT_ENDED = 20,
    LINT_SELF_WAKE_SHARE = 50, /* percent */
    LINT_AWAIT_TIMES = 10,
    LINT_SITE_TASKS = 10,
    LINT_SITE_SHARE = 80,
    LINT_OFFLOADS = 100,
    LINT_OFFLOAD_SHARE = 50
};

__attribute__((format(printf, 4, 5))) static void
lint_tell(struct lint *lint, enum lint_kind kind, uint64_t task_id, const char *format, ...)
{
    static const struct {
        const char *text, *hint;
    } kinds[] = {
#define LINT(name, text, hint) {text, hint},
#include "task/lints.def"
#undef LINT
    };
    if (lint->counts[kind]++ >= LINT_EACH)
        return;
    struct lint_finding finding = {kinds[kind].text, kinds[kind].hint, task_id, ""};
    va_list args;
    va_start(args, format);
    vsnprintf(finding.text, sizeof finding.text, format, args);
    va_end(args);
    lint->found(&finding, lint->arg);
}

void lint_begin(struct lint *lint, void (*found)(const struct lint_finding *finding, void *arg),
                void *arg)
{
    *lint = (struct lint){.found = found, .arg = arg};
}

/* By a place that is not among the first LINT_SITES hardly four in five wait. */
static void lint_count_site(struct lint *lint, const char *file, int line)
{
    for (size_t i = 0; i < LINT_SITES; i++) {
        struct lint_site *site = &lint->sites[i];
        if (site->count == 0)
            *site = (struct lint_site){file, line, 0};
        if (site->line == line && strcmp(site->file, file) == 0) {
            site->count++;
            return;
        }
    }
}

static void lint_compare_await(struct lint *lint, const struct scheduler_view *view)
{
    const struct tally *tally = view->tally;
    if (tally == NULL || tally->ended < LINT_ENDED || view->await_kind == NULL ||
        view->state_ns < LINT_AWAIT_NS)
        return;
    uint64_t median_ns = tally_quantile_ns(tally->runs, 50);
    if (view->state_ns / LINT_AWAIT_TIMES <= median_ns)
        return;
    lint_tell(lint, LINT_LONG_AWAIT, view->id,
              "#%" PRIu64 " %s has been awaiting %s%s%s for %" PRIu64
              " ms (%s:%d); half of these take less than %" PRIu64 " ms in all",
              view->id, view->name, view->await_kind, view->await_what == NULL ? "" : " ",
              view->await_what == NULL ? "" : view->await_what, view->state_ns / NS_PER_MS,
              view->await_file, view->await_line, median_ns / NS_PER_MS + 1);
}

void lint_task(struct lint *lint, const struct scheduler_view *view)
{
    if (view->state >= ACKD_TASK_SUCCEEDED)
        return; /* counted in lint_end */
    if (view->longest_ns > LINT_RUN_NS)
        lint_tell(lint, LINT_NEVER_YIELDED, view->id,
                  "#%" PRIu64 " %s ran for %" PRIu64 " ms without letting others run", view->id,
                  view->name, view->longest_ns / NS_PER_MS);
    if (view->dispatches >= LINT_DISPATCHES &&
        (uint64_t)view->yields * 100 > (uint64_t)view->dispatches * LINT_SELF_WAKE_SHARE)
        lint_tell(lint, LINT_SELF_WAKES, view->id,
                  "#%" PRIu64 " %s yielded in %" PRIu32 " of its %" PRIu32 " runs", view->id,
                  view->name, view->yields, view->dispatches);
    lint_compare_await(lint, view);
    if (view->await_inside)
        return;
    lint->tasks++;
    if (view->await_kind != NULL && view->await_file != NULL)
        lint_count_site(lint, view->await_file, view->await_line);
}

static void lint_tell_of_tally(struct lint *lint, const struct tally *tally)
{
    if (tally->longest_ns > LINT_RUN_NS)
        lint_tell(lint, LINT_NEVER_YIELDED, 0,
                  "'%s' ran for %" PRIu64 " ms without letting others run, at least once",
                  tally->name, tally->longest_ns / NS_PER_MS);
    uint64_t wait_ns = tally_quantile_ns(tally->waits, 99);
    if (tally->ended >= LINT_ENDED && wait_ns >= LINT_READY_WAIT_NS)
        lint_tell(lint, LINT_READY_WAIT, 0,
                  "one in a hundred of '%s' waits for %" PRIu64 " ms or more each time it is ready",
                  tally->name, wait_ns / NS_PER_MS);
    if (tally->stack_depth > tally->stack_size / 4 * 3)
        lint_tell(lint, LINT_STACK, 0, "'%s' used %zu of the %zu KiB of its stack", tally->name,
                  tally->stack_depth / 1024, tally->stack_size / 1024);
}

static void lint_tell_of_sites(struct lint *lint)
{
    for (size_t i = 0; i < LINT_SITES && lint->sites[i].count > 0; i++) {
        const struct lint_site *site = &lint->sites[i];
        if (site->count >= LINT_SITE_TASKS && site->count * 100 > lint->tasks * LINT_SITE_SHARE)
            lint_tell(lint, LINT_ONE_SITE, 0, "%zu of %zu tasks wait at %s:%d", site->count,
                      lint->tasks, site->file, site->line);
    }
}

static void lint_tell_of_process(struct lint *lint)
{
    uint64_t jobs = metric_sum(METRIC_cpu_jobs_completed, NULL);
    uint64_t quick = metric_sum(METRIC_cpu_jobs_short, NULL);
    if (jobs >= LINT_OFFLOADS && quick * 100 > jobs * LINT_OFFLOAD_SHARE)
        lint_tell(lint, LINT_SHORT_OFFLOADS, 0,
                  "%" PRIu64 " of %" PRIu64 " offloaded jobs took less than 50 us", quick, jobs);
}

static void lint_tell_of_unobserved(struct lint *lint, const struct scheduler *scheduler)
{
    size_t held = 0;
    list_for_each (link, &scheduler->failed)
        held += !LIST_ITEM(link, ackd_task, all)->observed;
    struct scheduler_counts counts;
    scheduler_counts(scheduler, &counts);
    if (counts.unobserved > 0 || held > 0)
        lint_tell(lint, LINT_UNOBSERVED, 0,
                  "nobody looked at %" PRIu64
                  " failures, nor yet at %zu of tasks whose handles are "
                  "held",
                  counts.unobserved, held);
}

void lint_end(struct lint *lint, const struct scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->tally_count; i++)
        lint_tell_of_tally(lint, &scheduler->tallies[i]);
    lint_tell_of_sites(lint);
    lint_tell_of_process(lint);
    lint_tell_of_unobserved(lint, scheduler);
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "world.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "base/log.h"
#include "base/timer.h"
#include "task/sanitizer.h"

struct world world;

static uint64_t world_now(void *arg)
{
    struct world *self = arg;
    if (!self->real_clock)
        return self->now_ns;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void world_wake(void *arg)
{
    struct world *self = arg;
    atomic_fetch_add(&self->wakes, 1);
}

static void world_log(const struct log_record *record, void *arg)
{
    struct world *self = arg;
    char line[2048];
    size_t length = log_format_logfmt(record, line, sizeof line);
    if (self->log_length + length + 2 > sizeof self->log)
        return;
    memcpy(self->log + self->log_length, line, length);
    self->log_length += length;
    self->log[self->log_length++] = '\n';
    self->log[self->log_length] = '\0';
}

void world_new_with(struct scheduler_options options)
{
    world = (struct world){.now_ns = 1000 * NS_PER_S};
    options.name = "loop 0";
    options.now_ns = world_now;
    options.wake = world_wake;
    options.arg = &world;
    log_use(world_log, &world);
    ck_assert_int_eq(scheduler_new(&options, &world.scheduler), ACKD_OK);
}

void world_new(void)
{
    world_new_with((struct scheduler_options){0});
}

struct scheduler_counts world_counts(void)
{
    struct scheduler_counts counts;
    scheduler_counts(world.scheduler, &counts);
    return counts;
}

void world_free(void)
{
    struct scheduler_counts counts = world_counts();
    ck_assert_uint_eq(counts.live, 0);
    ck_assert_uint_eq(counts.ready, 0);
    ck_assert_uint_eq(counts.timers, 0);
    ck_assert_uint_eq(counts.stacks_live, 0);
    ck_assert_uint_eq(counts.created, counts.succeeded + counts.failed + counts.cancelled);
    scheduler_free(&world.scheduler);
    ck_assert_ptr_null(world.scheduler);
    ackd_error_unref(world.end.error);
    world.end.error = NULL;
    log_use(NULL, NULL);
}

static void world_done(struct ackd_task *task, int code, const struct ackd_error *error,
                       enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)arg;
    ck_assert_ptr_null(ackd_task_current());
    ackd_error_unref(world.end.error);
    world.end = (struct world_end){
        .ended = true, .code = code, .reason = reason, .error = ackd_error_ref(error)};
    ackd_error_format(error, world.end.text, sizeof world.end.text);
    world.ends++;
}

struct ackd_task *world_spawn(ackd_task_fn *fn, void *arg)
{
    struct scheduler_root root = {.fn = fn, .arg = arg, .name = "root", .done = world_done};
    struct ackd_task *task = NULL;
    ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, &task), ACKD_OK);
    return task;
}

void world_settle(void)
{
    for (int turn = 0; turn < 10000000; turn++) {
        uint64_t due_ns = scheduler_turn(world.scheduler);
        if (due_ns != 0 && due_ns > world_now(&world))
            return;
    }
    ck_abort_msg("it never settles");
}

void world_run_all(void)
{
    for (int turn = 0; turn < 10000000; turn++) {
        uint64_t due_ns = scheduler_turn(world.scheduler);
        if (world_counts().live == 0)
            return;
        ck_assert_msg(due_ns != TIMER_NEVER, "tasks wait and nothing will wake them");
        if (!world.real_clock && due_ns > world.now_ns)
            world.now_ns = due_ns;
    }
    ck_abort_msg("it never ends");
}

void world_pass_ms(uint64_t ms)
{
    uint64_t until_ns = world.now_ns + ms * NS_PER_MS;
    for (;;) {
        uint64_t due_ns = scheduler_turn(world.scheduler);
        if (due_ns > until_ns)
            break;
        if (due_ns > world.now_ns)
            world.now_ns = due_ns;
    }
    world.now_ns = until_ns;
    world_settle();
}

int world_run(ackd_task_fn *fn, void *arg)
{
    unsigned ends = world.ends;
    world_spawn(fn, arg);
    world_run_all();
    ck_assert_uint_gt(world.ends, ends);
    return world.end.code;
}

long world_resident_pages(void)
{
    long size = 0, resident = 0;
    if (SANITIZER_ADDRESS || SANITIZER_THREAD || RUNNING_ON_VALGRIND)
        return 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident;
}

unsigned world_logged(const char *text)
{
    unsigned count = 0;
    for (const char *at = world.log; (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    return count;
}

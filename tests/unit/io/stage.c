/* SPDX-License-Identifier: MIT */
/* stage - see the header. */
#include <config.h>

#include "stage.h"

#include <dirent.h>
#include <stdio.h>

#include "io/system.h"
#include "main.h"

enum { STAGE_TASKS_MAX = 20000 };

int stage_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

uint64_t stage_now_ns(void)
{
    return loop_now_ns(NULL);
}

static uint64_t stage_clock(void *arg)
{
    return loop_now_ns(arg);
}

static void stage_wake(void *arg)
{
    loop_wake(arg);
}

static unsigned stage_turn_count;

unsigned stage_turns(void)
{
    return __atomic_load_n(&stage_turn_count, __ATOMIC_RELAXED);
}

static uint64_t stage_turn(void *arg)
{
    __atomic_fetch_add(&stage_turn_count, 1, __ATOMIC_RELAXED);
    return scheduler_turn(arg);
}

static void stage_done(struct ackd_task *task, int code, const struct ackd_error *error,
                       enum ackd_cancel_reason reason, void *arg)
{
    struct stage *stage = arg;
    (void)task;
    stage->code = code;
    stage->reason = reason;
    stage->task_id = ackd_error_task_id(error);
    snprintf(stage->text, sizeof stage->text, "%s", ackd_error_text(error));
    snprintf(stage->task_name, sizeof stage->task_name, "%s", ackd_error_task_name(error));
    loop_stop(stage->loop);
}

void stage_open(struct stage *stage, const char *name)
{
    *stage = (struct stage){.code = ACKD_OK};
    system_prepare();
    ck_assert_int_eq(loop_new(name, &stage->loop), 0);
    const struct scheduler_options options = {.name = name,
                                              .now_ns = stage_clock,
                                              .wake = stage_wake,
                                              .arg = stage->loop,
                                              .tasks_max = STAGE_TASKS_MAX};
    ck_assert_int_eq(scheduler_new(&options, &stage->scheduler), 0);
    loop_set_turn(stage->loop, stage_turn, stage->scheduler);
}

void stage_close(struct stage *stage)
{
    struct scheduler_counts counts;
    scheduler_counts(stage->scheduler, &counts);
    ck_assert_uint_eq(counts.live, 0);
    ck_assert_uint_eq(counts.timers, 0);
    scheduler_free(&stage->scheduler);
    loop_free(&stage->loop);
}

static int stage_root(void *arg)
{
    const struct stage *stage = arg;
    return stage->fn(stage->arg);
}

static void stage_spawn(struct stage *stage, ackd_task_fn *fn, void *arg)
{
    stage->fn = fn;
    stage->arg = arg;
    const struct scheduler_root root = {
        .fn = stage_root, .arg = stage, .name = "root", .done = stage_done};
    ck_assert_int_eq(scheduler_spawn(stage->scheduler, &root, NULL), 0);
}

void stage_play(struct stage *stage, ackd_task_fn *fn, void *arg)
{
    stage_spawn(stage, fn, arg);
    loop_run(stage->loop);
}

void stage_start(struct stage *stage, ackd_task_fn *fn, void *arg)
{
    stage_spawn(stage, fn, arg);
    ck_assert_int_eq(loop_start(stage->loop), 0);
}

void stage_join(struct stage *stage)
{
    loop_join(stage->loop);
}

void stage_expect(ackd_task_fn *fn, void *arg)
{
    struct stage stage;
    int before = stage_descriptors();
    stage_open(&stage, "stage");
    stage_play(&stage, fn, arg);
    ck_assert_msg(stage.code == ACKD_OK, "%s: %s", ackd_code_name(stage.code), stage.text);
    stage_close(&stage);
    ck_assert_int_ge(before + 2, stage_descriptors()); /* two of libuv's own, for signals */
}

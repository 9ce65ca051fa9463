/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/timer.h"
#include "task/engine.h"
#include "task/task.h"
#include "task/wait.h"
#include "world.h"

static const struct ackd_task_options child_options = {.name = "child"};

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

START_TEST(rule_a1_outside_of_tasks_nothing_can_be_awaited)
{
    struct ackd_scope scope;
    struct ackd_shield shield;
    ck_assert_int_eq(ackd_delay(5), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_yield(), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_checkpoint(), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_shield_push(&shield, 10), ACKD_E_NOT_IN_TASK);
    ackd_scope_open_at(&scope, ACKD_SCOPE_FAIL_FAST, ACKD_HERE);
    ck_assert_int_eq(ackd_spawn(&scope, succeed, NULL), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_scope_join(&scope), ACKD_E_NOT_IN_TASK);
    ackd_scope_close(&scope);
    struct ackd_task *task = world_spawn(succeed, NULL);
    ck_assert_int_eq(ackd_await(task), ACKD_E_NOT_IN_TASK);
    ck_assert_str_eq(ackd_error_function(ackd_error_current()),
                     "rule_a1_outside_of_tasks_nothing_can_be_awaited_fn");
    ck_assert_ptr_null(ackd_alloc(10));
    ck_assert_int_eq(ackd_defer(NULL, NULL), ACKD_E_NOT_IN_TASK);
    ck_assert_uint_eq(world_counts().created, 1);
    ck_assert_uint_eq(world_counts().timers, 0);
    world_run_all();
}
END_TEST

static int codes_in_call[3];

static void await_in_call(void *arg)
{
    (void)arg;
    codes_in_call[0] = ackd_delay(1);
    codes_in_call[1] = ackd_yield();
    ck_assert_ptr_null(ackd_task_current());
}

static int register_and_wait(void *arg)
{
    struct ackd_cancel_call call;
    ackd_cancel_call_add(&call, await_in_call, arg);
    int code = ackd_delay(1000);
    ackd_cancel_call_remove(&call);
    ck_assert_ptr_null(ackd_error_current());
    return code;
}

START_TEST(rule_a2_a_cancel_call_cannot_await)
{
    struct ackd_task *task = world_spawn(register_and_wait, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_settle();
    ck_assert_int_eq(codes_in_call[0], ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(codes_in_call[1], ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

struct ring_member {
    struct ackd_task **target;
    uint64_t after_ms;
    int code;
    char text[256];
};

static int await_member(void *arg)
{
    struct ring_member *member = arg;
    ACKD_TRY(ackd_delay(member->after_ms));
    member->code = ackd_await(*member->target);
    if (member->code == ACKD_E_CYCLE)
        strcpy(member->text, ackd_error_text(ackd_error_current()));
    return ACKD_OK;
}

static int close_ring(void *arg)
{
    struct ring_member *members = arg;
    struct ackd_task *tasks[3];
    const char *const names[] = {"A", "B", "C"};
    ACKD_SCOPE(scope);
    for (int i = 0; i < 3; i++) {
        const struct ackd_task_options options = {.name = names[i]};
        members[i].target = &tasks[(i + 1) % 3];
        members[i].after_ms = (uint64_t)i + 1;
        ACKD_TRY(ackd_spawn_task(&scope, await_member, &members[i], &options, &tasks[i]));
    }
    int code = ackd_scope_join(&scope);
    for (int i = 0; i < 3; i++)
        ackd_task_unref(tasks[i]);
    return code;
}

START_TEST(rule_a3_a_cycle_is_refused_to_the_one_that_would_close_it)
{
    struct ring_member members[3] = {{0}};
    ck_assert_int_eq(world_run(close_ring, members), ACKD_OK);
    ck_assert_int_eq(members[0].code, ACKD_OK);
    ck_assert_int_eq(members[1].code, ACKD_OK);
    ck_assert_int_eq(members[2].code, ACKD_E_CYCLE);
    ck_assert_str_eq(members[2].text,
                     "'C' would wait for 'A', which waits for 'B', which waits for 'C'");
}
END_TEST

static int await_self(void *arg)
{
    (void)arg;
    return ackd_await(ackd_task_current());
}

static int await_parent(void *arg)
{
    return ackd_await(arg);
}

static int child_awaits_parent(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, await_parent, ackd_task_current()));
    return ackd_scope_join(&scope);
}

START_TEST(rule_a3_neither_itself_nor_its_parent_can_be_awaited)
{
    ck_assert_int_eq(world_run(await_self, NULL), ACKD_E_CYCLE);
    ck_assert_int_eq(world_run(child_awaits_parent, NULL), ACKD_E_CYCLE);
}
END_TEST

START_TEST(rule_a4_a_task_of_another_loop_is_refused)
{
    struct scheduler *ours = world.scheduler;
    struct scheduler *theirs;
    const struct scheduler_options options = {
        .name = "loop 1", .now_ns = ours->now, .arg = ours->arg};
    ck_assert_int_eq(scheduler_new(&options, &theirs), ACKD_OK);
    struct scheduler_root root = {.fn = succeed, .name = "theirs"};
    struct ackd_task *task;
    ck_assert_int_eq(scheduler_spawn(theirs, &root, &task), ACKD_OK);
    ck_assert_int_eq(world_run(await_parent, task), ACKD_E_WRONG_LOOP);
    ck_assert_ptr_nonnull(strstr(world.end.text, "loop 1"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "loop 0"));
    scheduler_turn(theirs);
    scheduler_free(&theirs);
}
END_TEST

static int await_completed(void *arg)
{
    struct ackd_task *task;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, succeed, NULL, &child_options, &task));
    ACKD_TRY(ackd_scope_join(&scope));
    ACKD_TRY(ackd_yield());
    uint64_t before = world_counts().dispatched;
    for (int i = 0; i < 100; i++)
        ACKD_TRY(ackd_await(task));
    *(uint64_t *)arg = world_counts().dispatched - before;
    for (int i = 0; i < 100; i++)
        ACKD_TRY(ackd_await(task));
    ck_assert_uint_eq(world_counts().dispatched - before, 1);
    ackd_task_unref(task);
    return ACKD_OK;
}

START_TEST(rule_a5_awaiting_what_is_completed_does_not_switch_within_the_budget)
{
    uint64_t dispatches = 99;
    ck_assert_int_eq(world_run(await_completed, &dispatches), ACKD_OK);
    ck_assert_uint_eq(dispatches, 0);
}
END_TEST

static int delay_20(void *arg)
{
    int code = ackd_delay(20);
    if (arg != NULL)
        *(bool *)arg = code == ACKD_OK;
    return code;
}

static int await_within_limit(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 5);
    int code = ackd_await(*(struct ackd_task **)arg);
    ck_assert_int_eq(code, ACKD_CANCELED);
    code = ackd_deadline_pop(&deadline, code);
    ck_assert_int_eq(code, ACKD_E_TIMEOUT);
    return ACKD_OK;
}

static int cancel_one_awaiter(void *arg)
{
    struct ackd_task *task;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, delay_20, arg, &child_options, &task));
    ACKD_TRY(ackd_spawn(&scope, await_within_limit, &task));
    int code = ackd_scope_join(&scope);
    ackd_task_unref(task);
    return code;
}

START_TEST(rule_a6_cancelling_an_await_leaves_the_awaited_task_running)
{
    bool done = false;
    ck_assert_int_eq(world_run(cancel_one_awaiter, &done), ACKD_OK);
    ck_assert(done);
}
END_TEST

static struct wait *parked_wait;

static int park_and_report(void *arg)
{
    int *codes = arg;
    struct wait wait;
    wait_init(&wait, WAIT_PROCESS, "resize", ACKD_HERE);
    parked_wait = &wait;
    codes[0] = wait_park(&wait);
    codes[1] = ackd_delay(0);
    return codes[1];
}

START_TEST(rule_a7_completion_wins_over_cancellation_and_the_next_await_tells)
{
    int codes[2] = {99, 99};
    for (int first = 0; first < 2; first++) {
        struct ackd_task *task = world_spawn(park_and_report, codes);
        world_settle();
        if (first == 0)
            wait_finish(parked_wait, ACKD_OK);
        ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        if (first == 1)
            wait_finish(parked_wait, ACKD_OK);
        world_settle();
        ck_assert_int_eq(codes[0], ACKD_OK);
        ck_assert_int_eq(codes[1], ACKD_CANCELED);
        ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    }
}
END_TEST

START_TEST(a_failure_of_a_wait_becomes_the_tasks_own_error)
{
    int codes[2] = {99, 99};
    world_spawn(park_and_report, codes);
    world_settle();
    wait_finish(parked_wait, ackd_fail(ACKD_E_EXIT, "resize ended with 3"));
    ck_assert_ptr_null(ackd_error_current());
    wait_finish(parked_wait, ACKD_OK);
    world_settle();
    ck_assert_int_eq(codes[0], ACKD_E_EXIT);
}
END_TEST

static int keep_errno(void *arg)
{
    errno = (int)(intptr_t)arg;
    for (int i = 0; i < 10; i++) {
        ACKD_TRY(ackd_yield());
        ck_assert_int_eq(errno, (int)(intptr_t)arg);
    }
    return ACKD_OK;
}

START_TEST(rule_a8_errno_is_the_tasks_own)
{
    world_spawn(keep_errno, (void *)ENOENT);
    world_spawn(keep_errno, (void *)EPIPE);
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, 2);
}
END_TEST

/* More of both kinds than any processor has registers that a call keeps. */
static int keep_registers(void *arg)
{
    enum { KEPT = 12 };
    volatile unsigned long seed = *(const unsigned long *)arg;
    unsigned long whole[KEPT];
    double part[KEPT];
    for (unsigned i = 0; i < KEPT; i++) {
        whole[i] = seed * (i + 1);
        part[i] = (double)seed / (i + 1);
    }
#pragma GCC unroll 16
    for (unsigned round = 0; round < 8; round++) {
#pragma GCC unroll 16
        for (unsigned i = 0; i < KEPT; i++) {
            whole[i] += i;
            __asm__ volatile("" : "+r"(whole[i])); /* no sum of sums is made of it */
            part[i] += i;
        }
        ACKD_TRY(ackd_yield());
    }
    for (unsigned i = 0; i < KEPT; i++) {
        ck_assert_uint_eq(whole[i], seed * (i + 1) + 8UL * i);
        ck_assert((unsigned long)(part[i] * 1000) ==
                  (unsigned long)(((double)seed / (i + 1) + 8 * i) * 1000));
    }
    return ACKD_OK;
}

/* Those that compilers take last. */
static int keep_last_registers(void *arg)
{
#ifdef __aarch64__
    register unsigned long first __asm__("x27") = (uintptr_t)arg;
    register unsigned long second __asm__("x28") = ~(uintptr_t)arg;
    __asm__ volatile("" : "+r"(first), "+r"(second));
    ACKD_TRY(ackd_yield());
    __asm__ volatile("" : "+r"(first), "+r"(second));
    ck_assert_uint_eq(first, (uintptr_t)arg);
    ck_assert_uint_eq(second, ~(uintptr_t)arg);
#else
    (void)arg;
#endif
    return ACKD_OK;
}

START_TEST(what_is_kept_in_registers_survives_an_await)
{
    unsigned long seeds[] = {3, 1000003, 77};
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(world_run(keep_last_registers, &seeds[i]), ACKD_OK);
    world_spawn(keep_last_registers, &seeds[0]);
    world_spawn(keep_last_registers, &seeds[1]);
    for (size_t i = 0; i < 3; i++)
        world_spawn(keep_registers, &seeds[i]);
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, 7);
}
END_TEST

static int round_up(void *arg)
{
    (void)arg;
    fesetround(FE_UPWARD);
    ACKD_TRY(ackd_yield());
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    return ACKD_OK;
}

static int round_nearest(void *arg)
{
    (void)arg;
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    ACKD_TRY(ackd_yield());
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    return ACKD_OK;
}

static int leave_rounding_behind(void *arg)
{
    (void)arg;
    fesetround(FE_DOWNWARD);
    return ACKD_OK;
}

START_TEST(rule_a9_the_rounding_mode_is_the_tasks_own)
{
    world_spawn(round_nearest, NULL);
    world_spawn(round_up, NULL);
    world_spawn(round_nearest, NULL);
    world_spawn(leave_rounding_behind, NULL);
    world_spawn(round_nearest, NULL);
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, 5);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

struct thread_loop {
    pthread_t thread;
    struct scheduler *scheduler;
    long id;
    unsigned long awaits;
    bool moved;
};

static uint64_t real_now(void *arg)
{
    (void)arg;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int stay_on_thread(void *arg)
{
    struct thread_loop *loop = arg;
    long self = syscall(SYS_gettid); /* of pthread_self() compilers know that it never changes */
    for (unsigned long i = 0; i < test_scale(10000); i++) {
        ACKD_TRY(ackd_yield());
        loop->awaits++;
        if (syscall(SYS_gettid) != self || self != loop->id)
            loop->moved = true;
    }
    return ACKD_OK;
}

static void *run_loop(void *arg)
{
    struct thread_loop *loop = arg;
    loop->id = syscall(SYS_gettid);
    const struct scheduler_options options = {
        .name = "thread", .now_ns = real_now, .tasks_max = 16};
    if (scheduler_new(&options, &loop->scheduler) != ACKD_OK)
        return NULL;
    const struct scheduler_root root = {.fn = stay_on_thread, .arg = loop, .name = "stay"};
    for (int i = 0; i < 2; i++) {
        if (scheduler_spawn(loop->scheduler, &root, NULL) != ACKD_OK)
            return NULL;
    }
    while (scheduler_turn(loop->scheduler) == 0)
        ;
    scheduler_free(&loop->scheduler);
    return NULL;
}

START_TEST(rule_a10_a_task_stays_on_its_thread)
{
    struct thread_loop loops[4] = {{0}};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&loops[i].thread, NULL, run_loop, &loops[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(loops[i].thread, NULL);
        ck_assert_uint_eq(loops[i].awaits, 2 * test_scale(10000));
        ck_assert(!loops[i].moved);
    }
}
END_TEST

static int await_a_million(void *arg)
{
    (void)arg;
    unsigned long count = test_scale(1000000);
    long warm = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (i == count / 10)
            warm = world_resident_pages();
        if (i % 2 == 0)
            ACKD_TRY(ackd_yield());
        else
            ACKD_TRY(ackd_delay(1));
    }
    ck_assert_int_le(world_resident_pages() - warm, 64);
    return ACKD_OK;
}

START_TEST(rule_a11_a_million_awaits_need_no_more_than_one)
{
    ck_assert_int_eq(world_run(await_a_million, NULL), ACKD_OK);
    ck_assert_uint_le(world_counts().stack_high_water, 16384);
    ck_assert_uint_eq(world_counts().stacks_cached, 1);
}
END_TEST

START_TEST(rule_a13_a_spurious_wake_does_not_resume)
{
    int codes[2] = {99, 99};
    struct ackd_task *task = world_spawn(park_and_report, codes);
    world_settle();
    for (int i = 0; i < 3; i++) {
        task_ready(task);
        world_settle();
        ck_assert_int_eq(codes[0], 99);
        ck_assert_int_eq(ackd_task_state(task), ACKD_TASK_AWAITING);
    }
    wait_finish(parked_wait, ACKD_OK);
    world_settle();
    ck_assert_int_eq(codes[0], ACKD_OK);
}
END_TEST

static char order[8];

static int note_and_end(void *arg)
{
    strcat(order, arg);
    return ACKD_OK;
}

static int yield_and_note(void *arg)
{
    ACKD_TRY(ackd_yield());
    return note_and_end(arg);
}

START_TEST(rule_y1_those_that_are_ready_come_before_one_that_yields)
{
    static char a[] = "A", b[] = "B", c[] = "C";
    order[0] = '\0';
    world_spawn(yield_and_note, a);
    world_spawn(note_and_end, b);
    world_spawn(note_and_end, c);
    world_run_all();
    ck_assert_str_eq(order, "BCA");
}
END_TEST

static int delay_zero_for_long(void *arg)
{
    while (!*(bool *)arg)
        ACKD_TRY(ackd_delay(0));
    return ACKD_OK;
}

static int end_it(void *arg)
{
    *(bool *)arg = true;
    return ACKD_OK;
}

START_TEST(rule_y2_synchronous_completions_give_way_after_the_budget)
{
    bool ended = false;
    world_spawn(delay_zero_for_long, &ended);
    world_spawn(end_it, &ended);
    world_run_all();
    ck_assert_uint_eq(world_counts().dispatched, 3);
}
END_TEST

static int yield_for_ever(void *arg)
{
    while (!*(bool *)arg)
        ACKD_TRY(ackd_yield());
    return ACKD_OK;
}

START_TEST(rule_y4_a_turn_ends_though_tasks_are_always_ready)
{
    bool ended = false;
    for (int i = 0; i < 10; i++)
        world_spawn(yield_for_ever, &ended);
    ck_assert_uint_eq(scheduler_turn(world.scheduler), 0);
    ck_assert_uint_eq(world_counts().dispatched, 256);
    ended = true;
    world_run_all();
}
END_TEST

static int burn_a_millisecond(void *arg)
{
    (void)arg;
    world.now_ns += NS_PER_MS;
    return ACKD_OK;
}

START_TEST(rule_y4_a_turn_of_slow_tasks_ends_by_the_clock)
{
    for (int i = 0; i < 200; i++)
        world_spawn(burn_a_millisecond, NULL);
    scheduler_turn(world.scheduler);
    ck_assert_uint_le(world_counts().dispatched, 20);
    world_run_all();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/await");
    TCase *tc = tcase_create("await");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, rule_a1_outside_of_tasks_nothing_can_be_awaited);
    tcase_add_test(tc, rule_a2_a_cancel_call_cannot_await);
    tcase_add_test(tc, rule_a3_a_cycle_is_refused_to_the_one_that_would_close_it);
    tcase_add_test(tc, rule_a3_neither_itself_nor_its_parent_can_be_awaited);
    tcase_add_test(tc, rule_a4_a_task_of_another_loop_is_refused);
    tcase_add_test(tc, rule_a5_awaiting_what_is_completed_does_not_switch_within_the_budget);
    tcase_add_test(tc, rule_a6_cancelling_an_await_leaves_the_awaited_task_running);
    tcase_add_test(tc, rule_a7_completion_wins_over_cancellation_and_the_next_await_tells);
    tcase_add_test(tc, a_failure_of_a_wait_becomes_the_tasks_own_error);
    tcase_add_test(tc, rule_a8_errno_is_the_tasks_own);
    tcase_add_test(tc, what_is_kept_in_registers_survives_an_await);
    tcase_add_test(tc, rule_a9_the_rounding_mode_is_the_tasks_own);
    tcase_add_test(tc, rule_a10_a_task_stays_on_its_thread);
    tcase_add_test(tc, rule_a11_a_million_awaits_need_no_more_than_one);
    tcase_add_test(tc, rule_a13_a_spurious_wake_does_not_resume);
    tcase_add_test(tc, rule_y1_those_that_are_ready_come_before_one_that_yields);
    tcase_add_test(tc, rule_y2_synchronous_completions_give_way_after_the_budget);
    tcase_add_test(tc, rule_y4_a_turn_ends_though_tasks_are_always_ready);
    tcase_add_test(tc, rule_y4_a_turn_of_slow_tasks_ends_by_the_clock);
    suite_add_tcase(suite, tc);
    return suite;
}

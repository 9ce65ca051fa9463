/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "base/timer.h"
#include "task/engine.h"
#include "task/sanitizer.h"
#include "task/task.h"
#include "unguarded.h"
#include "world.h"

enum { PAGE = 4096, OUTPUT_SIZE = 65536 };

/* Each test of a kind of guard runs for both. */
static const enum stack_guard guards[] = {STACK_GUARD_AUTO, STACK_GUARD_MPROTECT};

static void new_world(size_t stack_size, enum stack_guard guard)
{
    world_new_with((struct scheduler_options){.stack_size = stack_size, .guard = guard});
}

/* Frames of one page each, written to, down to @bytes below this one. */
static uintptr_t lowest;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wframe-larger-than="
__attribute__((noinline)) static int go_down(size_t bytes)
{
    volatile char frame[PAGE];
    memset((char *)(uintptr_t)frame, 1, sizeof frame);
    lowest = (uintptr_t)frame;
    if (bytes > sizeof frame && go_down(bytes - sizeof frame) != 1)
        return 0;
    return frame[7];
}

__attribute__((noinline)) static int use_large_local(void *arg)
{
    volatile char large[200 * 1024];
    __asm__ volatile("" : : "r"(large) : "memory"); /* clang would make it smaller */
    large[0] = (char)(intptr_t)arg;
    return large[0];
}
#pragma GCC diagnostic pop

__attribute__((noinline)) static int recurse(volatile int *depth)
{
    if (++*depth < 0)
        return 0;
    int below = recurse(depth);
    return below + *depth;
}

static int recurse_for_ever(void *arg)
{
    volatile int depth = 0;
    (void)arg;
    return recurse(&depth);
}

static int fault(void *arg)
{
    return *(volatile int *)arg;
}

static bool faults_are_ours(void)
{
    return !SANITIZER_ADDRESS && !SANITIZER_THREAD && !RUNNING_ON_VALGRIND;
}

struct outcome {
    int status;
    char output[OUTPUT_SIZE];
};

static struct outcome outcome;

static void run_in_child(ackd_task_fn *fn, size_t stack_size, enum stack_guard guard,
                         void (*prepare)(void))
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        if (prepare != NULL)
            prepare();
        new_world(stack_size, guard);
        world_run(fn, NULL);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], outcome.output + length, OUTPUT_SIZE - 1 - length)) > 0)
        length += (size_t)got;
    outcome.output[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &outcome.status, 0), child);
}

static void check_overflow_report(void)
{
    ck_assert(WIFSIGNALED(outcome.status));
    ck_assert_int_eq(WTERMSIG(outcome.status), SIGSEGV);
    ck_assert_ptr_nonnull(strstr(outcome.output, "'root' overflowed its stack of 64 KiB"));
    ck_assert_ptr_nonnull(strstr(outcome.output, "it touched 0x"));
    ck_assert_ptr_nonnull(strstr(outcome.output, "raise 'stack'"));
}

START_TEST(rule_k1_endless_recursion_is_reported_with_its_task)
{
    if (!faults_are_ours())
        return;
    run_in_child(recurse_for_ever, 65536, guards[_i], NULL);
    check_overflow_report();
    ck_assert_ptr_nonnull(strstr(outcome.output, "times more the same"));
}
END_TEST

START_TEST(rule_k2_one_large_frame_does_not_jump_over_the_guard)
{
    if (!faults_are_ours())
        return;
    run_in_child(use_large_local, 65536, guards[_i], NULL);
    check_overflow_report();
}
END_TEST

/* The first touch is far below the guard: memory of others, or of nobody. */
START_TEST(rule_k2_built_without_the_flag_it_does_jump)
{
    if (!faults_are_ours())
        return;
    run_in_child(unguarded_use_large_local, 65536, guards[_i], NULL);
    ck_assert_msg(strstr(outcome.output, "overflowed") == NULL, "%s", outcome.output);
}
END_TEST

static void take_fault(int number)
{
    static const char text[] = "mine\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(written > 0 ? number : 0);
}

static void handle_faults(void)
{
    signal(SIGSEGV, take_fault);
}

START_TEST(rule_k3_an_ordinary_fault_goes_to_the_handler_that_was_there)
{
    if (!faults_are_ours())
        return;
    run_in_child(fault, 65536, STACK_GUARD_AUTO, handle_faults);
    ck_assert(WIFEXITED(outcome.status));
    ck_assert_int_eq(WEXITSTATUS(outcome.status), SIGSEGV);
    ck_assert_str_eq(outcome.output, "mine\n");
    run_in_child(fault, 65536, STACK_GUARD_AUTO, NULL);
    ck_assert(WIFSIGNALED(outcome.status));
    ck_assert_int_eq(WTERMSIG(outcome.status), SIGSEGV);
    ck_assert_ptr_null(strstr(outcome.output, "overflowed"));
    const char *said = strstr(outcome.output, "ackd: fatal: signal 11 at address 0x");
    ck_assert_msg(said != NULL, "%s", outcome.output);
    ck_assert_ptr_nonnull(strstr(said, " in task #1 'root'\n"));
}
END_TEST

static size_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident * PAGE;
}

static unsigned mappings(void)
{
    unsigned lines = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(file);
    for (int byte; (byte = getc(file)) != EOF;)
        lines += byte == '\n';
    fclose(file);
    return lines;
}

static int wait_a_second(void *arg)
{
    (void)arg;
    return ackd_delay(1000);
}

START_TEST(rule_k4_ten_thousand_parked_tasks_are_small)
{
    unsigned long many = test_scale(10000);
    if (SANITIZER_THREAD || SANITIZER_ADDRESS || RUNNING_ON_VALGRIND)
        many = 1000;
    new_world(0, guards[_i]);
    size_t before = resident_bytes();
    for (unsigned long i = 0; i < many; i++)
        world_spawn(wait_a_second, NULL);
    world_settle();
    ck_assert_uint_eq(world_counts().stacks_live, many);
#ifndef SWITCH_UCONTEXT /* whose contexts are a kilobyte each */
    if (faults_are_ours())
        ck_assert_uint_le(resident_bytes() - before, many * 8192);
#endif
    (void)before;
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, many);
    ck_assert_uint_eq(world_counts().stacks_cached, 256);
    world_free();
}
END_TEST

START_TEST(rule_k4_more_tasks_than_mappings_are_refused_with_the_value_to_set)
{
    struct scheduler_options options = {
        .name = "loop 0", .now_ns = NULL, .tasks_max = 40000000, .guard = STACK_GUARD_MPROTECT};
    struct scheduler *scheduler = NULL;
    new_world(0, STACK_GUARD_AUTO);
    options.now_ns = world.scheduler->now;
    ck_assert_int_eq(scheduler_new(&options, &scheduler), ACKD_E_INVAL);
    ck_assert_ptr_null(scheduler);
    const char *text = ackd_error_text(ackd_error_current());
    ck_assert_ptr_nonnull(strstr(text, "vm.max_map_count"));
    ck_assert_ptr_nonnull(strstr(text, "sysctl vm.max_map_count=8"));
    options.tasks_max = 1000;
    ck_assert_int_eq(scheduler_new(&options, &scheduler), ACKD_OK);
    scheduler_free(&scheduler);
    world_free();
}
END_TEST

/* Of the tasks that a loop can be started for, 30,000 fit under the kernel's own bound of mappings;
 * 40,000 do not, and the value that is told does. */
START_TEST(rule_k4_thirty_thousand_start_with_mprotect_and_forty_thousand_do_not)
{
    enum { KERNELS_OWN = 65530 };
    struct scheduler_options options = {.tasks_max = 40000, .guard = STACK_GUARD_MPROTECT};
    struct scheduler *scheduler = NULL;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    unsigned long max = 0;
    if (file == NULL || fscanf(file, "%lu", &max) != 1 || max != KERNELS_OWN) {
        if (file != NULL)
            fclose(file);
        return;
    }
    fclose(file);
    world_new_with((struct scheduler_options){.tasks_max = 16});
    options.now_ns = world.scheduler->now;
    ck_assert_int_eq(scheduler_new(&options, &scheduler), ACKD_E_INVAL);
    const char *told = strstr(ackd_error_text(ackd_error_current()), "vm.max_map_count=");
    ck_assert_ptr_nonnull(told);
    unsigned long needed = strtoul(told + strlen("vm.max_map_count="), NULL, 10);
    ck_assert_uint_ge(needed, 80000);
    ck_assert_uint_le(needed, 90000);
    world_free();
    if (SANITIZER_THREAD || SANITIZER_ADDRESS || RUNNING_ON_VALGRIND)
        return; /* which have mappings of their own */
    unsigned long many = test_scale(30000);
    world_new_with((struct scheduler_options){.tasks_max = 30000, .guard = STACK_GUARD_MPROTECT});
    for (unsigned long i = 0; i < many; i++)
        world_spawn(wait_a_second, NULL);
    world_settle();
    ck_assert_uint_eq(world_counts().stacks_live, many);
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, many);
    world_free();
}
END_TEST

/* Where guards take no mapping of their own, the kernel's bound of them is none of tasks. */
static bool many_fit(void)
{
    struct stack_pool pool;
    int code = stack_pool_init(&pool, STACK_GUARD_REGION, 100000, 0);
    if (code != ACKD_OK) {
        error_ignore(code);
        return false;
    }
    stack_pool_fini(&pool);
    return sysconf(_SC_AVPHYS_PAGES) > (2l << 30) / PAGE;
}

START_TEST(rule_k4_a_hundred_thousand_park_behind_guard_regions)
{
    unsigned long many = test_scale(100000);
    if (SANITIZER_THREAD || SANITIZER_ADDRESS || RUNNING_ON_VALGRIND)
        many = 1000;
    world_new_with((struct scheduler_options){.tasks_max = 100000, .guard = STACK_GUARD_REGION});
    size_t before = resident_bytes();
    unsigned mappings_before = mappings();
    for (unsigned long i = 0; i < many; i++)
        world_spawn(wait_a_second, NULL);
    world_settle();
    ck_assert_uint_eq(world_counts().stacks_live, many);
    if (faults_are_ours()) {
        ck_assert_uint_le(mappings(), mappings_before + 200);
#ifndef SWITCH_UCONTEXT /* whose contexts are a kilobyte each */
        ck_assert_uint_le(resident_bytes() - before, many * 8192);
#endif
    }
    (void)before;
    (void)mappings_before;
    world_run_all();
    ck_assert_uint_eq(world_counts().succeeded, many);
    ck_assert_uint_eq(world_counts().stacks_cached, 256);
    world_free();
}
END_TEST

/* In the place of the above, so that its name says why. */
START_TEST(rule_k4_a_hundred_thousand_skipped_for_want_of_kernel_or_memory)
{
    ck_assert(!many_fit());
}
END_TEST

static int yield_once(void *arg)
{
    (void)arg;
    return ackd_yield();
}

static int return_at_once(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

START_TEST(rule_k5_no_more_stacks_are_kept_than_asked)
{
    world_new_with((struct scheduler_options){.stacks_cached = 10, .guard = guards[_i]});
    for (int i = 0; i < 20; i++)
        world_spawn(yield_once, NULL);
    world_run_all();
    unsigned before = mappings();
    for (unsigned long i = 0; i < test_scale(1000000) / 20; i++) {
        for (int j = 0; j < 20; j++)
            world_spawn(i % 100 == 0 ? wait_a_second : return_at_once, NULL);
        world_run_all();
        ck_assert_uint_le(world_counts().stacks_cached, 10);
    }
    if (faults_are_ours()) /* a sanitizer's own come to it */
        ck_assert_uint_le(mappings(), before + 4);
    world_free();
}
END_TEST

static int go_deep(void *arg)
{
    size_t bytes = (size_t)(uintptr_t)arg;
    ck_assert_int_eq(go_down(bytes), 1);
    return ackd_delay(1);
}

START_TEST(rule_k6_memory_of_deep_stacks_is_given_back)
{
    if (!faults_are_ours())
        return;
    world_new_with((struct scheduler_options){.stacks_cached = 1000});
    size_t before = resident_bytes();
    for (int i = 0; i < 1000; i++)
        world_spawn(go_deep, (void *)(uintptr_t)(200 * 1024));
    world_run_all();
    ck_assert_uint_eq(world_counts().stacks_cached, 1000);
    ck_assert_uint_le(resident_bytes() - before, 40 << 20);
    world_free();
}
END_TEST

static int note_depth(void *arg)
{
    const struct stack *stack = ackd_task_current()->stack;
    size_t *depth = arg;
    ck_assert_int_eq(go_down(*depth), 1);
    *depth = (size_t)((uintptr_t)stack->top - lowest);
    return ACKD_OK;
}

START_TEST(rule_k7_the_high_water_mark_is_within_a_page_of_the_truth)
{
    static const size_t depths[] = {2 * PAGE, 10 * PAGE, 25 * PAGE, 30 * PAGE};
    if (SANITIZER_ADDRESS || RUNNING_ON_VALGRIND)
        return; /* locals are larger, and may be elsewhere */
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        new_world(256 * 1024, guards[_i]);
        size_t depth = depths[i];
        ck_assert_int_eq(world_run(note_depth, &depth), ACKD_OK);
        ck_assert_uint_ge(world_counts().stack_high_water + PAGE, depth);
        ck_assert_uint_le(world_counts().stack_high_water, depth + PAGE);
        ck_assert_uint_eq(world_logged("stack-high-water"), 0);
        world_free();
    }
}
END_TEST

START_TEST(rule_k7_three_quarters_are_warned_about_once_for_each_name)
{
    if (RUNNING_ON_VALGRIND)
        return; /* under which stacks are not trimmed */
    new_world(256 * 1024, guards[_i]);
    for (int i = 0; i < 3; i++)
        world_spawn(go_deep, (void *)(uintptr_t)(200 * 1024));
    world_run_all();
    ck_assert_uint_eq(world_logged("stack-high-water"), 1);
    ck_assert_uint_eq(world_logged("task=root"), 1);
    world_free();
}
END_TEST

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wframe-larger-than="
static int raise_deep(void *arg)
{
    volatile char used[50 * 1024];
    memset((char *)(uintptr_t)used, 1, sizeof used);
    raise(SIGUSR1);
    (void)arg;
    return used[5] == 1 ? ACKD_OK : ACKD_E_INTERNAL;
}
#pragma GCC diagnostic pop

START_TEST(rule_k8_a_signal_on_a_small_stack_does_no_harm)
{
    new_world(64 * 1024, guards[_i]);
    signals = 0;
    signal(SIGUSR1, count_signal);
    ck_assert_int_eq(world_run(raise_deep, NULL), ACKD_OK);
    ck_assert_int_eq(signals, 1);
    world_free();
}
END_TEST

static atomic_bool shower_over;

static void *shower(void *thread)
{
    while (!atomic_load(&shower_over)) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

static int go_up_and_down(void *arg)
{
    (void)arg;
    unsigned long most = test_scale(20000);
    for (unsigned long i = 0; i < most || (signals < 100 && i < 1000000); i++) {
        test_that(go_down(i % 13 * PAGE) == 1); /* up to 50 KiB */
        if (i % 16 == 0)
            ACKD_TRY(ackd_yield());
    }
    return ACKD_OK;
}

START_TEST(rule_k8_nor_do_signals_at_any_moment)
{
    pthread_t own = pthread_self(), thread;
    new_world(64 * 1024, guards[_i]);
    signals = 0;
    atomic_store(&shower_over, false);
    signal(SIGUSR1, count_signal);
    ck_assert_int_eq(pthread_create(&thread, NULL, shower, &own), 0);
    world_spawn(go_up_and_down, NULL);
    ck_assert_int_eq(world_run(go_up_and_down, NULL), ACKD_OK);
    atomic_store(&shower_over, true);
    pthread_join(thread, NULL);
    if (!SANITIZER_THREAD) /* which keeps them back for a better moment */
        ck_assert_int_ge(signals, 100);
    world_free();
}
END_TEST

static int with_size(void *arg)
{
    *(size_t *)arg = ackd_task_current()->stack->size;
    return ACKD_OK;
}

START_TEST(tasks_have_stacks_of_the_size_they_ask_for)
{
    static const size_t sizes[] = {0,       1,       100000, 1 << 20, 65536,  131072,
                                   1 << 19, 1 << 21, 200000, 300000,  400000, 100000};
    size_t got[12] = {0};
    new_world(0, STACK_GUARD_AUTO);
    for (size_t i = 0; i < 12; i++) {
        struct scheduler_root root = {
            .fn = with_size, .arg = &got[i], .name = "sized", .stack_size = sizes[i]};
        ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, NULL), ACKD_OK);
    }
    world_run_all();
    ck_assert_uint_eq(got[0], 256 * 1024);
    ck_assert_uint_eq(got[1], 32 * 1024);
    for (size_t i = 2; i < 12; i++) {
        ck_assert_uint_ge(got[i], sizes[i]);
        ck_assert_uint_lt(got[i], sizes[i] + PAGE);
    }
    world_free();
}
END_TEST

START_TEST(new_tasks_follow_one_another_on_one_stack)
{
    size_t size;
    new_world(0, STACK_GUARD_AUTO);
    for (int i = 0; i < 100; i++)
        world_spawn(with_size, &size);
    world_run_all();
    ck_assert_uint_eq(world_counts().stacks_cached, 1);
    ck_assert_uint_eq(world_counts().switches, 0);
    world_free();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/stack");
    TCase *tc = tcase_create("stack");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, rule_k1_endless_recursion_is_reported_with_its_task, 0, 2);
    tcase_add_loop_test(tc, rule_k2_one_large_frame_does_not_jump_over_the_guard, 0, 2);
    tcase_add_loop_test(tc, rule_k2_built_without_the_flag_it_does_jump, 0, 2);
    tcase_add_test(tc, rule_k3_an_ordinary_fault_goes_to_the_handler_that_was_there);
    tcase_add_loop_test(tc, rule_k4_ten_thousand_parked_tasks_are_small, 0, 2);
    tcase_add_test(tc, rule_k4_more_tasks_than_mappings_are_refused_with_the_value_to_set);
    tcase_add_test(tc, rule_k4_thirty_thousand_start_with_mprotect_and_forty_thousand_do_not);
    if (many_fit())
        tcase_add_test(tc, rule_k4_a_hundred_thousand_park_behind_guard_regions);
    else
        tcase_add_test(tc, rule_k4_a_hundred_thousand_skipped_for_want_of_kernel_or_memory);
    tcase_add_loop_test(tc, rule_k5_no_more_stacks_are_kept_than_asked, 0, 2);
    tcase_add_test(tc, rule_k6_memory_of_deep_stacks_is_given_back);
    tcase_add_loop_test(tc, rule_k7_the_high_water_mark_is_within_a_page_of_the_truth, 0, 2);
    tcase_add_loop_test(tc, rule_k7_three_quarters_are_warned_about_once_for_each_name, 0, 2);
    tcase_add_loop_test(tc, rule_k8_a_signal_on_a_small_stack_does_no_harm, 0, 2);
    tcase_add_loop_test(tc, rule_k8_nor_do_signals_at_any_moment, 0, 2);
    tcase_add_test(tc, tasks_have_stacks_of_the_size_they_ask_for);
    tcase_add_test(tc, new_tasks_follow_one_another_on_one_stack);
    suite_add_tcase(suite, tc);
    return suite;
}

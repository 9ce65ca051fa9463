/* SPDX-License-Identifier: MIT */
/* I5: each lint with a test that triggers it, and one that comes close and does not. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "base/metric.h"
#include "base/timer.h"
#include "task/lint.h"
#include "task/tally.h"
#include "task/task.h"
#include "world.h"

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static char found[4096];

static void note_finding(const struct lint_finding *finding, void *arg)
{
    size_t length = strlen(found);
    (void)arg;
    ck_assert_str_ne(finding->hint, "");
    snprintf(found + length, sizeof found - length, "%s: %s\n", finding->kind, finding->text);
}

static void lint_each(const struct scheduler_view *view, void *arg)
{
    lint_task(arg, view);
}

/* Whether there is a finding of @kind that says @text. */
static bool finds(const char *kind, const char *text)
{
    static struct lint lint;
    found[0] = '\0';
    lint_begin(&lint, note_finding, NULL);
    scheduler_visit(world.scheduler, lint_each, &lint);
    lint_end(&lint, world.scheduler);
    char begin[64];
    snprintf(begin, sizeof begin, "%s: ", kind);
    const char *at = strstr(found, begin);
    return at != NULL && strstr(at, text) != NULL;
}

static int run_for_ms(void *arg)
{
    world.now_ns += (uintptr_t)arg * NS_PER_MS;
    return ackd_delay(50);
}

START_TEST(rule_i5_never_yielded)
{
    world_new();
    world_spawn(run_for_ms, (void *)(uintptr_t)1500);
    world_settle();
    ck_assert_msg(finds("never-yielded", "root ran for 1500 ms"), "%s", found);
    world_run_all();
    ck_assert_msg(finds("never-yielded", "'root' ran for 1500 ms"), "%s", found);
    world_free();
}
END_TEST

START_TEST(rule_i5_never_yielded_is_not_said_of_900_ms)
{
    world_new();
    world_spawn(run_for_ms, (void *)(uintptr_t)900);
    world_settle();
    ck_assert_msg(!finds("never-yielded", ""), "%s", found);
    world_run_all();
    ck_assert_msg(!finds("never-yielded", ""), "%s", found);
    world_free();
}
END_TEST

static int poll_by_yields(void *arg)
{
    for (uintptr_t i = 0; i < 200; i++)
        ACKD_TRY(i % 10 < (uintptr_t)arg ? ackd_yield() : ackd_delay(1));
    return ackd_delay(1);
}

static void run_polling(uintptr_t tenths)
{
    world_new();
    world_spawn(poll_by_yields, (void *)tenths);
    world_pass_ms((10 - tenths) * 20);
    ck_assert_uint_eq(world_counts().live, 1);
}

START_TEST(rule_i5_self_wakes)
{
    run_polling(7);
    ck_assert_msg(finds("self-wakes", "root yielded in "), "%s", found);
    world_run_all();
    world_free();
}
END_TEST

START_TEST(rule_i5_self_wakes_is_not_said_of_four_in_ten)
{
    run_polling(4);
    ck_assert_msg(!finds("self-wakes", ""), "%s", found);
    world_run_all();
    world_free();
}
END_TEST

static int quick(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static void run_late(uint64_t ms)
{
    world_new();
    for (int i = 0; i < 100; i++) {
        world_spawn(quick, NULL);
        world.now_ns += ms * NS_PER_MS;
        world_run_all();
    }
}

START_TEST(rule_i5_ready_wait)
{
    run_late(30);
    ck_assert_msg(finds("ready-wait", "'root' waits for"), "%s", found);
    world_free();
}
END_TEST

START_TEST(rule_i5_ready_wait_is_not_said_of_15_ms)
{
    run_late(15);
    ck_assert_msg(!finds("ready-wait", ""), "%s", found);
    world_free();
}
END_TEST

static int await_ms(void *arg)
{
    return ackd_delay((uintptr_t)arg);
}

static void run_long(uintptr_t ms)
{
    world_new();
    for (int i = 0; i < 50; i++)
        world_spawn(await_ms, (void *)(uintptr_t)100);
    world_run_all();
    world_spawn(await_ms, (void *)(ms + 1000));
    world_pass_ms(ms);
}

START_TEST(rule_i5_awaiting_longer_than_usual)
{
    run_long(1500);
    ck_assert_msg(finds("long-await", "root has been awaiting timer for 1500 ms"), "%s", found);
    world_run_all();
    world_free();
}
END_TEST

START_TEST(rule_i5_awaiting_for_nine_times_the_median_is_not_told)
{
    run_long(800);
    ck_assert_msg(!finds("long-await", ""), "%s", found);
    world_run_all();
    world_free();
}
END_TEST

static int await_elsewhere(void *arg)
{
    return ackd_delay((uintptr_t)arg);
}

/* Of ten, @here at one place. */
static void run_sites(int here)
{
    world_new();
    for (int i = 0; i < 40; i++)
        world_spawn(i % 10 < here ? await_ms : await_elsewhere, (void *)(uintptr_t)1000);
    world_settle();
}

START_TEST(rule_i5_one_site_holds_most)
{
    run_sites(9);
    ck_assert_msg(finds("one-site", "36 of 40 tasks wait at"), "%s", found);
    world_run_all();
    world_free();
}
END_TEST

START_TEST(rule_i5_one_site_that_holds_seven_in_ten_is_not_told)
{
    run_sites(7);
    ck_assert_msg(!finds("one-site", ""), "%s", found);
    world_run_all();
    world_free();
}
END_TEST

static struct metric_set jobs;

static void run_jobs(uint64_t quick_ones)
{
    world_new();
    memset(&jobs, 0, sizeof jobs);
    ck_assert_int_eq(metric_register(&jobs, ""), ACKD_OK);
    metric_add(&jobs, METRIC_cpu_jobs_completed, 200);
    metric_add(&jobs, METRIC_cpu_jobs_short, quick_ones);
}

START_TEST(rule_i5_short_offloads)
{
    run_jobs(150);
    ck_assert_msg(finds("short-offloads", "150 of 200"), "%s", found);
    metric_retire(&jobs);
    world_free();
}
END_TEST

START_TEST(rule_i5_short_offloads_is_not_said_of_some)
{
    run_jobs(80);
    ck_assert_msg(!finds("short-offloads", ""), "%s", found);
    metric_retire(&jobs);
    world_free();
}
END_TEST

static struct ackd_task *held;

static int fail_one(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_USER - 3, "nobody looks");
}

static int hold_one(void *arg)
{
    ACKD_SCOPE_SUPERVISED(scope);
    const struct ackd_task_options options = {.name = "audit"};
    ACKD_TRY(ackd_spawn_task(&scope, fail_one, NULL, &options, &held));
    ACKD_TRY(ackd_delay(1));
    if (arg != NULL)
        ck_assert_ptr_nonnull(ackd_task_error(held));
    return ackd_delay(10);
}

START_TEST(rule_i5_unobserved_failures)
{
    world_new();
    world_spawn(hold_one, NULL);
    world_pass_ms(5);
    ck_assert_msg(finds("unobserved", "nor yet at 1 of tasks"), "%s", found);
    ackd_task_unref(held);
    world_run_all();
    ck_assert_msg(finds("unobserved", "nobody looked at 1 failures"), "%s", found);
    world_free();
}
END_TEST

START_TEST(rule_i5_a_failure_that_was_looked_at_is_not_told)
{
    static int yes;
    world_new();
    world_spawn(hold_one, &yes);
    world_pass_ms(5);
    ck_assert_msg(!finds("unobserved", ""), "%s", found);
    ackd_task_unref(held);
    world_run_all();
    ck_assert_msg(!finds("unobserved", ""), "%s", found);
    world_free();
}
END_TEST

__attribute__((noinline)) static int go_down(size_t left)
{
    char room[2048];
    memset(room, 1, sizeof room); /* a frame of zeros leaves no mark */
    __asm__ volatile("" : : "r"(room) : "memory");
    return left > sizeof room ? go_down(left - sizeof room) + room[0] : room[2047];
}

static int go_deep(void *arg)
{
    ck_assert_int_ge(go_down((uintptr_t)arg), 1);
    return ACKD_OK;
}

START_TEST(a_stack_that_was_nearly_full_is_told)
{
    if (RUNNING_ON_VALGRIND || SANITIZER_ADDRESS)
        return; /* stacks are not trimmed, or locals are elsewhere */
    world_new();
    ck_assert_int_eq(world_run(go_deep, (void *)(uintptr_t)(100 * 1024)), ACKD_OK);
    ck_assert_msg(!finds("stack", ""), "%s", found);
    ck_assert_int_eq(world_run(go_deep, (void *)(uintptr_t)(210 * 1024)), ACKD_OK);
    ck_assert_msg(finds("stack", "of the 256 KiB of its stack"), "%s", found);
    world_free();
}
END_TEST

START_TEST(of_each_kind_only_some_are_told_one_by_one)
{
    world_new();
    for (int i = 0; i < 100; i++)
        world_spawn(run_for_ms, (void *)(uintptr_t)1500);
    for (int i = 0; i < 100; i++)
        (void)scheduler_turn(world.scheduler);
    ck_assert(finds("never-yielded", ""));
    unsigned count = 0;
    for (const char *at = found; (at = strstr(at, "never-yielded: ")) != NULL; at++)
        count++;
    ck_assert_uint_eq(count, LINT_EACH);
    world_run_all();
    world_free();
}
END_TEST

static int return_at_once(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

START_TEST(roots_that_nobody_is_told_of_are_counted_too)
{
    static struct tally tallies[TALLY_MAX];
    const struct scheduler_root root = {.fn = return_at_once, .name = "quiet"};
    world_new();
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, NULL), ACKD_OK);
        world_run_all();
    }
    ck_assert_uint_eq(tally_copy(world.scheduler, tallies), 1);
    ck_assert_str_eq(tallies[0].name, "quiet");
    ck_assert_uint_eq(tallies[0].ended, 100);
    world_free();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/lint");
    TCase *tc = tcase_create("lint");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, rule_i5_never_yielded);
    tcase_add_test(tc, rule_i5_never_yielded_is_not_said_of_900_ms);
    tcase_add_test(tc, rule_i5_self_wakes);
    tcase_add_test(tc, rule_i5_self_wakes_is_not_said_of_four_in_ten);
    tcase_add_test(tc, rule_i5_ready_wait);
    tcase_add_test(tc, rule_i5_ready_wait_is_not_said_of_15_ms);
    tcase_add_test(tc, rule_i5_awaiting_longer_than_usual);
    tcase_add_test(tc, rule_i5_awaiting_for_nine_times_the_median_is_not_told);
    tcase_add_test(tc, rule_i5_one_site_holds_most);
    tcase_add_test(tc, rule_i5_one_site_that_holds_seven_in_ten_is_not_told);
    tcase_add_test(tc, rule_i5_short_offloads);
    tcase_add_test(tc, rule_i5_short_offloads_is_not_said_of_some);
    tcase_add_test(tc, rule_i5_unobserved_failures);
    tcase_add_test(tc, rule_i5_a_failure_that_was_looked_at_is_not_told);
    tcase_add_test(tc, a_stack_that_was_nearly_full_is_told);
    tcase_add_test(tc, of_each_kind_only_some_are_told_one_by_one);
    tcase_add_test(tc, roots_that_nobody_is_told_of_are_counted_too);
    suite_add_tcase(suite, tc);
    return suite;
}

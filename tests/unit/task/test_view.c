/* SPDX-License-Identifier: MIT */
/* What tasks show of themselves: their times, what they wait for, where they stand. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/tally.h"
#include "task/task.h"
#include "task/view.h"
#include "world.h"

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static struct scheduler_view seen;

static void look_at(const struct scheduler_view *view, void *arg)
{
    if (view->id == *(const uint64_t *)arg)
        seen = *view;
}

static bool look(uint64_t id)
{
    seen = (struct scheduler_view){.id = 0};
    scheduler_visit(world.scheduler, look_at, &id);
    return seen.id == id;
}

/* I3: within one in a hundred; here it is exact. */
static void add_up(const struct scheduler_view *view, void *arg)
{
    unsigned *count = arg;
    ck_assert_uint_eq(view->busy_ns + view->ready_ns + view->awaiting_ns, view->age_ns);
    ck_assert_uint_le(view->longest_ns, view->busy_ns);
    ck_assert_uint_le(view->yields, view->dispatches);
    ++*count;
}

static void add_all_up(void)
{
    unsigned count = 0;
    scheduler_visit(world.scheduler, add_up, &count);
    ck_assert_uint_eq(count, world_counts().live);
}

static void spend_ms(uint64_t ms)
{
    world.now_ns += ms * NS_PER_MS;
}

static unsigned seed;

static int live_at_random(void *arg)
{
    uintptr_t depth = (uintptr_t)arg;
    ACKD_SCOPE(scope);
    for (int i = 0; i < 12; i++) {
        spend_ms((unsigned)rand_r(&seed) % 4);
        if (depth > 0 && i % 4 == 1)
            ACKD_TRY(ackd_spawn(&scope, live_at_random, (void *)(depth - 1)));
        ACKD_TRY(rand_r(&seed) % 2 == 0 ? ackd_yield() : ackd_delay((unsigned)rand_r(&seed) % 5));
        add_all_up();
    }
    ACKD_TRY(ackd_scope_join(&scope));
    spend_ms(3);
    add_all_up();
    return ACKD_OK;
}

START_TEST(rule_i3_the_times_of_a_task_are_its_age)
{
    seed = (unsigned)_i + 1;
    world_new();
    for (int i = 0; i < 5; i++)
        world_spawn(live_at_random, (void *)(uintptr_t)2);
    add_all_up();
    world_run_all();
    world_free();
}
END_TEST

static int fifty_ms_each(void *arg)
{
    (void)arg;
    spend_ms(50);
    ACKD_TRY(ackd_delay(30));
    ACKD_TRY(ackd_yield());
    spend_ms(20);
    return ackd_delay(1000);
}

/* With quick tasks before it, the clock is looked at rarely: that must not be for long. */
START_TEST(rule_i3_each_kind_of_time_is_told_apart)
{
    world_new();
    uint64_t id = ackd_task_id(world_spawn(fifty_ms_each, NULL));
    spend_ms(7); /* ready */
    world_settle();
    ck_assert(look(id));
    ck_assert_uint_eq(seen.ready_ns / NS_PER_MS, 7);
    ck_assert_uint_eq(seen.busy_ns / NS_PER_MS, 50);
    world_pass_ms(31);
    ck_assert(look(id));
    ck_assert_uint_eq(seen.busy_ns / NS_PER_MS, 70);
    ck_assert_uint_eq(seen.longest_ns / NS_PER_MS, 50);
    ck_assert_uint_eq(seen.dispatches, 3);
    ck_assert_uint_eq(seen.yields, 1);
    ck_assert_uint_ge(seen.awaiting_ns / NS_PER_MS, 30);
    world_run_all();
    world_free();
}
END_TEST

static void check_counters(void)
{
    struct scheduler_counts counts = world_counts();
    ck_assert_uint_eq(counts.created,
                      counts.succeeded + counts.failed + counts.cancelled + counts.live);
}

static void check_counters_when_cancelled(void *arg)
{
    (void)arg;
    check_counters();
}

static int end_somehow(void *arg)
{
    uintptr_t how = (uintptr_t)arg;
    check_counters();
    struct ackd_cancel_call call;
    ackd_cancel_call_add(&call, check_counters_when_cancelled, NULL);
    int code = how % 3 == 0 ? ackd_delay(how) : ACKD_OK;
    ackd_cancel_call_remove(&call);
    ACKD_TRY(code);
    check_counters();
    if (how % 3 == 1)
        return ackd_fail(ACKD_E_USER - 1, "as it was to be");
    ACKD_SCOPE(scope);
    if (how > 3)
        ACKD_TRY(ackd_spawn(&scope, end_somehow, (void *)(how / 2)));
    check_counters();
    if (how % 5 == 0)
        ackd_scope_cancel(&scope, ACKD_CANCEL_REQUESTED);
    error_ignore(ackd_scope_join(&scope)); /* whatever came of it */
    check_counters();
    return ACKD_OK;
}

START_TEST(rule_i6_created_is_what_ended_and_what_lives)
{
    world_new();
    struct ackd_task *tasks[60];
    for (uintptr_t i = 0; i < 60; i++) {
        tasks[i] = ackd_task_ref(world_spawn(end_somehow, (void *)i));
        check_counters();
    }
    for (int i = 0; i < 60; i++) {
        (void)scheduler_turn(world.scheduler);
        check_counters();
        ackd_task_cancel(tasks[i], i % 7 == 0 ? ACKD_CANCEL_REQUESTED : ACKD_CANCEL_NONE);
        check_counters();
        spend_ms(1);
    }
    world_run_all();
    check_counters();
    struct scheduler_counts counts = world_counts();
    ck_assert_uint_gt(counts.failed, 0);
    ck_assert_uint_gt(counts.cancelled, 0);
    ck_assert_uint_gt(counts.succeeded, 0);
    for (int i = 0; i < 60; i++)
        ackd_task_unref(tasks[i]);
    world_free();
}
END_TEST

static int limited(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, *(const uint64_t *)arg);
    int code = ackd_delay(100);
    return ackd_deadline_pop(&deadline, code);
}

static int shielded(void *arg)
{
    (void)arg;
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 1000));
    int code = ackd_delay(100);
    ackd_shield_pop(&shield);
    return code;
}

START_TEST(deadlines_and_requests_to_stop_are_shown)
{
    uint64_t ms = 796;
    world_new();
    uint64_t id = ackd_task_id(world_spawn(limited, &ms));
    struct ackd_task *task = world_spawn(shielded, NULL);
    uint64_t other = ackd_task_id(task);
    world_settle();
    spend_ms(6);
    ck_assert(look(id));
    ck_assert_uint_eq(seen.deadline_left_ns / NS_PER_MS, 790);
    ck_assert_int_eq(seen.cancel_reason, ACKD_CANCEL_NONE);
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    ck_assert(look(other));
    ck_assert_int_eq(seen.cancel_reason, ACKD_CANCEL_NONE);
    ck_assert_int_eq(seen.cancel_asked, ACKD_CANCEL_SHUTDOWN);
    world_run_all();
    world_free();
}
END_TEST

__attribute__((noinline)) static int inner(const void *arg)
{
    int code = ackd_delay(10 + (arg != NULL));
    __asm__ volatile("" ::: "memory"); /* so that it is a frame of its own */
    return code;
}

__attribute__((noinline)) static int outer(void *arg)
{
    int code = inner(arg);
    __asm__ volatile("" ::: "memory");
    return code;
}

/* The end of a function is not known: that of these is not far. */
static bool is_in(const void *address, const void *function)
{
    return (uintptr_t)address - (uintptr_t)function < 512;
}

START_TEST(the_stack_of_a_parked_task_is_walked_without_running_it)
{
    const void *frames[16];
    world_new();
    struct ackd_task *task = world_spawn(outer, NULL);
    ck_assert_uint_eq(view_frames(task, frames, 16), 0); /* it has not begun */
    world_settle();
    size_t count = view_frames(task, frames, 16);
    size_t at = 0;
    while (at < count && !is_in(frames[at], (const void *)(uintptr_t)inner))
        at++;
    ck_assert_uint_lt(at + 1, count);
    ck_assert(is_in(frames[at + 1], (const void *)(uintptr_t)outer));
    ck_assert_uint_eq(view_frames(task, frames, 1), 1);
    ck_assert(look(ackd_task_id(task)));
    ck_assert_uint_gt(seen.stack_used, 0);
    ck_assert_uint_ge(seen.stack_depth, seen.stack_used);
    world_run_all();
    world_free();
}
END_TEST

static int look_at_itself(void *arg)
{
    const void *frames[4];
    (void)arg;
    uint64_t id = ackd_task_id(ackd_task_current());
    ck_assert_uint_eq(view_frames(ackd_task_current(), frames, 4), 0);
    ck_assert(look(id));
    ck_assert_int_eq(seen.state, ACKD_TASK_RUNNING);
    return ACKD_OK;
}

START_TEST(a_task_that_runs_has_no_saved_stack)
{
    world_new();
    ck_assert_int_eq(world_run(look_at_itself, NULL), ACKD_OK);
    world_free();
}
END_TEST

static int wait_ten(void *arg)
{
    (void)arg;
    return ackd_delay(10);
}

static unsigned slice_seen;
static uint64_t slice_last;

static void count_in_order(const struct scheduler_view *view, void *arg)
{
    (void)arg;
    ck_assert_uint_gt(view->id, slice_last);
    slice_last = view->id;
    slice_seen++;
}

/* Tasks come and go between the slices. */
START_TEST(slices_visit_each_task_once)
{
    enum { COUNT = 1000, SLICE = 90 };
    world_new();
    for (int i = 0; i < COUNT; i++)
        world_spawn(wait_ten, NULL);
    world_settle();
    uint64_t after = 0;
    unsigned slices = 0;
    slice_seen = 0;
    slice_last = 0;
    do {
        unsigned before = slice_seen;
        after = scheduler_visit_slice(world.scheduler, after, SLICE, count_in_order, NULL);
        ck_assert_uint_le(slice_seen - before, SLICE);
        if (++slices == 3) {
            world_pass_ms(11); /* all those end */
            for (int i = 0; i < 10; i++)
                world_spawn(wait_ten, NULL);
        }
    } while (after != 0);
    ck_assert_uint_eq(slice_seen, 3 * SLICE + 10);
    world_run_all();
    world_free();
}
END_TEST

START_TEST(a_slice_of_nothing_ends)
{
    world_new();
    slice_seen = 0;
    slice_last = 0;
    ck_assert_uint_eq(scheduler_visit_slice(world.scheduler, 0, 10, count_in_order, NULL), 0);
    ck_assert_uint_eq(slice_seen, 0);
    world_free();
}
END_TEST

static struct ackd_task *held;

static int fail_for_nobody(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_USER - 3, "nobody looks");
}

static int hold_a_failure(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    const struct ackd_task_options options = {.name = "audit"};
    ACKD_TRY(ackd_spawn_task(&scope, fail_for_nobody, NULL, &options, &held));
    ACKD_TRY(ackd_delay(10));
    error_ignore(ackd_scope_join(&scope)); /* supervised */
    return ACKD_OK;
}

static void note_unobserved(const struct scheduler_view *view, void *arg)
{
    if (view->unobserved) {
        ck_assert_str_eq(view->name, "audit");
        ck_assert_int_eq(view->state, ACKD_TASK_FAULTED);
        ++*(unsigned *)arg;
    }
}

START_TEST(failures_that_nobody_looked_at_are_shown_while_they_are_held)
{
    unsigned count = 0;
    world_new();
    world_spawn(hold_a_failure, NULL);
    world_settle();
    ck_assert_uint_eq(scheduler_visit_slice(world.scheduler, 0, 10, note_unobserved, &count), 0);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_nonnull(ackd_task_error(held));
    ck_assert_uint_eq(scheduler_visit_slice(world.scheduler, 0, 10, note_unobserved, &count), 0);
    ck_assert_uint_eq(count, 1);
    ackd_task_unref(held);
    world_run_all();
    world_free();
}
END_TEST

START_TEST(buckets_cover_all_times_in_order)
{
    uint64_t last_ns = 0;
    ck_assert_uint_eq(tally_bucket(0), 0);
    for (size_t i = 1; i < TALLY_BUCKETS; i++) {
        uint64_t ns = tally_bucket_ns(i);
        ck_assert_uint_gt(ns, last_ns);
        ck_assert_uint_eq(tally_bucket(ns), i);
        ck_assert_uint_eq(tally_bucket(ns - 1), i - 1);
        last_ns = ns;
    }
    ck_assert_uint_eq(tally_bucket(UINT64_MAX), TALLY_BUCKETS - 1);
}
END_TEST

START_TEST(quantiles_are_the_low_end_of_their_bucket)
{
    uint32_t buckets[TALLY_BUCKETS] = {0};
    ck_assert_uint_eq(tally_quantile_ns(buckets, 50), 0);
    for (int i = 0; i < 98; i++)
        buckets[tally_bucket(NS_PER_MS)]++;
    buckets[tally_bucket(80 * NS_PER_MS)] += 2;
    ck_assert_uint_le(tally_quantile_ns(buckets, 50), NS_PER_MS);
    ck_assert_uint_gt(tally_quantile_ns(buckets, 50), NS_PER_MS * 3 / 4);
    ck_assert_uint_gt(tally_quantile_ns(buckets, 99), 60 * NS_PER_MS);
}
END_TEST

START_TEST(more_names_than_there_is_room_for_share_the_last)
{
    char name[16];
    world_new();
    for (int i = 0; i < 2 * TALLY_MAX; i++) {
        snprintf(name, sizeof name, "name %d", i);
        struct tally *tally = tally_find(world.scheduler, name);
        ck_assert_ptr_nonnull(tally);
        ck_assert_str_eq(tally->name, i < TALLY_MAX - 1 ? name : "(others)");
    }
    ck_assert_str_eq(tally_find(world.scheduler, "name 3")->name, "name 3");
    world_free();
}
END_TEST

__attribute__((noinline)) static int go_down(size_t left)
{
    char room[2048];
    memset(room, 1, sizeof room); /* a frame of zeros leaves no mark */
    __asm__ volatile("" : : "r"(room) : "memory");
    int code = left > sizeof room ? go_down(left - sizeof room) : ackd_delay(1);
    return room[0] == 1 ? code : room[2047];
}

static int go_down_and_wait(void *arg)
{
    (void)arg;
    return go_down(100 * 1024);
}

START_TEST(rule_k7_the_depth_of_a_handler_is_within_a_page_of_the_truth)
{
    static struct tally tallies[TALLY_MAX];
    if (RUNNING_ON_VALGRIND || SANITIZER_ADDRESS)
        return; /* stacks are not trimmed, or locals are elsewhere */
    world_new();
    uint64_t id = ackd_task_id(world_spawn(go_down_and_wait, NULL));
    world_settle();
    ck_assert(look(id));
    size_t truth = seen.stack_used;
    ck_assert_uint_gt(truth, 100 * 1024);
    ck_assert_uint_lt(seen.stack_depth, truth + 2 * 4096);
    ck_assert_uint_eq(tally_copy(world.scheduler, tallies), 1);
    ck_assert_uint_eq(tallies[0].stack_depth, 0); /* it is told when it ends */
    world_run_all();
    ck_assert_uint_eq(tally_copy(world.scheduler, tallies), 1);
    ck_assert_str_eq(tallies[0].name, "root");
    ck_assert_uint_ge(tallies[0].stack_depth, truth);
    ck_assert_uint_lt(tallies[0].stack_depth, truth + 2 * 4096);
    ck_assert_uint_eq(tallies[0].stack_size, 256 * 1024);
    ck_assert_uint_eq(tallies[0].ended, 1);
    world_free();
}
END_TEST

__attribute__((noinline)) static int go_down_in_zeros(size_t left)
{
    char room[2048];
    memset(room, 0, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    int code = left > sizeof room ? go_down_in_zeros(left - sizeof room) : ACKD_OK;
    return room[7] == 0 ? code : room[2047];
}

static int go_down_without_a_mark(void *arg)
{
    return go_down_in_zeros((uintptr_t)arg);
}

START_TEST(rule_k7_frames_full_of_zeros_are_seen_now_and_then)
{
    static struct tally tallies[TALLY_MAX];
    if (RUNNING_ON_VALGRIND || SANITIZER_ADDRESS)
        return; /* as above */
    world_new();
    ck_assert_int_eq(world_run(go_down_without_a_mark, (void *)(uintptr_t)(64 * 1024)), ACKD_OK);
    ck_assert_uint_eq(tally_copy(world.scheduler, tallies), 1);
    ck_assert_uint_ge(tallies[0].stack_depth, 64 * 1024);
    ck_assert_uint_lt(tallies[0].stack_depth, 80 * 1024);
    world_free();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/view");
    TCase *tc = tcase_create("view");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, rule_i3_the_times_of_a_task_are_its_age, 0, 5);
    tcase_add_test(tc, rule_i3_each_kind_of_time_is_told_apart);
    tcase_add_test(tc, rule_i6_created_is_what_ended_and_what_lives);
    tcase_add_test(tc, deadlines_and_requests_to_stop_are_shown);
    tcase_add_test(tc, the_stack_of_a_parked_task_is_walked_without_running_it);
    tcase_add_test(tc, a_task_that_runs_has_no_saved_stack);
    tcase_add_test(tc, slices_visit_each_task_once);
    tcase_add_test(tc, a_slice_of_nothing_ends);
    tcase_add_test(tc, failures_that_nobody_looked_at_are_shown_while_they_are_held);
    tcase_add_test(tc, buckets_cover_all_times_in_order);
    tcase_add_test(tc, quantiles_are_the_low_end_of_their_bucket);
    tcase_add_test(tc, more_names_than_there_is_room_for_share_the_last);
    tcase_add_test(tc, rule_k7_the_depth_of_a_handler_is_within_a_page_of_the_truth);
    tcase_add_test(tc, rule_k7_frames_full_of_zeros_are_seen_now_and_then);
    suite_add_tcase(suite, tc);
    return suite;
}

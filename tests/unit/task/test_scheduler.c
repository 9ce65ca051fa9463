/* SPDX-License-Identifier: MIT */
/* What a scheduler tells its owner: whether posts are taken, and whether anything can go on. */
#include <config.h>

#include "base/timer.h"
#include "task/wait.h"
#include "world.h"

static unsigned posts_run;

static void post_run(struct scheduler_post *post)
{
    (void)post;
    posts_run++;
}

START_TEST(posts_before_the_close_run_and_none_is_taken_after_it)
{
    struct scheduler_post posts[3] = {{NULL, post_run}, {NULL, post_run}, {NULL, post_run}};
    posts_run = 0;
    ck_assert(scheduler_post(world.scheduler, &posts[0]));
    ck_assert(scheduler_post(world.scheduler, &posts[1]));
    scheduler_close(world.scheduler);
    ck_assert_uint_eq(posts_run, 2);
    unsigned wakes = atomic_load(&world.wakes);
    ck_assert(!scheduler_post(world.scheduler, &posts[2]));
    ck_assert_uint_eq(atomic_load(&world.wakes), wakes);
    ck_assert_uint_eq(scheduler_turn(world.scheduler), TIMER_NEVER);
    ck_assert_uint_eq(posts_run, 2);
}
END_TEST

static int wait_for_kind(void *arg)
{
    const enum wait_kind *kind = arg;
    struct wait wait;
    wait_init(&wait, *kind, "nothing", ACKD_HERE);
    return wait_park(&wait);
}

static int wait_in_a_child(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_for_kind, arg));
    return ackd_scope_join(&scope);
}

static int wait_with_a_deadline(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 1000);
    return ackd_deadline_pop(&deadline, wait_in_a_child(arg));
}

/* Run fn with a wait of @kind until it is idle; is that the end of all? */
static bool is_deadlocked(ackd_task_fn *fn, enum wait_kind kind)
{
    struct ackd_task *task = world_spawn(fn, &kind);
    ck_assert(!scheduler_is_deadlocked(world.scheduler)); /* it is ready */
    world_settle();
    bool is = scheduler_is_deadlocked(world.scheduler);
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert(!scheduler_is_deadlocked(world.scheduler)); /* nothing is live */
    return is;
}

START_TEST(rule_l5_only_waits_within_the_loop_are_a_deadlock)
{
    ck_assert(is_deadlocked(wait_for_kind, WAIT_TASK));
    ck_assert(is_deadlocked(wait_in_a_child, WAIT_TASK));
    ck_assert(!is_deadlocked(wait_for_kind, WAIT_PROCESS));
    ck_assert(!is_deadlocked(wait_in_a_child, WAIT_PROCESS));
}
END_TEST

START_TEST(rule_l5_a_limit_in_time_is_no_deadlock)
{
    ck_assert(!is_deadlocked(wait_with_a_deadline, WAIT_TASK));
}
END_TEST

START_TEST(rule_l5_one_that_waits_outside_keeps_all_from_being_deadlocked)
{
    static enum wait_kind inside = WAIT_TASK, outside = WAIT_PIPE;
    struct ackd_task *first = world_spawn(wait_for_kind, &inside);
    struct ackd_task *second = world_spawn(wait_for_kind, &outside);
    world_settle();
    ck_assert(!scheduler_is_deadlocked(world.scheduler));
    ackd_task_cancel(second, ACKD_CANCEL_REQUESTED);
    ck_assert(!scheduler_is_deadlocked(world.scheduler)); /* the second is about to end */
    world_settle();
    ck_assert(scheduler_is_deadlocked(world.scheduler));
    ackd_task_cancel(first, ACKD_CANCEL_REQUESTED);
    world_run_all();
}
END_TEST

START_TEST(rule_l5_a_post_under_way_is_no_deadlock)
{
    static enum wait_kind inside = WAIT_SCOPE;
    struct scheduler_post post = {NULL, post_run};
    struct ackd_task *task = world_spawn(wait_for_kind, &inside);
    world_settle();
    scheduler_post(world.scheduler, &post);
    ck_assert(!scheduler_is_deadlocked(world.scheduler));
    world_settle();
    ck_assert(scheduler_is_deadlocked(world.scheduler));
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/scheduler");
    TCase *tc = tcase_create("scheduler");
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, posts_before_the_close_run_and_none_is_taken_after_it);
    tcase_add_test(tc, rule_l5_only_waits_within_the_loop_are_a_deadlock);
    tcase_add_test(tc, rule_l5_a_limit_in_time_is_no_deadlock);
    tcase_add_test(tc, rule_l5_one_that_waits_outside_keeps_all_from_being_deadlocked);
    tcase_add_test(tc, rule_l5_a_post_under_way_is_no_deadlock);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* Detached work: nothing without an owner and an observer, and nothing that outlives its owner. */
#include <config.h>

#include "task/owner.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/timer.h"
#include "world.h"

enum { FAIL_LOUDLY = ACKD_E_USER - 5 };

/* What a host embeds an owner in. */
struct keeper {
    const char *what;
    struct ackd_owner owner;
    unsigned ended;
};

static struct keeper keeper;

static struct heard {
    unsigned count;
    int code;
    char text[128];
    bool in_task;
    void *arg;
} heard;

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    heard.count++;
    heard.code = code;
    snprintf(heard.text, sizeof heard.text, "%s: %s", ackd_task_name(task), ackd_error_text(error));
    heard.in_task = ackd_task_current() != NULL;
    heard.arg = arg;
    return ACKD_OK;
}

static int observe_badly(const struct ackd_task *task, int code, const struct ackd_error *error,
                         void *arg)
{
    (void)observe(task, code, error, arg);
    return ackd_fail(ACKD_E_DISCONNECTED, "nobody to tell");
}

static void keeper_ended(struct ackd_owner *owner)
{
    struct keeper *its = LIST_ITEM(owner, keeper, owner);
    its->ended++;
    ck_assert_ptr_null(ackd_task_current());
    memset(owner, 0xa5, sizeof *owner); /* O2: nobody looks at it any more */
}

static const struct ackd_task_options named = {.name = "detached"};

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int fail_loudly(void *arg)
{
    (void)arg;
    return ackd_fail(FAIL_LOUDLY, "the printer burns");
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return ackd_delay(1000000);
}

static int detach(void *fn)
{
    return ackd_spawn_detached(&keeper.owner, (ackd_task_fn *)fn, NULL, &named, observe, &heard);
}

/* A root that does as a consumer's message does: its owner is the consumer. */
static int run_owned(ackd_task_fn *fn, void *arg)
{
    struct scheduler_root root = {.fn = fn, .arg = arg, .name = "root", .owner = &keeper.owner};
    return scheduler_spawn(world.scheduler, &root, NULL);
}

static void set_up(void)
{
    world_new();
    heard = (struct heard){0};
    keeper = (struct keeper){.what = "consumer 'orders'"};
    owner_init(&keeper.owner, world.scheduler, keeper.what);
}

START_TEST(a_detached_task_outlives_the_one_that_starts_it)
{
    ck_assert_int_eq(world_run(detach, (void *)wait_for_ever), ACKD_OK);
    ck_assert_uint_eq(heard.count, 1);
    ck_assert_int_eq(heard.code, ACKD_OK);
    ck_assert_str_eq(heard.text, "detached: ");
    ck_assert(!heard.in_task);
    ck_assert_ptr_eq(heard.arg, &heard);
    ck_assert_uint_eq(world.now_ns, 1000 * NS_PER_S + 1000000 * NS_PER_MS);
    ck_assert_uint_eq(owner_live(&keeper.owner), 0);
}
END_TEST

static int detach_under_a_deadline(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 5);
    int code = detach(arg);
    ackd_task_cancel(ackd_task_current(), ACKD_CANCEL_REQUESTED);
    return ackd_deadline_pop(&deadline, code);
}

START_TEST(neither_cancellation_nor_deadline_of_the_caller_reaches_it)
{
    ck_assert_int_eq(world_run(detach_under_a_deadline, (void *)wait_for_ever), ACKD_OK);
    ck_assert_uint_eq(heard.count, 1);
    ck_assert_int_eq(heard.code, ACKD_OK);
}
END_TEST

START_TEST(rule_u3_a_failure_that_the_observer_takes_is_not_reported)
{
    ck_assert_int_eq(world_run(detach, (void *)fail_loudly), ACKD_OK);
    ck_assert_uint_eq(heard.count, 1);
    ck_assert_int_eq(heard.code, FAIL_LOUDLY);
    ck_assert_str_eq(heard.text, "detached: the printer burns");
    ck_assert_uint_eq(world_counts().unobserved, 0);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
}
END_TEST

static int detach_badly_observed(void *fn)
{
    return ackd_spawn_detached(&keeper.owner, (ackd_task_fn *)fn, NULL, &named, observe_badly,
                               NULL);
}

START_TEST(rule_u3_a_failing_observer_raises_the_event_itself)
{
    ck_assert_int_eq(world_run(detach_badly_observed, (void *)fail_loudly), ACKD_OK);
    ck_assert_uint_eq(heard.count, 1);
    ck_assert_uint_eq(world_counts().unobserved, 2);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 2);
    ck_assert_uint_eq(world_logged("the printer burns"), 1);
    ck_assert_uint_eq(world_logged("nobody to tell"), 1);
    ck_assert_uint_eq(world_logged("test_owner.c"), 4); /* both with the place of spawning */
    ck_assert_uint_eq(world_logged("test_owner.c:0"), 0);
}
END_TEST

START_TEST(rule_u3_an_observer_that_fails_on_a_success_is_reported_alone)
{
    ck_assert_int_eq(world_run(detach_badly_observed, (void *)succeed), ACKD_OK);
    ck_assert_uint_eq(world_counts().unobserved, 1);
    ck_assert_uint_eq(world_logged("nobody to tell"), 1);
}
END_TEST

static int detach_wrongly(void *arg)
{
    (void)arg;
    struct ackd_owner *owner = &keeper.owner;
    const struct ackd_task_options nameless = {0};
    ck_assert_int_eq(ackd_spawn_detached(owner, succeed, NULL, &named, NULL, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_spawn_detached(NULL, succeed, NULL, &named, observe, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_spawn_detached(owner, NULL, NULL, &named, observe, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_spawn_detached(owner, succeed, NULL, &nameless, observe, NULL),
                     ACKD_E_INVAL);
    ck_assert_int_eq(ackd_spawn_detached(owner, succeed, NULL, NULL, observe, NULL), ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(rule_u4_nothing_is_detached_without_name_owner_and_observer)
{
    ck_assert_int_eq(world_run(detach_wrongly, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().created, 1);
    ck_assert_uint_eq(owner_live(&keeper.owner), 0);
    ck_assert_uint_eq(heard.count, 0);
}
END_TEST

static int detach_a_thousand_failures(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 1000; i++)
        ACKD_TRY(detach_badly_observed((void *)fail_loudly));
    return ACKD_OK;
}

START_TEST(rule_u7_a_thousand_failures_are_counted_exactly)
{
    ck_assert_int_eq(world_run(detach_a_thousand_failures, NULL), ACKD_OK);
    ck_assert_uint_eq(heard.count, 1000);
    ck_assert_uint_eq(world_counts().failed, 1000);
    ck_assert_uint_eq(world_counts().unobserved, 2000); /* the observers failed, too */
    ck_assert_uint_eq(owner_live(&keeper.owner), 0);
}
END_TEST

static struct ackd_task *kept[3];

static int keep_failures(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    for (unsigned i = 0; i < 3; i++)
        ACKD_TRY(ackd_spawn_task(&scope, fail_loudly, NULL, &named, &kept[i]));
    return ackd_scope_join(&scope);
}

START_TEST(rule_u6_failures_that_are_still_unobserved_at_shutdown_are_reported_once)
{
    ck_assert_int_eq(world_run(keep_failures, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().unobserved, 0);
    ck_assert_ptr_nonnull(ackd_task_error(kept[1]));
    ck_assert_uint_eq(scheduler_report_unobserved(world.scheduler), 2);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 2);
    ck_assert_uint_eq(scheduler_report_unobserved(world.scheduler), 2);
    for (unsigned i = 0; i < 3; i++)
        ackd_task_unref(kept[i]);
    ck_assert_uint_eq(world_counts().unobserved, 2);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 2);
}
END_TEST

START_TEST(rule_u6_a_handle_let_go_before_shutdown_is_reported_then)
{
    ck_assert_int_eq(world_run(keep_failures, NULL), ACKD_OK);
    ackd_task_unref(kept[0]);
    ck_assert_uint_eq(world_counts().unobserved, 1);
    ck_assert_uint_eq(scheduler_report_unobserved(world.scheduler), 3);
    ackd_task_unref(kept[1]);
    ackd_task_unref(kept[2]);
    ck_assert_uint_eq(world_counts().unobserved, 3);
}
END_TEST

static int cancelled_and_successful(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *tasks[2];
    ACKD_TRY(ackd_spawn_task(&scope, wait_for_ever, NULL, &named, &tasks[0]));
    ACKD_TRY(ackd_spawn_task(&scope, succeed, NULL, &named, &tasks[1]));
    ackd_task_cancel(tasks[0], ACKD_CANCEL_REQUESTED);
    ACKD_TRY(ackd_scope_join(&scope));
    ackd_task_unref(tasks[0]);
    ackd_task_unref(tasks[1]);
    return ACKD_OK;
}

START_TEST(rule_u2_a_cancellation_is_never_reported)
{
    ck_assert_int_eq(world_run(cancelled_and_successful, NULL), ACKD_OK);
    ck_assert_uint_eq(scheduler_report_unobserved(world.scheduler), 0);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
}
END_TEST

static int observe_in_each_way(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *tasks[2];
    for (unsigned i = 0; i < 2; i++)
        ACKD_TRY(ackd_spawn_task(&scope, fail_loudly, NULL, &named, &tasks[i]));
    ck_assert_int_eq(ackd_await(tasks[0]), FAIL_LOUDLY);
    ACKD_TRY(ackd_scope_join(&scope));
    ck_assert_ptr_nonnull(ackd_task_error(tasks[1]));
    ackd_task_unref(tasks[0]);
    ackd_task_unref(tasks[1]);
    return ACKD_OK;
}

START_TEST(rule_u2_awaiting_and_reading_each_count_as_observed)
{
    ck_assert_int_eq(world_run(observe_in_each_way, NULL), ACKD_OK);
    ck_assert_uint_eq(scheduler_report_unobserved(world.scheduler), 0);
}
END_TEST

static int look_at_owner(void *arg)
{
    struct ackd_owner **seen = arg;
    *seen = ackd_owner_current();
    return ACKD_OK;
}

static int detach_grandchild(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, look_at_owner, arg));
    return ackd_scope_join(&scope);
}

static int detach_child(void *arg)
{
    return ackd_spawn_detached(ackd_owner_current(), detach_grandchild, arg, &named, observe, NULL);
}

START_TEST(children_and_detached_tasks_have_the_owner_of_their_root)
{
    struct ackd_owner *seen = NULL;
    ck_assert_ptr_null(ackd_owner_current());
    ck_assert_int_eq(run_owned(detach_child, &seen), ACKD_OK);
    world_run_all();
    ck_assert_ptr_eq(seen, &keeper.owner);
    ck_assert_int_eq(heard.code, ACKD_OK);
    ck_assert_str_eq(LIST_ITEM(seen, keeper, owner)->what, "consumer 'orders'");
}
END_TEST

START_TEST(a_closing_owner_cancels_with_shutdown_and_tells_when_all_have_ended)
{
    ck_assert_int_eq(run_owned(detach, (void *)wait_for_ever), ACKD_OK);
    ck_assert_int_eq(run_owned(detach, (void *)wait_for_ever), ACKD_OK);
    world_settle();
    ck_assert_uint_eq(owner_live(&keeper.owner), 2);
    owner_close(&keeper.owner, keeper_ended);
    ck_assert_uint_eq(keeper.ended, 0);
    ck_assert_int_eq(detach((void *)succeed), ACKD_E_CLOSED);
    world_settle();
    ck_assert_uint_eq(keeper.ended, 1);
    ck_assert_uint_eq(heard.count, 2);
    ck_assert_int_eq(heard.code, ACKD_CANCELED);
    ck_assert_uint_eq(world_counts().unobserved, 0);
}
END_TEST

START_TEST(an_idle_owner_ends_at_once)
{
    owner_close(&keeper.owner, keeper_ended);
    ck_assert_uint_eq(keeper.ended, 1);
}
END_TEST

START_TEST(a_sealed_owner_lets_those_that_run_go_on)
{
    ck_assert_int_eq(run_owned(detach, (void *)wait_for_ever), ACKD_OK);
    world_settle();
    owner_seal(&keeper.owner);
    ck_assert_int_eq(detach((void *)succeed), ACKD_E_CLOSED);
    world_run_all();
    ck_assert_int_eq(heard.code, ACKD_OK);
    owner_close(&keeper.owner, keeper_ended);
    ck_assert_uint_eq(keeper.ended, 1);
}
END_TEST

static int refuse_to_stop(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    return ackd_fail(FAIL_LOUDLY, "stopped at the wrong moment");
}

START_TEST(a_failure_while_the_owner_ends_is_a_failure)
{
    ck_assert_int_eq(run_owned(detach, (void *)refuse_to_stop), ACKD_OK);
    world_settle();
    owner_close(&keeper.owner, NULL);
    world_run_all();
    ck_assert_int_eq(heard.code, FAIL_LOUDLY);
    ck_assert_uint_eq(owner_live(&keeper.owner), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/owner");
    TCase *tc = tcase_create("owner");
    tcase_add_checked_fixture(tc, set_up, world_free);
    tcase_add_test(tc, a_detached_task_outlives_the_one_that_starts_it);
    tcase_add_test(tc, neither_cancellation_nor_deadline_of_the_caller_reaches_it);
    tcase_add_test(tc, rule_u3_a_failure_that_the_observer_takes_is_not_reported);
    tcase_add_test(tc, rule_u3_a_failing_observer_raises_the_event_itself);
    tcase_add_test(tc, rule_u3_an_observer_that_fails_on_a_success_is_reported_alone);
    tcase_add_test(tc, rule_u4_nothing_is_detached_without_name_owner_and_observer);
    tcase_add_test(tc, rule_u7_a_thousand_failures_are_counted_exactly);
    tcase_add_test(tc, rule_u6_failures_that_are_still_unobserved_at_shutdown_are_reported_once);
    tcase_add_test(tc, rule_u6_a_handle_let_go_before_shutdown_is_reported_then);
    tcase_add_test(tc, rule_u2_a_cancellation_is_never_reported);
    tcase_add_test(tc, rule_u2_awaiting_and_reading_each_count_as_observed);
    tcase_add_test(tc, children_and_detached_tasks_have_the_owner_of_their_root);
    tcase_add_test(tc, a_closing_owner_cancels_with_shutdown_and_tells_when_all_have_ended);
    tcase_add_test(tc, an_idle_owner_ends_at_once);
    tcase_add_test(tc, a_sealed_owner_lets_those_that_run_go_on);
    tcase_add_test(tc, a_failure_while_the_owner_ends_is_a_failure);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>

#include "base/list.h"
#include "base/timer.h"
#include "world.h"

static char order[64];

#define LETTER(letter) ((void *)(uintptr_t)(letter))

static void note(char letter)
{
    size_t length = strlen(order);
    ck_assert_uint_lt(length + 1, sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static void reset(void)
{
    order[0] = '\0';
    world_new();
}

static int note_arg(void *arg)
{
    note((char)(uintptr_t)arg);
    return ACKD_OK;
}

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int spawn_three(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, note_arg, LETTER('A')));
    ACKD_TRY(ackd_spawn(&scope, note_arg, LETTER('B')));
    ACKD_TRY(ackd_spawn(&scope, note_arg, LETTER('C')));
    note('-');
    ACKD_TRY(ackd_scope_join(&scope));
    note('.');
    return ACKD_OK;
}

START_TEST(rule_t1_spawn_returns_before_the_body_runs)
{
    ck_assert_int_eq(world_run(spawn_three, NULL), ACKD_OK);
    ck_assert_int_eq(order[0], '-');
}
END_TEST

START_TEST(rule_t2_children_start_in_the_order_of_spawning)
{
    ck_assert_int_eq(world_run(spawn_three, NULL), ACKD_OK);
    ck_assert_str_eq(order, "-ABC.");
}
END_TEST

static int delay_and_note(void *arg)
{
    ACKD_TRY(ackd_delay((uintptr_t)arg - '0'));
    note((char)(uintptr_t)arg);
    return ACKD_OK;
}

struct family {
    struct ackd_task *child;
    struct ackd_task *other;
    const struct ackd_error *errors[3];
    int codes[3];
    int code;
    bool flag;
};

static const struct ackd_task_options child_options = {.name = "child"};

static int fail_with_text(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_NOT_FOUND, "no such order");
}

static int fail_later(void *arg)
{
    ACKD_TRY(ackd_delay(10));
    return fail_with_text(arg);
}

static int cancel_ended(void *arg)
{
    struct family *family = arg;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, fail_with_text, NULL, &child_options, &family->child));
    family->codes[0] = ackd_await(family->child);
    const struct ackd_error *error = ackd_task_error(family->child);
    ackd_task_cancel(family->child, ACKD_CANCEL_SHUTDOWN);
    ck_assert_int_eq(ackd_task_state(family->child), ACKD_TASK_FAULTED);
    ck_assert_ptr_eq(ackd_task_error(family->child), error);
    family->codes[1] = ackd_await(family->child);
    ackd_task_unref(family->child);
    return ACKD_OK;
}

START_TEST(rule_t3_a_terminal_state_never_changes)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(cancel_ended, &family), ACKD_OK);
    ck_assert_int_eq(family.codes[0], ACKD_E_NOT_FOUND);
    ck_assert_int_eq(family.codes[1], ACKD_E_NOT_FOUND);
}
END_TEST

struct awaiter {
    struct family *family;
    int index;
};

static int await_child(void *arg)
{
    struct awaiter *awaiter = arg;
    struct family *family = awaiter->family;
    family->codes[awaiter->index] = ackd_await(family->child);
    family->errors[awaiter->index] = ackd_error_ref(ackd_error_current());
    note((char)('1' + awaiter->index));
    return ACKD_OK;
}

static int three_awaiters(void *arg)
{
    struct family *family = arg;
    struct awaiter awaiters[] = {{family, 0}, {family, 1}, {family, 2}};
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, fail_later, NULL, &child_options, &family->child));
    for (int i = 0; i < 3; i++)
        ACKD_TRY(ackd_spawn(&scope, await_child, &awaiters[i]));
    int code = ackd_scope_join(&scope);
    ackd_task_unref(family->child);
    return code;
}

START_TEST(rule_t4_all_awaiters_get_the_same_in_the_order_they_came)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(three_awaiters, &family), ACKD_OK);
    ck_assert_str_eq(order, "123");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(family.codes[i], ACKD_E_NOT_FOUND);
        ck_assert_ptr_eq(family.errors[i], family.errors[0]);
        ackd_error_unref(family.errors[i]);
    }
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
}
END_TEST

static int await_again_and_again(void *arg)
{
    struct family *family = arg;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, fail_with_text, NULL, &child_options, &family->child));
    ACKD_TRY(ackd_spawn_task(&scope, succeed, NULL, &child_options, &family->other));
    ACKD_TRY(ackd_scope_join(&scope));
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(ackd_await(family->child), ACKD_E_NOT_FOUND);
        ck_assert_str_eq(ackd_error_text(ackd_error_current()), "no such order");
        ck_assert_int_eq(ackd_await(family->other), ACKD_OK);
        ACKD_TRY(ackd_delay(1));
    }
    ackd_task_unref(family->child);
    ackd_task_unref(family->other);
    return ACKD_OK;
}

START_TEST(rule_t5_a_completed_task_can_be_awaited_again)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(await_again_and_again, &family), ACKD_OK);
}
END_TEST

static int await_of_a_scope_that_is_gone(void *arg)
{
    struct family *family = arg;
    {
        ACKD_SCOPE_SUPERVISED(scope);
        ACKD_TRY(ackd_spawn_task(&scope, fail_with_text, NULL, &child_options, &family->child));
    }
    return ACKD_OK;
}

static int await_and_let_go(void *arg)
{
    struct family *family = arg;
    family->code = ackd_await(family->child);
    family->errors[0] = ackd_error_ref(ackd_error_current());
    ackd_task_unref(family->child);
    return ACKD_OK;
}

START_TEST(rule_t5_also_when_its_scope_and_its_parent_are_gone)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(await_of_a_scope_that_is_gone, &family), ACKD_OK);
    world_pass_ms(3600 * 1000);
    ck_assert_int_eq(world_run(await_and_let_go, &family), ACKD_OK);
    ck_assert_int_eq(family.code, ACKD_E_NOT_FOUND);
    ck_assert_str_eq(ackd_error_text(family.errors[0]), "no such order");
    ackd_error_unref(family.errors[0]);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
}
END_TEST

static int await_and_flag(void *arg)
{
    struct family *family = arg;
    ACKD_TRY(ackd_await(family->child));
    family->flag = true;
    return ACKD_OK;
}

static bool deferred_saw_flag;

static void look_at_flag(void *arg)
{
    deferred_saw_flag = ((struct family *)arg)->flag;
}

static int defer_look(void *arg)
{
    ACKD_TRY(ackd_delay(5));
    return ackd_defer(look_at_flag, arg);
}

static int complete_under_awaiter(void *arg)
{
    struct family *family = arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, defer_look, family, &child_options, &family->child));
    ACKD_TRY(ackd_spawn(&scope, await_and_flag, family));
    int code = ackd_scope_join(&scope);
    ackd_task_unref(family->child);
    return code;
}

START_TEST(rule_t6_completing_never_runs_an_awaiter_inside)
{
    struct family family = {0};
    deferred_saw_flag = true;
    ck_assert_int_eq(world_run(complete_under_awaiter, &family), ACKD_OK);
    ck_assert(!deferred_saw_flag);
    ck_assert(family.flag);
}
END_TEST

static int return_arg(void *arg)
{
    return (int)(intptr_t)arg;
}

START_TEST(rule_t7_what_it_returns_is_how_it_ends)
{
    ck_assert_int_eq(world_run(return_arg, NULL), ACKD_OK);
    ck_assert_int_eq(world_run(return_arg, (void *)(intptr_t)ACKD_E_REFUSED), ACKD_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(world.end.text, "root"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "E_REFUSED"));
    ck_assert_str_eq(ackd_error_task_name(world.end.error), "root");
    ck_assert_int_eq(world_run(return_arg, (void *)(intptr_t)7), ACKD_E_BAD_RETURN);
    ck_assert_ptr_nonnull(strstr(world.end.text, "returned 7"));
    ck_assert_int_eq(world_run(return_arg, (void *)(intptr_t)-2345), -2345);
    ck_assert_uint_eq(world_counts().failed, 3);
}
END_TEST

static int delay_an_hour(void *arg)
{
    int code = ackd_delay(3600 * 1000);
    return arg == NULL ? code : (int)(intptr_t)arg;
}

START_TEST(rule_t8_canceled_under_a_cancelled_token_is_cancelled)
{
    struct ackd_task *task = world_spawn(delay_an_hour, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert(world.end.ended);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_SHUTDOWN);
    ck_assert_ptr_null(world.end.error);
}
END_TEST

static int canceled_for_nothing(void *arg)
{
    (void)arg;
    (void)ackd_fail(ACKD_E_TLS, "the deeper reason");
    return ACKD_CANCELED;
}

START_TEST(rule_t9_canceled_when_nothing_was_is_a_failure)
{
    ck_assert_int_eq(world_run(canceled_for_nothing, NULL), ACKD_E_BAD_RETURN);
    ck_assert_ptr_nonnull(strstr(world.end.text, "nobody had cancelled it: if that is the -1"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "the deeper reason"));
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_NONE);
}
END_TEST

static int succeed_all_the_same(void *arg)
{
    (void)arg;
    return ackd_delay(3600 * 1000) == ACKD_CANCELED ? ACKD_OK : ACKD_E_INTERNAL;
}

START_TEST(rule_t10_success_and_failure_outlive_a_request_to_stop)
{
    struct ackd_task *task = world_spawn(succeed_all_the_same, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_PAUSE);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_PAUSE);
    task = world_spawn(delay_an_hour, (void *)(intptr_t)ACKD_E_TLS);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_PAUSE);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_E_TLS);
}
END_TEST

static int shielded_cleanup(void *arg)
{
    int code = ackd_delay(3600 * 1000);
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 1000));
    ck_assert_int_eq(ackd_delay(20), ACKD_OK);
    ackd_shield_pop(&shield);
    *(bool *)arg = true;
    return code;
}

/* The block is left without a join, and without ACKD_SCOPE. */
__attribute__((noinline)) static int leave_open(void *arg)
{
    struct ackd_scope scope;
    ackd_scope_open_at(&scope, ACKD_SCOPE_FAIL_FAST, ACKD_HERE);
    return ackd_spawn(&scope, shielded_cleanup, arg);
}

static int leave_open_at_the_end(void *arg)
{
    ACKD_TRY(leave_open(arg));
    return ackd_error_current() == NULL ? ACKD_OK : ACKD_E_INTERNAL;
}

START_TEST(rule_t11_a_task_is_joining_until_its_last_child_ended)
{
    bool cleaned = false;
    struct ackd_task *task = world_spawn(leave_open_at_the_end, &cleaned);
    world_settle();
    ck_assert_int_eq(ackd_task_state(task), ACKD_TASK_JOINING);
    ck_assert(!world.end.ended);
    world_pass_ms(19);
    ck_assert(!world.end.ended);
    world_pass_ms(2);
    ck_assert(world.end.ended);
    ck_assert(cleaned);
    ck_assert_int_eq(world.end.code, ACKD_OK);
}
END_TEST

static int let_go_of_child(void *arg)
{
    struct family *family = arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, delay_and_note, LETTER('5'), &child_options, &family->child));
    ACKD_TRY(ackd_yield());
    ackd_task_unref(family->child);
    return ackd_scope_join(&scope);
}

START_TEST(rule_t12_letting_go_of_a_running_task_does_not_stop_it)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(let_go_of_child, &family), ACKD_OK);
    ck_assert_str_eq(order, "5");
    ck_assert_uint_eq(world_counts().live, 0);
}
END_TEST

static int fill_the_loop(void *arg)
{
    struct family *family = arg;
    ACKD_SCOPE(scope);
    int code = ACKD_OK;
    while (code == ACKD_OK)
        code = ackd_spawn(&scope, succeed, NULL);
    family->code = code;
    return ackd_scope_join(&scope);
}

START_TEST(rule_t13_a_full_loop_refuses_another_task)
{
    struct family family = {0};
    world_free();
    world_new_with((struct scheduler_options){.tasks_max = 5});
    ck_assert_int_eq(world_run(fill_the_loop, &family), ACKD_OK);
    ck_assert_int_eq(family.code, ACKD_E_FULL);
    ck_assert_uint_eq(world_counts().created, 5);
}
END_TEST

static int spawn_nameless(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    const struct ackd_task_options nameless = {0};
    ck_assert_int_eq(ackd_spawn_task(&scope, succeed, NULL, &nameless, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_spawn_task(&scope, succeed, NULL, NULL, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_spawn(&scope, NULL, NULL), ACKD_E_INVAL);
    return ackd_scope_join(&scope);
}

START_TEST(rule_t14_a_task_without_a_name_is_refused)
{
    ck_assert_int_eq(world_run(spawn_nameless, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().created, 1);
}
END_TEST

static int keep_failed_child(void *arg)
{
    struct family *family = arg;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, fail_with_text, NULL, &child_options, &family->child));
    return ackd_scope_join(&scope);
}

START_TEST(rule_e5_an_error_outlives_its_task_while_a_handle_is_held)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(keep_failed_child, &family), ACKD_OK);
    const struct ackd_error *error = ackd_task_error(family.child);
    ck_assert_str_eq(ackd_error_text(error), "no such order");
    ck_assert_str_eq(ackd_error_task_name(error), "child");
    ck_assert_uint_eq(ackd_error_task_id(error), ackd_task_id(family.child));
    error = ackd_error_ref(error);
    ackd_task_unref(family.child); /* the task is no more */
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(world_run(succeed, NULL), ACKD_OK); /* its memory serves others */
    ck_assert_str_eq(ackd_error_text(error), "no such order");
    ck_assert_str_eq(ackd_error_task_name(error), "child");
    ck_assert_str_eq(ackd_error_function(error), "fail_with_text");
    ackd_error_unref(error); /* the last one: LSan and Valgrind look */
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
}
END_TEST

START_TEST(rule_u1_a_failure_nobody_looked_at_is_reported_once_with_its_spawn_site)
{
    struct family family = {0};
    ck_assert_int_eq(world_run(keep_failed_child, &family), ACKD_OK);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
    ackd_task_unref(family.child);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
    ck_assert_uint_eq(world_logged("task=child"), 1);
    ck_assert_uint_eq(world_logged("test_task.c:"), 2);
    ck_assert_uint_eq(world_logged("no such order"), 1);
}
END_TEST

START_TEST(names_are_copied_and_cut)
{
    char name[100];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct scheduler_root root = {.fn = succeed, .name = name};
    struct ackd_task *task;
    ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, &task), ACKD_OK);
    name[0] = 'x';
    ck_assert_uint_eq(strlen(ackd_task_name(task)), 47);
    ck_assert_int_eq(ackd_task_name(task)[0], 'n');
    world_run_all();
}
END_TEST

static void count_views(const struct scheduler_view *view, void *arg)
{
    struct scheduler_view *last = arg;
    ck_assert_uint_gt(view->id, last->id);
    *last = *view;
}

START_TEST(a_visit_tells_what_each_task_waits_for)
{
    struct scheduler_view last = {0};
    int message;
    struct scheduler_root root = {
        .fn = delay_an_hour, .name = "orders", .message = &message, .done = NULL};
    ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, NULL), ACKD_OK);
    struct ackd_task *second = NULL;
    ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, &second), ACKD_OK);
    world_settle();
    world.now_ns += 3 * NS_PER_MS;
    scheduler_visit(world.scheduler, count_views, &last);
    ck_assert_str_eq(last.name, "orders");
    ck_assert_int_eq(last.state, ACKD_TASK_AWAITING);
    ck_assert_str_eq(last.await_kind, "timer");
    ck_assert_str_eq(last.await_function, "delay_an_hour");
    ck_assert_uint_eq(last.state_ns, 3 * NS_PER_MS);
    ck_assert_uint_eq(last.age_ns, 3 * NS_PER_MS);
    ck_assert_ptr_eq(last.message, &message);
    world_run_all();
}
END_TEST

START_TEST(a_root_without_children_ends_in_one_turn)
{
    world_spawn(succeed, NULL);
    scheduler_turn(world.scheduler);
    ck_assert(world.end.ended);
    ck_assert_uint_eq(world_counts().succeeded, 1);
    ck_assert_uint_eq(world_counts().switches, 0);
}
END_TEST

struct posted {
    struct scheduler_post post;
    char letter;
    bool in_task;
};

static void posted_run(struct scheduler_post *post)
{
    struct posted *posted = LIST_ITEM(post, posted, post);
    posted->in_task = ackd_task_current() != NULL;
    note(posted->letter);
}

START_TEST(posted_calls_are_made_in_order_outside_of_tasks)
{
    struct posted posted[] = {{{NULL, posted_run}, 'a', true},
                              {{NULL, posted_run}, 'b', true},
                              {{NULL, posted_run}, 'c', true}};
    for (size_t i = 0; i < 3; i++)
        scheduler_post(world.scheduler, &posted[i].post);
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    ck_assert_str_eq(order, "");
    world_settle();
    ck_assert_str_eq(order, "abc");
    ck_assert(!posted[0].in_task && !posted[2].in_task);
}
END_TEST

START_TEST(roots_delay_side_by_side)
{
    world_spawn(delay_and_note, LETTER('5'));
    world_spawn(delay_and_note, LETTER('3'));
    world_spawn(delay_and_note, LETTER('9'));
    world_run_all();
    ck_assert_str_eq(order, "359");
    ck_assert_uint_eq(world.now_ns, 1000 * NS_PER_S + 9 * NS_PER_MS);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/task");
    TCase *tc = tcase_create("task");
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_t1_spawn_returns_before_the_body_runs);
    tcase_add_test(tc, rule_t2_children_start_in_the_order_of_spawning);
    tcase_add_test(tc, rule_t3_a_terminal_state_never_changes);
    tcase_add_test(tc, rule_t4_all_awaiters_get_the_same_in_the_order_they_came);
    tcase_add_test(tc, rule_t5_a_completed_task_can_be_awaited_again);
    tcase_add_test(tc, rule_t5_also_when_its_scope_and_its_parent_are_gone);
    tcase_add_test(tc, rule_t6_completing_never_runs_an_awaiter_inside);
    tcase_add_test(tc, rule_t7_what_it_returns_is_how_it_ends);
    tcase_add_test(tc, rule_t8_canceled_under_a_cancelled_token_is_cancelled);
    tcase_add_test(tc, rule_t9_canceled_when_nothing_was_is_a_failure);
    tcase_add_test(tc, rule_t10_success_and_failure_outlive_a_request_to_stop);
    tcase_add_test(tc, rule_t11_a_task_is_joining_until_its_last_child_ended);
    tcase_add_test(tc, rule_t12_letting_go_of_a_running_task_does_not_stop_it);
    tcase_add_test(tc, rule_t13_a_full_loop_refuses_another_task);
    tcase_add_test(tc, rule_t14_a_task_without_a_name_is_refused);
    tcase_add_test(tc, rule_e5_an_error_outlives_its_task_while_a_handle_is_held);
    tcase_add_test(tc, rule_u1_a_failure_nobody_looked_at_is_reported_once_with_its_spawn_site);
    tcase_add_test(tc, names_are_copied_and_cut);
    tcase_add_test(tc, a_visit_tells_what_each_task_waits_for);
    tcase_add_test(tc, a_root_without_children_ends_in_one_turn);
    tcase_add_test(tc, posted_calls_are_made_in_order_outside_of_tasks);
    tcase_add_test(tc, roots_delay_side_by_side);
    suite_add_tcase(suite, tc);
    return suite;
}

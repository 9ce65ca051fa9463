/* SPDX-License-Identifier: MIT */
/* What is refused: awaits where there is no task, and where a section must not be left. */
#include <config.h>

#include "task/refusal.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "task/owner.h"
#include "task/section.h"
#include "world.h"

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

/* How often await_everything was called, and found all refused. */
static unsigned tried;

/* Everything that awaits: each is refused with @code, and nothing has happened. */
static void await_everything(int code, struct ackd_task *other)
{
    uint64_t refused = refusal_count();
    struct scheduler_counts before = world_counts();
    ck_assert_int_eq(ackd_delay(5), code);
    ck_assert_int_eq(ackd_error_code(ackd_error_current()), code);
    ck_assert_int_eq(ackd_delay(0), code);
    ck_assert_int_eq(ackd_yield(), code);
    ck_assert_int_eq(ackd_checkpoint(), code);
    ck_assert_int_eq(ackd_await(other), code);
    ck_assert_uint_eq(refusal_count(), refused + 5);
    struct scheduler_counts after = world_counts();
    ck_assert_mem_eq(&before, &after, sizeof before);
    tried++;
}

static void await_outside(void *other)
{
    await_everything(ACKD_E_NOT_IN_TASK, other);
    struct ackd_shield shield;
    ck_assert_int_eq(ackd_shield_push(&shield, 5), ACKD_E_NOT_IN_TASK);
    ck_assert_ptr_null(ackd_alloc(5));
    ACKD_SCOPE(scope);
    ck_assert_int_eq(ackd_spawn(&scope, succeed, NULL), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_scope_join(&scope), ACKD_E_NOT_IN_TASK);
}

static void set_up(void)
{
    world_new();
    tried = 0;
}

START_TEST(rule_a1_outside_of_turns_nothing_awaits)
{
    await_outside(NULL);
}
END_TEST

static int wait_with_call(void *arg)
{
    struct ackd_cancel_call call;
    ackd_cancel_call_add(&call, await_outside, arg);
    int code = ackd_delay(1000);
    ackd_cancel_call_remove(&call);
    return code;
}

START_TEST(rule_a2_a_cancel_call_cannot_await)
{
    struct ackd_task *task = world_spawn(wait_with_call, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_uint_eq(tried, 1);
}
END_TEST

static int cancel_itself(void *arg)
{
    (void)arg;
    struct ackd_task *self = ackd_task_current();
    struct ackd_cancel_call call;
    ackd_cancel_call_add(&call, await_outside, self);
    ackd_task_cancel(self, ACKD_CANCEL_REQUESTED);
    ck_assert_ptr_eq(ackd_task_current(), self);
    return ackd_checkpoint();
}

START_TEST(rule_a2_nor_one_that_the_running_task_causes)
{
    ck_assert_int_eq(world_run(cancel_itself, NULL), ACKD_CANCELED);
    ck_assert_uint_eq(tried, 1);
}
END_TEST

static int wait_for_deadline(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 10);
    return ackd_deadline_pop(&deadline, wait_with_call(arg));
}

START_TEST(rule_a2_nor_one_that_a_timer_causes)
{
    ck_assert_int_eq(world_run(wait_for_deadline, NULL), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(tried, 1);
}
END_TEST

static void await_when_done(struct ackd_task *task, int code, const struct ackd_error *error,
                            enum ackd_cancel_reason reason, void *arg)
{
    (void)code;
    (void)error;
    (void)reason;
    (void)arg;
    await_outside(task);
}

START_TEST(rule_a2_nor_the_call_at_the_end_of_a_root)
{
    struct scheduler_root root = {.fn = succeed, .name = "root", .done = await_when_done};
    ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, NULL), ACKD_OK);
    world_run_all();
    ck_assert_uint_eq(tried, 1);
}
END_TEST

static int observe_and_await(const struct ackd_task *task, int code, const struct ackd_error *error,
                             void *arg)
{
    (void)task;
    (void)error;
    await_outside(arg);
    return code;
}

static int detach(void *owner)
{
    const struct ackd_task_options options = {.name = "detached"};
    return ackd_spawn_detached(owner, succeed, NULL, &options, observe_and_await, NULL);
}

START_TEST(rule_a2_nor_the_observer_of_a_detached_task)
{
    struct ackd_owner owner;
    owner_init(&owner, world.scheduler, "owner");
    ck_assert_int_eq(world_run(detach, &owner), ACKD_OK);
    ck_assert_uint_eq(tried, 1);
}
END_TEST

static void await_posted(struct scheduler_post *post)
{
    (void)post;
    await_outside(NULL);
}

START_TEST(rule_a2_nor_a_posted_call)
{
    struct scheduler_post post = {.run = await_posted};
    scheduler_post(world.scheduler, &post);
    world_settle();
    ck_assert_uint_eq(tried, 1);
}
END_TEST

/* A12 */

struct section_try {
    int begin_line;
    bool completed; /* the awaited is complete: it would not suspend */
};

static int suspend_in_section(void *arg)
{
    struct section_try *attempt = arg;
    ACKD_SCOPE(scope);
    struct ackd_task *child = NULL;
    const struct ackd_task_options options = {.name = "child"};
    ACKD_TRY(ackd_spawn_task(&scope, succeed, NULL, &options, &child));
    if (attempt->completed)
        ACKD_TRY(ackd_await(child));
    {
        ACKD_NO_AWAIT(section);
        attempt->begin_line = __LINE__ - 1;
        await_everything(ACKD_E_SUSPEND, child);
        const struct ackd_task_options at_once = {.name = "child", .flags = ACKD_TASK_START_INLINE};
        ck_assert_int_eq(ackd_spawn_task(&scope, succeed, NULL, &at_once, NULL), ACKD_E_SUSPEND);
        ck_assert_int_eq(ackd_scope_join(&scope), ACKD_E_SUSPEND);
    }
    ck_assert_int_eq(ackd_await(child), ACKD_OK);
    ackd_task_unref(child);
    return ackd_scope_join(&scope);
}

START_TEST(rule_a12_in_a_section_no_await_suspends_or_completes)
{
    struct section_try attempt = {0};
    ck_assert_int_eq(world_run(suspend_in_section, &attempt), ACKD_OK);
    attempt.completed = true;
    ck_assert_int_eq(world_run(suspend_in_section, &attempt), ACKD_OK);
    ck_assert_uint_eq(tried, 2);
}
END_TEST

static int fail_in_section(void *arg)
{
    int *lines = arg;
    ACKD_NO_AWAIT(section);
    lines[0] = __LINE__ - 1;
    lines[1] = __LINE__ + 1;
    return ackd_yield();
}

START_TEST(rule_a12_the_error_names_both_places)
{
    int lines[2];
    ck_assert_int_eq(world_run(fail_in_section, lines), ACKD_E_SUSPEND);
    const char *text = ackd_error_text(world.end.error);
    char place[64];
    for (int i = 0; i < 2; i++) {
        snprintf(place, sizeof place, "test_refusal.c:%d", lines[i]);
        ck_assert_msg(strstr(text, place) != NULL, "no %s in: %s", place, text);
    }
    ck_assert_ptr_nonnull(strstr(text, "fail_in_section"));
    ck_assert_int_eq(ackd_error_line(world.end.error), lines[1]);
    ck_assert_uint_eq(world_logged("event=refused"), 1);
}
END_TEST

static int nest_sections(void *arg)
{
    (void)arg;
    struct ackd_no_await outer, inner;
    ackd_no_await_begin_at(&outer, ACKD_HERE);
    ackd_no_await_begin_at(&inner, ACKD_HERE);
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    ackd_no_await_end(&inner);
    ackd_no_await_end(&inner);
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    ackd_no_await_end(&outer);
    return ackd_yield();
}

START_TEST(rule_a12_sections_nest)
{
    ck_assert_int_eq(world_run(nest_sections, NULL), ACKD_OK);
}
END_TEST

static int end_out_of_order(void *arg)
{
    (void)arg;
    struct ackd_no_await outer, inner;
    ackd_no_await_begin_at(&outer, ACKD_HERE);
    ackd_no_await_begin_at(&inner, ACKD_HERE);
    ackd_no_await_end(&outer);
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    ackd_no_await_end(&inner);
    return ackd_yield();
}

START_TEST(sections_may_end_in_any_order)
{
    ck_assert_int_eq(world_run(end_out_of_order, NULL), ACKD_OK);
}
END_TEST

static __attribute__((noinline)) void leave_a_section_open(void)
{
    struct ackd_no_await section;
    ackd_no_await_begin_at(&section, ACKD_HERE);
    __asm__ volatile("" : : "r"(&section) : "memory");
}

static int await_after_leaving(void *arg)
{
    (void)arg;
    leave_a_section_open();
    ACKD_TRY(ackd_yield());
    leave_a_section_open();
    return ACKD_OK;
}

START_TEST(a_section_that_was_left_without_its_end_is_forgotten)
{
    ck_assert_int_eq(world_run(await_after_leaving, NULL), ACKD_OK);
    ck_assert_int_eq(world_run(await_after_leaving, NULL), ACKD_OK);
}
END_TEST

static int wait_for_ever(void *arg)
{
    (void)arg;
    return ackd_delay(1000000);
}

static int leave_children_in_section(void *arg)
{
    (void)arg;
    ACKD_NO_AWAIT(section);
    {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, wait_for_ever, NULL));
        error_ignore(ackd_fail(ACKD_E_NOT_FOUND, "what it was about"));
    }
    /* The block waited, as it must; the error is what it was, and the section holds. */
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "what it was about");
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    return ACKD_OK;
}

static __attribute__((noinline)) void use_the_stack(void)
{
    char bytes[512];
    memset(bytes, 0x5a, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

static int end_after_leaving(void *arg)
{
    (void)arg;
    struct ackd_no_await outer;
    ackd_no_await_begin_at(&outer, ACKD_HERE);
    leave_a_section_open();
    use_the_stack();
    ackd_no_await_end(&outer);
    return ackd_yield();
}

START_TEST(a_section_ends_although_one_inside_it_was_left)
{
    ck_assert_int_eq(world_run(end_after_leaving, NULL), ACKD_OK);
}
END_TEST

static int begin_again(void *arg)
{
    (void)arg;
    struct ackd_no_await outer, section;
    ackd_no_await_begin_at(&outer, ACKD_HERE);
    ackd_no_await_begin_at(&section, ACKD_HERE);
    ackd_no_await_begin_at(&section, ACKD_HERE);
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    ackd_no_await_end(&section);
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    ackd_no_await_end(&outer);
    return ackd_yield();
}

START_TEST(a_section_that_begins_again_is_one)
{
    ck_assert_int_eq(world_run(begin_again, NULL), ACKD_OK);
}
END_TEST

START_TEST(children_left_behind_in_a_section_are_waited_for_and_told_of)
{
    uint64_t refused = refusal_count();
    ck_assert_int_eq(world_run(leave_children_in_section, NULL), ACKD_OK);
    ck_assert_uint_eq(refusal_count(), refused + 2);
    ck_assert_uint_eq(world_logged("event=refused"), 2);
}
END_TEST

static int begin_where_cancelled(void *arg)
{
    (void)arg;
    ackd_task_cancel(ackd_task_current(), ACKD_CANCEL_REQUESTED);
    ACKD_NO_AWAIT(section);
    ck_assert_int_eq(ackd_yield(), ACKD_E_SUSPEND);
    ackd_no_await_end(&section);
    return ackd_yield();
}

START_TEST(a_section_says_so_before_a_cancellation_does)
{
    ck_assert_int_eq(world_run(begin_where_cancelled, NULL), ACKD_CANCELED);
}
END_TEST

START_TEST(a_section_outside_of_tasks_is_nothing)
{
    ACKD_NO_AWAIT(section);
    ck_assert_int_eq(ackd_yield(), ACKD_E_NOT_IN_TASK);
}
END_TEST

/* Runtime.md, section 9 */

static int refuse_in_loop(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(ackd_await(ackd_task_current()), ACKD_E_CYCLE);
    ck_assert_int_eq(ackd_await(ackd_task_current()), ACKD_E_CYCLE);
    return ACKD_OK;
}

START_TEST(each_refusal_is_counted_and_each_place_is_logged_once_with_a_backtrace)
{
    uint64_t refused = refusal_count();
    ck_assert_int_eq(world_run(refuse_in_loop, NULL), ACKD_OK);
    ck_assert_uint_eq(refusal_count(), refused + 101);
    ck_assert_uint_eq(world_logged("event=refused"), 2);
    ck_assert_uint_eq(world_logged("code=E_CYCLE"), 2);
    ck_assert_uint_eq(world_logged("place="), 2);
    ck_assert_uint_eq(world_logged("backtrace="), 2);
    ck_assert_uint_ge(world_logged(" < "), 2);
}
END_TEST

static int join_twice(void *arg)
{
    (void)arg;
    struct ackd_scope scope, copy;
    ackd_scope_open_at(&scope, ACKD_SCOPE_FAIL_FAST, ACKD_HERE);
    memcpy(&copy, &scope, sizeof copy);
    volatile int times = 10; /* so that it stays one place */
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(ackd_scope_join(&copy), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_scope_join(&copy), ACKD_E_INVAL);
    return ackd_scope_join(&scope);
}

START_TEST(places_that_are_not_told_are_known_by_where_they_go_on)
{
    ck_assert_int_eq(world_run(join_twice, NULL), ACKD_OK);
    ck_assert_uint_eq(world_logged("event=refused"), 2);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/refusal");
    TCase *tc = tcase_create("refusal");
    tcase_add_checked_fixture(tc, set_up, world_free);
    tcase_add_test(tc, rule_a1_outside_of_turns_nothing_awaits);
    tcase_add_test(tc, rule_a2_a_cancel_call_cannot_await);
    tcase_add_test(tc, rule_a2_nor_one_that_the_running_task_causes);
    tcase_add_test(tc, rule_a2_nor_one_that_a_timer_causes);
    tcase_add_test(tc, rule_a2_nor_the_call_at_the_end_of_a_root);
    tcase_add_test(tc, rule_a2_nor_the_observer_of_a_detached_task);
    tcase_add_test(tc, rule_a2_nor_a_posted_call);
    tcase_add_test(tc, rule_a12_in_a_section_no_await_suspends_or_completes);
    tcase_add_test(tc, rule_a12_the_error_names_both_places);
    tcase_add_test(tc, rule_a12_sections_nest);
    tcase_add_test(tc, sections_may_end_in_any_order);
    tcase_add_test(tc, a_section_that_was_left_without_its_end_is_forgotten);
    tcase_add_test(tc, a_section_ends_although_one_inside_it_was_left);
    tcase_add_test(tc, a_section_that_begins_again_is_one);
    tcase_add_test(tc, children_left_behind_in_a_section_are_waited_for_and_told_of);
    tcase_add_test(tc, a_section_says_so_before_a_cancellation_does);
    tcase_add_test(tc, a_section_outside_of_tasks_is_nothing);
    tcase_add_test(tc, each_refusal_is_counted_and_each_place_is_logged_once_with_a_backtrace);
    tcase_add_test(tc, places_that_are_not_told_are_known_by_where_they_go_on);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "task/source.h"
#include "world.h"

static bool memory_is_out;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return memory_is_out ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return memory_is_out ? NULL : __real_calloc(count, size);
}

static struct ackd_cancel_source *source; /* of the test */
static struct ackd_token token;
static int codes[8];

static void reset(void)
{
    world_new();
    ck_assert_int_eq(ackd_cancel_source_new(&source), ACKD_OK);
    token = ackd_cancel_source_token(source);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        codes[i] = 99;
}

static void leave(void)
{
    ackd_cancel_source_unref(source);
    world_free();
    ck_assert_uint_eq(world_logged("source-released"), 0);
}

static bool nothing_registered(void)
{
    return list_empty(&source->registrations.list);
}

static int delay_an_hour(void *arg)
{
    (void)arg;
    return ackd_delay(3600 * 1000);
}

static int heed(void *arg)
{
    ackd_task_fn *body = *(ackd_task_fn **)arg;
    struct ackd_token_block block;
    ackd_token_push(&block, token);
    int code = ackd_token_pop(&block, body(NULL));
    codes[0] = code;
    codes[1] = (int)ackd_cancel_reason();
    return code;
}

static ackd_task_fn *an_hour = delay_an_hour;

static void *cancel_elsewhere(void *arg)
{
    ackd_cancel(arg, ACKD_CANCEL_SHUTDOWN, "another thread");
    return NULL;
}

static void cancel_by_a_thread(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_elsewhere, source), 0);
    pthread_join(thread, NULL);
}

START_TEST(rule_t8_a_task_that_a_token_ended_is_cancelled_with_its_reason)
{
    world_spawn(heed, &an_hour);
    world_settle();
    ck_assert(!world.end.ended);
    ackd_cancel(source, ACKD_CANCEL_CHANNEL_CLOSED, "the broker");
    world_settle();
    ck_assert(world.end.ended);
    ck_assert_int_eq(codes[0], ACKD_CANCELED);
    ck_assert_int_eq(codes[1], ACKD_CANCEL_NONE);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_CHANNEL_CLOSED);
    ck_assert(nothing_registered());
}
END_TEST

START_TEST(rule_c15_another_thread_cancels_what_heeds_a_token_on_its_loop)
{
    world_spawn(heed, &an_hour);
    world_settle();
    cancel_by_a_thread();
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    ck_assert(!world.end.ended);
    scheduler_turn(world.scheduler);
    ck_assert(world.end.ended);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_SHUTDOWN);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

START_TEST(rule_c24_each_reason_comes_through_a_token)
{
    world_spawn(heed, &an_hour);
    world_settle();
    ackd_cancel(source, (enum ackd_cancel_reason)_i, NULL);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, _i);
}
END_TEST

static int outlive_a_block(void *arg)
{
    struct ackd_token_block block;
    (void)arg;
    ackd_token_push(&block, token);
    codes[0] = ackd_delay(10);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, "itself");
    codes[1] = ackd_delay(10);
    codes[2] = (int)ackd_cancel_reason();
    codes[3] = ackd_token_pop(&block, ACKD_E_REFUSED);
    codes[4] = ackd_delay(10);
    ackd_token_push(&block, token);
    codes[5] = ackd_delay(10);
    codes[6] = ackd_token_pop(&block, ACKD_OK);
    return ackd_delay(10);
}

START_TEST(a_token_reaches_no_further_than_its_block)
{
    ck_assert_int_eq(world_run(outlive_a_block, NULL), ACKD_OK);
    ck_assert_int_eq(codes[0], ACKD_OK);
    ck_assert_int_eq(codes[1], ACKD_CANCELED);
    ck_assert_int_eq(codes[2], ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(codes[3], ACKD_E_REFUSED);
    ck_assert_int_eq(codes[4], ACKD_OK);
    ck_assert_int_eq(codes[5], ACKD_CANCELED);
    ck_assert_int_eq(codes[6], ACKD_OK);
    ck_assert(nothing_registered());
}
END_TEST

static int poll_until_cancelled(void *arg)
{
    (void)arg;
    cancel_by_a_thread();
    codes[2] = ackd_cancellation_requested();
    codes[3] = (int)ackd_cancel_reason();
    return ackd_checkpoint();
}

static ackd_task_fn *polling = poll_until_cancelled;

START_TEST(a_computation_that_never_awaits_sees_another_threads_cancel)
{
    ck_assert_int_eq(world_run(heed, &polling), ACKD_CANCELED);
    ck_assert_int_eq(codes[2], true);
    ck_assert_int_eq(codes[3], ACKD_CANCEL_SHUTDOWN);
}
END_TEST

static int child_inside(void *arg)
{
    ACKD_SCOPE(scope);
    (void)arg;
    ACKD_TRY(ackd_spawn(&scope, delay_an_hour, NULL));
    codes[2] = ackd_scope_join(&scope);
    return codes[2];
}

static ackd_task_fn *with_child = child_inside;

START_TEST(children_inside_a_block_heed_its_token)
{
    world_spawn(heed, &with_child);
    world_settle();
    ackd_cancel(source, ACKD_CANCEL_PAUSE, NULL);
    world_settle();
    ck_assert_int_eq(codes[2], ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_PAUSE);
    ck_assert_uint_eq(world_counts().cancelled, 2);
}
END_TEST

static __attribute__((noinline)) int return_without_pop(void *arg)
{
    struct ackd_token_block block;
    (void)arg;
    ackd_token_push(&block, token);
    return ackd_delay(1);
}

static int call_return_without_pop(void *arg)
{
    codes[0] = return_without_pop(arg);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    codes[1] = ackd_delay(1);
    return codes[1];
}

START_TEST(a_block_left_without_its_pop_leaves_nothing_behind)
{
    ck_assert_int_eq(world_run(call_return_without_pop, NULL), ACKD_OK);
    ck_assert_int_eq(codes[0], ACKD_OK);
    ck_assert_int_eq(world_run(return_without_pop, NULL), ACKD_CANCELED);
    ck_assert(nothing_registered());
}
END_TEST

static int shielded_inside(void *arg)
{
    struct ackd_shield shield;
    (void)arg;
    ACKD_TRY(ackd_shield_push(&shield, 100));
    codes[2] = ackd_delay(10);
    ackd_shield_pop(&shield);
    return ackd_delay(10);
}

static ackd_task_fn *with_shield = shielded_inside;

START_TEST(rule_c20_a_shield_holds_off_a_token_outside_it)
{
    world_spawn(heed, &with_shield);
    world_settle();
    ackd_cancel(source, ACKD_CANCEL_SHUTDOWN, NULL);
    world_run_all();
    ck_assert_int_eq(codes[2], ACKD_OK);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

static int heed_inside_a_shield(void *arg)
{
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 100));
    int code = heed(arg);
    ackd_shield_pop(&shield);
    return code;
}

START_TEST(a_token_inside_a_shield_is_heeded)
{
    world_spawn(heed_inside_a_shield, &an_hour);
    world_settle();
    ackd_cancel(source, ACKD_CANCEL_SHUTDOWN, NULL);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.reason, ACKD_CANCEL_SHUTDOWN);
}
END_TEST

START_TEST(rule_c12_nothing_comes_of_heeding_no_token)
{
    token = (struct ackd_token){NULL};
    world_spawn(heed, &an_hour);
    world_settle();
    ck_assert(nothing_registered());
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    struct ackd_token_block block;
    ackd_token_push(&block, ackd_cancel_source_token(source));
    ck_assert_int_eq(ackd_token_pop(&block, -7), -7);
    ck_assert_ptr_null(ackd_token_current().source);
}
END_TEST

static int spawn_heeding(void *arg)
{
    const struct ackd_task_options options = {.name = "child", .token = token};
    ACKD_SCOPE_SUPERVISED(scope);
    codes[0] = ackd_spawn_task(&scope, delay_an_hour, NULL, &options, NULL);
    codes[1] = ackd_spawn(&scope, delay_an_hour, NULL);
    if (arg != NULL) {
        /* The task has a reference of its own. */
        ackd_cancel_source_unref(source);
    }
    return ackd_scope_join(&scope);
}

START_TEST(a_task_spawned_with_a_token_heeds_it_and_its_siblings_do_not)
{
    world_spawn(spawn_heeding, NULL);
    world_settle();
    ck_assert_int_eq(codes[0], ACKD_OK);
    cancel_by_a_thread();
    world_settle();
    ck_assert_uint_eq(world_counts().cancelled, 1);
    ck_assert_uint_eq(world_counts().live, 2);
    world_run_all();
    ck_assert_uint_eq(world_counts().cancelled, 1);
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert(nothing_registered());
}
END_TEST

START_TEST(a_task_keeps_the_source_of_its_token)
{
    struct ackd_cancel_source *mine = source;
    world_spawn(spawn_heeding, codes);
    world_settle();
    ck_assert_uint_eq(atomic_load(&mine->references), 1);
    world_run_all();
    ck_assert_int_eq(ackd_cancel_source_new(&source), ACKD_OK);
    ck_assert_uint_eq(world_counts().cancelled, 0);
}
END_TEST

START_TEST(rule_s5_a_task_with_a_cancelled_token_never_runs)
{
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_int_eq(world_run(spawn_heeding, NULL), ACKD_OK);
    ck_assert_int_eq(codes[0], ACKD_CANCELED);
    ck_assert_int_eq(codes[1], ACKD_OK);
    ck_assert_uint_eq(world_counts().created, 2);
}
END_TEST

static int cancel_then_fail(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_delay(3600 * 1000), ACKD_CANCELED);
    return ackd_fail(ACKD_E_REFUSED, "the clean-up failed");
}

static int child_that_fails(void *arg)
{
    const struct ackd_task_options options = {.name = "child", .token = token};
    ACKD_SCOPE(scope);
    (void)arg;
    ACKD_TRY(ackd_spawn_task(&scope, cancel_then_fail, NULL, &options, NULL));
    return ackd_scope_join(&scope);
}

START_TEST(rule_t10_a_failure_after_the_request_is_a_failure)
{
    world_spawn(child_that_fails, NULL);
    world_settle();
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_E_REFUSED);
    ck_assert_uint_eq(world_counts().failed, 2);
}
END_TEST

static int say_cancelled_later(void *arg)
{
    struct ackd_token_block block;
    (void)arg;
    ackd_token_push(&block, token);
    int code = ackd_token_pop(&block, ackd_delay(1));
    ck_assert_int_eq(code, ACKD_OK);
    return ACKD_CANCELED;
}

START_TEST(rule_t9_cancelled_by_nobody_is_a_failure_in_spite_of_a_token)
{
    ck_assert_int_eq(world_run(say_cancelled_later, NULL), ACKD_E_BAD_RETURN);
}
END_TEST

static void view_who(const struct scheduler_view *view, void *arg)
{
    snprintf(arg, 64, "%s", view->cancel_who == NULL ? "nobody" : view->cancel_who);
}

static int look_who(void *arg)
{
    (void)arg;
    static char who[3][64];
    scheduler_visit(world.scheduler, view_who, who[0]);
    ck_assert_str_eq(who[0], "nobody");
    struct ackd_token_block block;
    ackd_token_push(&block, token);
    ACKD_SCOPE(scope);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, "an operator");
    scheduler_visit(world.scheduler, view_who, who[1]);
    ck_assert_str_eq(who[1], "an operator");
    /* Out of turn: the scope further in is still open. */
    error_ignore(ackd_token_pop(&block, ACKD_OK));
    scheduler_visit(world.scheduler, view_who, who[2]);
    ck_assert_str_eq(who[2], "nobody");
    return ackd_delay(1);
}

START_TEST(a_view_says_who_cancelled_for_as_long_as_it_is_so)
{
    ck_assert_int_eq(world_run(look_who, NULL), ACKD_OK);
}
END_TEST

static struct ackd_token here[3];

static int publish_tokens(void *arg)
{
    struct ackd_deadline deadline;
    (void)arg;
    here[0] = ackd_token_current();
    ck_assert_ptr_nonnull(here[0].source);
    ck_assert_ptr_eq(ackd_token_current().source, here[0].source);
    ackd_deadline_push(&deadline, 50);
    here[1] = ackd_token_current();
    ck_assert_ptr_ne(here[1].source, here[0].source);
    ackd_cancel_source_ref(here[1].source);
    int code = ackd_delay(1000);
    ck_assert_int_eq((int)ackd_token_reason(here[1], NULL), (int)ackd_cancel_reason());
    codes[0] = ackd_token_canceled(here[0]);
    code = ackd_deadline_pop(&deadline, code);
    if (code == ACKD_E_TIMEOUT)
        code = ackd_delay(1000);
    if (code == ACKD_CANCELED)
        codes[1] = (int)ackd_token_reason(here[0], NULL);
    return code;
}

START_TEST(the_token_of_here_is_cancelled_with_what_it_stands_for)
{
    struct ackd_task *task = world_spawn(publish_tokens, NULL);
    world_pass_ms(40);
    ck_assert(!ackd_token_canceled(here[0]));
    ck_assert(!ackd_token_canceled(here[1]));
    world_pass_ms(20);
    ck_assert_int_eq(codes[0], false);
    ck_assert_int_eq(ackd_token_reason(here[1], NULL), ACKD_CANCEL_DEADLINE);
    ck_assert(!ackd_token_canceled(here[0]));
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    ck_assert_int_eq(ackd_token_reason(here[0], NULL), ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert_int_eq(codes[1], ACKD_CANCEL_SHUTDOWN);
    ck_assert_int_eq(ackd_token_reason(here[1], NULL), ACKD_CANCEL_DEADLINE);
    ackd_cancel_source_unref(here[1].source);
}
END_TEST

static int token_when_cancelled(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    here[0] = ackd_token_current();
    codes[0] = (int)ackd_token_reason(here[0], NULL);
    return ACKD_CANCELED;
}

START_TEST(the_token_of_here_is_born_cancelled_where_the_task_is)
{
    struct ackd_task *task = world_spawn(token_when_cancelled, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_PAUSE);
    world_settle();
    ck_assert_int_eq(codes[0], ACKD_CANCEL_PAUSE);
}
END_TEST

static char order[8];

static void note_inner(void *arg)
{
    strcat(order, arg);
    /* K2: all are marked before the first call. */
    for (int i = 0; i < 2; i++)
        ck_assert(ackd_token_canceled(here[i]));
}

static int two_levels(void *arg)
{
    struct ackd_cancel_registration outer, inner;
    struct ackd_cancel_call call;
    (void)arg;
    static char letters[3][2] = {"o", "i", "c"};
    here[0] = ackd_token_current();
    ackd_cancel_register(here[0], &outer, note_inner, letters[0]);
    ACKD_SCOPE(scope);
    here[1] = ackd_token_current();
    ackd_cancel_register(here[1], &inner, note_inner, letters[1]);
    ackd_cancel_call_add(&call, note_inner, letters[2]);
    int code = ackd_delay(1000);
    ackd_cancel_call_remove(&call);
    ackd_cancel_unregister(&inner);
    ackd_cancel_unregister(&outer);
    return code;
}

START_TEST(rule_s7_the_innermost_calls_come_first_and_all_is_marked_before)
{
    struct ackd_task *task = world_spawn(two_levels, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_settle();
    ck_assert_str_eq(order, "cio");
}
END_TEST

enum { MANY = 24 };

static int push_many(void *arg)
{
    struct ackd_token_block blocks[MANY];
    int failed = 0;
    (void)arg;
    ackd_token_push(&blocks[0], token);
    ck_assert_int_eq(ackd_token_pop(&blocks[0], ACKD_OK), ACKD_OK);
    memory_is_out = true; /* but for the frames that were cut just now */
    for (int i = 0; i < MANY; i++)
        ackd_token_push(&blocks[i], token);
    for (int i = MANY; i-- > 0;)
        failed += ackd_token_pop(&blocks[i], ACKD_OK) == ACKD_E_NOMEM;
    const void *current = ackd_token_current().source;
    struct ackd_cancel_source *none = source;
    int codes_of_sources[] = {ackd_cancel_source_new(&none),
                              ackd_cancel_source_link(&token, 1, &none)};
    memory_is_out = false;
    ck_assert_ptr_null(current);
    ck_assert_int_eq(codes_of_sources[0], ACKD_E_NOMEM);
    ck_assert_int_eq(codes_of_sources[1], ACKD_E_NOMEM);
    ck_assert_ptr_eq(none, source);
    ck_assert_int_gt(failed, 0);
    ck_assert_int_lt(failed, MANY);
    return ackd_delay(1);
}

START_TEST(rule_e4_a_token_that_cannot_be_heeded_is_said_at_the_pop)
{
    ck_assert_int_eq(world_run(push_many, NULL), ACKD_OK);
    ck_assert(nothing_registered());
}
END_TEST

static int spawn_many(void *arg)
{
    const struct ackd_task_options options = {.name = "child", .token = token};
    int code = ACKD_OK;
    uint64_t spawned = 0;
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    memory_is_out = true;
    while (code == ACKD_OK && spawned++ < MANY)
        code = ackd_spawn_task(&scope, delay_an_hour, NULL, &options, NULL);
    memory_is_out = false;
    ck_assert_int_eq(code, ACKD_E_NOMEM);
    ck_assert_uint_eq(world_counts().created, spawned);
    ck_assert_uint_eq(world_counts().live, spawned);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    return ackd_scope_join(&scope);
}

START_TEST(rule_t13_without_memory_for_its_token_no_task_is_left)
{
    ck_assert_int_eq(world_run(spawn_many, NULL), ACKD_OK);
    ck_assert(nothing_registered());
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/token");
    TCase *tc = tcase_create("token");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, reset, leave);
    tcase_add_test(tc, rule_t8_a_task_that_a_token_ended_is_cancelled_with_its_reason);
    tcase_add_test(tc, rule_c15_another_thread_cancels_what_heeds_a_token_on_its_loop);
    tcase_add_loop_test(tc, rule_c24_each_reason_comes_through_a_token, ACKD_CANCEL_REQUESTED,
                        ACKD_CANCEL_PAUSE + 1);
    tcase_add_test(tc, a_token_reaches_no_further_than_its_block);
    tcase_add_test(tc, a_computation_that_never_awaits_sees_another_threads_cancel);
    tcase_add_test(tc, children_inside_a_block_heed_its_token);
    tcase_add_test(tc, a_block_left_without_its_pop_leaves_nothing_behind);
    tcase_add_test(tc, rule_c20_a_shield_holds_off_a_token_outside_it);
    tcase_add_test(tc, a_token_inside_a_shield_is_heeded);
    tcase_add_test(tc, rule_c12_nothing_comes_of_heeding_no_token);
    tcase_add_test(tc, a_task_spawned_with_a_token_heeds_it_and_its_siblings_do_not);
    tcase_add_test(tc, a_task_keeps_the_source_of_its_token);
    tcase_add_test(tc, rule_s5_a_task_with_a_cancelled_token_never_runs);
    tcase_add_test(tc, rule_t10_a_failure_after_the_request_is_a_failure);
    tcase_add_test(tc, rule_t9_cancelled_by_nobody_is_a_failure_in_spite_of_a_token);
    tcase_add_test(tc, a_view_says_who_cancelled_for_as_long_as_it_is_so);
    tcase_add_test(tc, the_token_of_here_is_cancelled_with_what_it_stands_for);
    tcase_add_test(tc, the_token_of_here_is_born_cancelled_where_the_task_is);
    tcase_add_test(tc, rule_s7_the_innermost_calls_come_first_and_all_is_marked_before);
    tcase_add_test(tc, rule_e4_a_token_that_cannot_be_heeded_is_said_at_the_pop);
    tcase_add_test(tc, rule_t13_without_memory_for_its_token_no_task_is_left);
    suite_add_tcase(suite, tc);
    return suite;
}

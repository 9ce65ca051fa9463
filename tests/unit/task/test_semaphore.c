/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <pthread.h>
#include <string.h>

#include "world.h"

static struct ackd_semaphore semaphore;
static char order[64];

static void note(char letter)
{
    size_t length = strlen(order);
    test_that(length + 1 < sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static void reset(void)
{
    order[0] = '\0';
    world_new();
    ck_assert_int_eq(ackd_semaphore_init(&semaphore, "stock", 1, 2), ACKD_OK);
}

static int acquire_and_note(void *arg)
{
    ACKD_TRY(ackd_semaphore_acquire(&semaphore));
    note(*(const char *)arg);
    return ACKD_OK;
}

static int release_three(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        ACKD_TRY(ackd_semaphore_release(&semaphore));
        ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 0);
        note('r');
    }
    return ACKD_OK;
}

START_TEST(rule_q4_permits_go_to_those_who_wait_in_their_order)
{
    static char letters[] = "abcd";
    for (int i = 0; i < 4; i++)
        world_spawn(acquire_and_note, &letters[i]);
    world_settle();
    ck_assert_str_eq(order, "a");
    world_spawn(release_three, NULL);
    world_run_all();
    ck_assert_str_eq(order, "arrrbcd");
}
END_TEST

static int try_to_pass(void *arg)
{
    bool *passed = arg;
    ACKD_TRY(ackd_semaphore_release(&semaphore));
    *passed = ackd_semaphore_try_acquire(&semaphore);
    return ACKD_OK;
}

START_TEST(rule_q4_who_tries_does_not_pass_those_who_wait)
{
    static char letters[] = "ab";
    bool passed = true;
    world_spawn(acquire_and_note, &letters[0]);
    world_spawn(acquire_and_note, &letters[1]);
    world_spawn(try_to_pass, &passed);
    world_run_all();
    ck_assert(!passed);
    ck_assert_str_eq(order, "ab");
}
END_TEST

static int try_twice(void *arg)
{
    (void)arg;
    ck_assert(ackd_semaphore_try_acquire(&semaphore));
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 0);
    ck_assert(!ackd_semaphore_try_acquire(&semaphore));
    return ackd_semaphore_release(&semaphore);
}

START_TEST(rule_q4_who_tries_takes_what_is_there_and_no_more)
{
    ck_assert_int_eq(world_run(try_twice, NULL), ACKD_OK);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
}
END_TEST

static int release_too_often(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_semaphore_release(&semaphore));
    ck_assert_int_eq(ackd_semaphore_release(&semaphore), ACKD_E_FULL);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 2);
    ck_assert(strstr(ackd_error_text(ackd_error_current()), "'stock'") != NULL);
    return ACKD_OK;
}

START_TEST(rule_q4_release_beyond_the_maximum_is_refused)
{
    ck_assert_int_eq(world_run(release_too_often, NULL), ACKD_OK);
}
END_TEST

START_TEST(a_semaphore_without_sense_is_refused)
{
    struct ackd_semaphore other;
    ck_assert_int_eq(ackd_semaphore_init(&other, "x", 0, 0), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_semaphore_init(&other, "x", 3, 2), ACKD_E_INVAL);
}
END_TEST

START_TEST(rule_a1_outside_of_tasks_nobody_acquires)
{
    ck_assert_int_eq(ackd_semaphore_acquire(&semaphore), ACKD_E_NOT_IN_TASK);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
}
END_TEST

static int acquire_though_cancelled(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    ck_assert_int_eq(ackd_semaphore_acquire(&semaphore), ACKD_CANCELED);
    return ACKD_CANCELED;
}

START_TEST(rule_c16_and_c19_who_is_cancelled_gets_no_permit_though_there_is_one)
{
    struct ackd_task *task = world_spawn(acquire_though_cancelled, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_settle();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
}
END_TEST

START_TEST(who_is_cancelled_leaves_the_queue_and_the_rest_keep_their_order)
{
    static char letters[] = "abcd";
    struct ackd_task *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = world_spawn(acquire_and_note, &letters[i]);
    world_settle();
    ackd_task_cancel(tasks[2], ACKD_CANCEL_REQUESTED);
    world_settle();
    ck_assert_uint_eq(world_counts().cancelled, 1);
    ck_assert_int_eq(ackd_semaphore_release(&semaphore), ACKD_OK);
    ck_assert_int_eq(ackd_semaphore_release(&semaphore), ACKD_OK);
    world_run_all();
    ck_assert_str_eq(order, "abd");
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 0);
}
END_TEST

struct racer {
    unsigned granted, cancelled;
};

static int acquire_and_count(void *arg)
{
    struct racer *racer = arg;
    int code = ackd_semaphore_acquire(&semaphore);
    if (code == ACKD_OK)
        racer->granted++;
    else
        racer->cancelled++;
    return code;
}

static int acquire_by_op_and_count(void *arg)
{
    struct racer *racer = arg;
    struct ackd_op op;
    int code = ackd_op_acquire(&op, &semaphore);
    if (code == ACKD_OK)
        code = ackd_op_await(&op);
    if (code == ACKD_OK)
        racer->granted++;
    else
        racer->cancelled++;
    return code;
}

/* Release and cancel, in one of all orders, while one waits; then all is as before. */
static int race_once(struct racer *racer, unsigned long way)
{
    const struct ackd_task_options options = {.name = "racer"};
    struct ackd_task *task;
    struct racer before = *racer;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_semaphore_acquire(&semaphore));
    ACKD_TRY(ackd_spawn_task(&scope, way & 1 ? acquire_by_op_and_count : acquire_and_count, racer,
                             &options, &task));
    if (way & 2)
        ACKD_TRY(ackd_yield());
    for (int step = 0; step < 2; step++) {
        if ((step == 0) == !(way & 4))
            ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        else
            ACKD_TRY(ackd_semaphore_release(&semaphore));
        if (step == 0 && way & 8)
            ACKD_TRY(ackd_yield());
    }
    ackd_task_unref(task);
    ACKD_TRY(ackd_scope_join(&scope));
    unsigned granted = racer->granted - before.granted;
    test_that(granted + racer->cancelled - before.cancelled == 1);
    test_that(granted + ackd_semaphore_available(&semaphore) == 1);
    return granted == 0 ? ACKD_OK : ackd_semaphore_release(&semaphore);
}

static int race_a_million(void *arg)
{
    for (unsigned long i = 0; i < test_scale(1000000); i++)
        ACKD_TRY(race_once(arg, i % 16));
    return ACKD_OK;
}

START_TEST(rule_c18_a_grant_that_races_with_cancellation_loses_no_permit)
{
    struct racer racer = {0};
    ck_assert_int_eq(world_run(race_a_million, &racer), ACKD_OK);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
    if (test_scale(1000000) < 16)
        return;
    ck_assert_uint_gt(racer.granted, 0);
    ck_assert_uint_gt(racer.cancelled, 0);
}
END_TEST

enum { CROWD = 64 };

struct crowd {
    struct ackd_task *tasks[CROWD];
    struct racer racer;
};

static void *cancel_the_crowd(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < CROWD; i++)
        ackd_task_cancel(crowd->tasks[i], ACKD_CANCEL_REQUESTED);
    return NULL;
}

START_TEST(rule_c18_nor_does_one_that_comes_from_another_thread)
{
    for (unsigned long round = 0; round < test_scale(200); round++) {
        struct crowd crowd = {0};
        for (int i = 0; i < CROWD; i++)
            crowd.tasks[i] = ackd_task_ref(world_spawn(acquire_and_count, &crowd.racer));
        world_settle();
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_the_crowd, &crowd), 0);
        unsigned released = 0;
        while (world_counts().live > 0) {
            if (crowd.racer.granted > released && ackd_semaphore_release(&semaphore) == ACKD_OK)
                released++;
            scheduler_turn(world.scheduler);
        }
        pthread_join(thread, NULL);
        scheduler_turn(world.scheduler);
        for (; released < crowd.racer.granted; released++)
            test_that(ackd_semaphore_release(&semaphore) == ACKD_OK);
        test_that(crowd.racer.granted + crowd.racer.cancelled == CROWD);
        test_that(ackd_semaphore_available(&semaphore) == 1);
        for (int i = 0; i < CROWD; i++)
            ackd_task_unref(crowd.tasks[i]);
    }
}
END_TEST

static int use_elsewhere(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_semaphore_acquire(&semaphore), ACKD_E_WRONG_LOOP);
    ck_assert(strstr(ackd_error_text(ackd_error_current()), "belongs to loop 0") != NULL);
    ck_assert(!ackd_semaphore_try_acquire(&semaphore));
    ck_assert_int_eq(ackd_semaphore_release(&semaphore), ACKD_E_WRONG_LOOP);
    return ACKD_OK;
}

static uint64_t no_time(void *arg)
{
    (void)arg;
    return 1;
}

static void *run_elsewhere(void *arg)
{
    const struct scheduler_options options = {.name = "loop 1", .now_ns = no_time};
    struct scheduler *other;
    const struct scheduler_root root = {.fn = use_elsewhere, .name = "other"};
    test_that(scheduler_new(&options, &other) == ACKD_OK);
    test_that(scheduler_spawn(other, &root, NULL) == ACKD_OK);
    scheduler_turn(other);
    scheduler_free(&other);
    return arg;
}

START_TEST(calls_from_another_loop_are_refused)
{
    static char letter[] = "a";
    world_spawn(acquire_and_note, letter);
    world_run_all();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 0);
}
END_TEST

static int acquire_what_ends(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_semaphore_acquire(&semaphore), ACKD_E_CLOSED);
    return ACKD_OK;
}

START_TEST(who_waits_for_a_semaphore_that_ends_is_told)
{
    static char letter[] = "a";
    world_spawn(acquire_and_note, letter);
    world_spawn(acquire_what_ends, NULL);
    world_settle();
    ackd_semaphore_fini(&semaphore);
    memset(&semaphore, 0x5a, sizeof semaphore);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_uint_eq(world_logged("event=ended-in-use"), 1);
}
END_TEST

static void note_view(const struct scheduler_view *view, void *arg)
{
    const struct scheduler_view **seen = arg;
    static struct scheduler_view copy;
    if (view->await_kind != NULL) {
        copy = *view;
        *seen = &copy;
    }
}

START_TEST(rule_i1_a_dump_shows_what_is_waited_for)
{
    static char letters[] = "ab";
    const struct scheduler_view *seen = NULL;
    world_spawn(acquire_and_note, &letters[0]);
    world_spawn(acquire_and_note, &letters[1]);
    world_settle();
    scheduler_visit(world.scheduler, note_view, &seen);
    ck_assert_ptr_nonnull(seen);
    ck_assert_str_eq(seen->await_kind, "semaphore");
    ck_assert_str_eq(seen->await_what, "stock");
    ck_assert_str_eq(seen->await_function, "acquire_and_note");
    ck_assert_int_eq(ackd_semaphore_release(&semaphore), ACKD_OK);
    world_run_all();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/semaphore");
    TCase *tc = tcase_create("semaphore");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_q4_permits_go_to_those_who_wait_in_their_order);
    tcase_add_test(tc, rule_q4_who_tries_does_not_pass_those_who_wait);
    tcase_add_test(tc, rule_q4_who_tries_takes_what_is_there_and_no_more);
    tcase_add_test(tc, rule_q4_release_beyond_the_maximum_is_refused);
    tcase_add_test(tc, a_semaphore_without_sense_is_refused);
    tcase_add_test(tc, rule_a1_outside_of_tasks_nobody_acquires);
    tcase_add_test(tc, rule_c16_and_c19_who_is_cancelled_gets_no_permit_though_there_is_one);
    tcase_add_test(tc, who_is_cancelled_leaves_the_queue_and_the_rest_keep_their_order);
    tcase_add_test(tc, rule_c18_a_grant_that_races_with_cancellation_loses_no_permit);
    tcase_add_test(tc, rule_c18_nor_does_one_that_comes_from_another_thread);
    tcase_add_test(tc, calls_from_another_loop_are_refused);
    tcase_add_test(tc, who_waits_for_a_semaphore_that_ends_is_told);
    tcase_add_test(tc, rule_i1_a_dump_shows_what_is_waited_for);
    suite_add_tcase(suite, tc);
    return suite;
}

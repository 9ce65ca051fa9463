/* SPDX-License-Identifier: MIT */
#define ACKD_ALLOW_BLOCKING /* threads of its own pause */
#include <config.h>

#include "task/registration.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "task/wait.h"
#include "world.h"

static struct ackd_cancel_source *make_source(void)
{
    struct ackd_cancel_source *source = NULL;
    ck_assert_int_eq(ackd_cancel_source_new(&source), ACKD_OK);
    return source;
}

static void *cancel(void *arg)
{
    ackd_cancel(arg, ACKD_CANCEL_REQUESTED, "another thread");
    return NULL;
}

static void cancel_elsewhere(struct ackd_cancel_source *source)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel, source), 0);
    pthread_join(thread, NULL);
}

static _Thread_local char this_thread;

struct spy {
    struct ackd_cancel_source *source;
    const void *thread;
    const struct ackd_task *task;
    const struct scheduler *loop;
    atomic_uint calls;
};

static void look(void *arg)
{
    struct spy *spy = arg;
    spy->thread = &this_thread;
    spy->task = ackd_task_current();
    spy->loop = scheduler_current();
    ck_assert_int_eq(ackd_delay(1), ACKD_E_NOT_IN_TASK);
    error_clear();
    atomic_fetch_add(&spy->calls, 1);
}

static int register_and_wait(void *arg)
{
    struct spy *spy = arg;
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(spy->source), &registration, look, spy);
    int code = ackd_delay(1000);
    ackd_cancel_unregister(&registration);
    return code;
}

START_TEST(a_call_registered_by_a_task_runs_on_its_loop)
{
    struct spy spy = {.source = make_source()};
    world_spawn(register_and_wait, &spy);
    world_settle();
    cancel_elsewhere(spy.source);
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    ck_assert_uint_eq(atomic_load(&spy.calls), 0);
    scheduler_turn(world.scheduler);
    ck_assert_uint_eq(atomic_load(&spy.calls), 1);
    ck_assert_ptr_eq(spy.thread, &this_thread);
    ck_assert_ptr_eq(spy.loop, world.scheduler);
    ck_assert_ptr_null(spy.task);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

START_TEST(a_call_registered_by_a_plain_thread_runs_where_it_is_cancelled)
{
    struct spy spy = {.source = make_source()};
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(spy.source), &registration, look, &spy);
    cancel_elsewhere(spy.source);
    ck_assert_uint_eq(atomic_load(&spy.calls), 1);
    ck_assert_ptr_ne(spy.thread, &this_thread);
    ck_assert_uint_eq(atomic_load(&world.wakes), 0);
    ackd_cancel_unregister(&registration);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

static int cancel_in_task(void *arg)
{
    struct spy *spy = arg;
    ackd_cancel(spy->source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_uint_eq(atomic_load(&spy->calls), 1);
    ck_assert_ptr_nonnull(ackd_task_current());
    return ackd_delay(1);
}

START_TEST(a_call_never_runs_inside_the_task_that_cancels)
{
    struct spy spy = {.source = make_source()};
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(spy.source), &registration, look, &spy);
    ck_assert_int_eq(world_run(cancel_in_task, &spy), ACKD_OK);
    ck_assert_ptr_null(spy.task);
    ackd_cancel_unregister(&registration);
    ackd_cancel_source_unref(spy.source);

    spy = (struct spy){.source = make_source()};
    world_spawn(register_and_wait, &spy);
    ck_assert_int_eq(world_run(cancel_in_task, &spy), ACKD_OK);
    ck_assert_ptr_null(spy.task);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

static char order[8];

static void note(void *letter)
{
    strncat(order, letter, 1);
}

static int register_three(void *arg)
{
    static char letters[] = "123";
    struct ackd_cancel_registration registrations[3];
    for (int i = 0; i < 3; i++)
        ackd_cancel_register(ackd_cancel_source_token(arg), &registrations[i], note, &letters[i]);
    int code = ackd_delay(1000);
    for (int i = 0; i < 3; i++)
        ackd_cancel_unregister(&registrations[i]);
    return code;
}

START_TEST(rule_c3_on_its_loop_too_the_last_registered_runs_first)
{
    struct ackd_cancel_source *source = make_source();
    world_spawn(register_three, source);
    world_settle();
    cancel_elsewhere(source);
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    ck_assert_str_eq(order, "");
    world_run_all();
    ck_assert_str_eq(order, "321");
    ackd_cancel_source_unref(source);
}
END_TEST

static int take_back_in_time(void *arg)
{
    struct spy *spy = arg;
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(spy->source), &registration, look, spy);
    cancel_elsewhere(spy->source);
    ackd_cancel_unregister(&registration);
    memset(&registration, 0xee, sizeof registration);
    return ackd_delay(1);
}

START_TEST(rule_c6_a_call_that_waits_for_its_loop_is_taken_back)
{
    struct spy spy = {.source = make_source()};
    ck_assert_int_eq(world_run(take_back_in_time, &spy), ACKD_OK);
    ck_assert_uint_eq(atomic_load(&spy.calls), 0);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

static struct ackd_cancel_registration left;

static int leave_registered(void *arg)
{
    struct spy *spy = arg;
    ackd_cancel_register(ackd_cancel_source_token(spy->source), &left, look, spy);
    return ACKD_OK;
}

static void *unregister_left(void *arg)
{
    ackd_cancel_unregister(&left);
    return arg;
}

START_TEST(any_thread_takes_back_what_waits_for_a_loop)
{
    struct spy spy = {.source = make_source()};
    pthread_t thread;
    ck_assert_int_eq(world_run(leave_registered, &spy), ACKD_OK);
    cancel_elsewhere(spy.source);
    ck_assert_int_eq(pthread_create(&thread, NULL, unregister_left, NULL), 0);
    pthread_join(thread, NULL);
    world_settle();
    ck_assert_uint_eq(atomic_load(&spy.calls), 0);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

START_TEST(what_is_left_registered_on_a_loop_that_ended_is_never_called)
{
    struct spy spy = {.source = make_source()};
    ck_assert_int_eq(world_run(leave_registered, &spy), ACKD_OK);
    world_free();
    world_new();
    cancel_elsewhere(spy.source);
    ackd_cancel(spy.source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_uint_eq(atomic_load(&spy.calls), 0);
    ackd_cancel_unregister(&left);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

START_TEST(a_loop_that_ends_makes_the_calls_that_wait_for_it)
{
    struct spy spy = {.source = make_source()};
    ck_assert_int_eq(world_run(leave_registered, &spy), ACKD_OK);
    cancel_elsewhere(spy.source);
    world_free();
    ck_assert_uint_eq(atomic_load(&spy.calls), 1);
    world_new();
    ackd_cancel_unregister(&left);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

START_TEST(a_loop_that_takes_no_more_posts_is_not_called)
{
    struct spy spy = {.source = make_source()};
    ck_assert_int_eq(world_run(leave_registered, &spy), ACKD_OK);
    scheduler_close(world.scheduler);
    cancel_elsewhere(spy.source);
    world_free();
    ck_assert_uint_eq(atomic_load(&spy.calls), 0);
    world_new();
    ackd_cancel_unregister(&left);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

static int wait_for_ever(void *arg)
{
    struct spy *spy = arg;
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(spy->source), &registration, look, spy);
    struct wait wait;
    wait_init(&wait, WAIT_TASK, "what never ends", ACKD_HERE);
    int code = wait_park(&wait);
    ackd_cancel_unregister(&registration);
    return code;
}

START_TEST(rule_l5_what_is_registered_may_still_wake_a_loop)
{
    struct spy spy = {.source = make_source()};
    struct ackd_task *task = world_spawn(wait_for_ever, &spy);
    world_settle();
    ck_assert(!scheduler_is_deadlocked(world.scheduler));
    ackd_cancel(spy.source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_uint_eq(atomic_load(&spy.calls), 1);
    ck_assert(scheduler_is_deadlocked(world.scheduler));
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ackd_cancel_source_unref(spy.source);
}
END_TEST

/* ------------------------------------------------------- waiting for a call on another thread */

static struct {
    atomic_bool entered, may_leave, left, unregistered;
} gate;

static void call_at_gate(void *arg)
{
    (void)arg;
    atomic_store(&gate.entered, true);
    while (!atomic_load(&gate.may_leave))
        sched_yield();
    atomic_store(&gate.left, true);
}

static void *unregister_at_gate(void *arg)
{
    ackd_cancel_unregister(arg);
    ck_assert(atomic_load(&gate.left));
    atomic_store(&gate.unregistered, true);
    return NULL;
}

START_TEST(rule_c6_unregister_waits_for_a_call_that_runs)
{
    struct ackd_cancel_source *source = make_source();
    struct ackd_cancel_registration registration;
    pthread_t threads[2];
    ackd_cancel_register(ackd_cancel_source_token(source), &registration, call_at_gate, NULL);
    ck_assert_int_eq(pthread_create(&threads[0], NULL, cancel, source), 0);
    while (!atomic_load(&gate.entered))
        sched_yield();
    ck_assert_int_eq(pthread_create(&threads[1], NULL, unregister_at_gate, &registration), 0);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_assert(!atomic_load(&gate.unregistered));
    /* A second cancellation does not wait. */
    ackd_cancel(source, ACKD_CANCEL_SHUTDOWN, NULL);
    atomic_store(&gate.may_leave, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert(atomic_load(&gate.unregistered));
    ackd_cancel_source_unref(source);
}
END_TEST

/* ------------------------------------------------------------------------------- the hammer (C6) */

enum { HAMMER_MORE = 20, HAMMER_DEAD = 0, HAMMER_LIVE = 0x11fe };

struct hammer {
    _Atomic(struct ackd_cancel_source *) source; /* to be cancelled now; NULL: none */
    atomic_bool over;
    bool polls;         /* lets the loop make its calls */
    unsigned long left; /* registrations to be made */
    atomic_ulong called, late;
};

struct hammered {
    struct ackd_cancel_registration registration;
    struct hammer *hammer;
    volatile unsigned state;
    bool called;
};

static void hammer_call(void *arg)
{
    struct hammered *hammered = arg;
    if (hammered->state != HAMMER_LIVE)
        hammered->hammer->late++;
    sched_yield(); /* whoever unregisters meanwhile has to wait */
    if (hammered->state != HAMMER_LIVE || hammered->called)
        hammered->hammer->late++;
    hammered->called = true;
    hammered->hammer->called++;
}

static void *hammer_cancel(void *arg)
{
    struct hammer *hammer = arg;
    while (!atomic_load(&hammer->over)) {
        struct ackd_cancel_source *source = atomic_exchange(&hammer->source, NULL);
        if (source == NULL) {
            sched_yield();
            continue;
        }
        ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
        ackd_cancel_source_unref(source);
    }
    return NULL;
}

static void hammer_once(struct hammer *hammer, struct ackd_token token)
{
    struct hammered hammered = {.hammer = hammer, .state = HAMMER_LIVE};
    ackd_cancel_register(token, &hammered.registration, hammer_call, &hammered);
    if (hammer->polls && hammer->left % 4 == 0)
        test_that(!ackd_cancellation_requested());
    ackd_cancel_unregister(&hammered.registration);
    hammered.state = HAMMER_DEAD;
}

/* One source: register and unregister until it is cancelled, and a few times after that. */
static void hammer_source(struct hammer *hammer)
{
    struct ackd_cancel_source *source = make_source();
    struct ackd_token token = ackd_cancel_source_token(source);
    struct hammered kept = {.hammer = hammer, .state = HAMMER_LIVE};
    ackd_cancel_register(token, &kept.registration, hammer_call, &kept);
    atomic_store(&hammer->source, ackd_cancel_source_ref(source));
    for (int more = HAMMER_MORE; more > 0;) {
        if (ackd_token_canceled(token))
            more--;
        hammer_once(hammer, token);
        if (hammer->left > 0)
            hammer->left--;
        else
            sched_yield(); /* until the other thread has had its chance */
    }
    ackd_cancel_unregister(&kept.registration);
    kept.state = HAMMER_DEAD;
    while (atomic_load(&hammer->source) != NULL)
        sched_yield();
    ackd_cancel_source_unref(source);
}

static int hammer_all(void *arg)
{
    struct hammer *hammer = arg;
    while (hammer->left > 0)
        hammer_source(hammer);
    return ACKD_OK;
}

static void run_hammer(struct hammer *hammer, bool in_task)
{
    pthread_t thread;
    hammer->left = test_scale(1000000);
    ck_assert_int_eq(pthread_create(&thread, NULL, hammer_cancel, hammer), 0);
    if (in_task)
        ck_assert_int_eq(world_run(hammer_all, hammer), ACKD_OK);
    else
        ck_assert_int_eq(hammer_all(hammer), ACKD_OK);
    atomic_store(&hammer->over, true);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(&hammer->late), 0);
    ck_assert_uint_gt(atomic_load(&hammer->called), 0);
}

START_TEST(rule_c6_a_million_times_nothing_runs_after_unregister)
{
    struct hammer hammer = {.left = 0};
    run_hammer(&hammer, false);
}
END_TEST

START_TEST(rule_c6_a_million_times_nothing_runs_after_unregister_on_a_loop)
{
    struct hammer hammer = {.polls = _i == 1};
    world.real_clock = true;
    run_hammer(&hammer, true);
}
END_TEST

/* ------------------------------------------------------------- many threads, each call once */

enum { CROWD = 3, CROWD_EACH = 40 };

struct crowd {
    struct ackd_cancel_source *source;
    atomic_int ready, done;
    atomic_uint calls[CROWD][CROWD_EACH];
};

static void count_call(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void *crowd_register(void *arg)
{
    struct crowd *crowd = arg;
    struct ackd_cancel_registration registrations[CROWD_EACH];
    int me = atomic_fetch_add(&crowd->ready, 1);
    while (atomic_load(&crowd->ready) < CROWD)
        sched_yield();
    for (int i = 0; i < CROWD_EACH; i++) {
        ackd_cancel_register(ackd_cancel_source_token(crowd->source), &registrations[i], count_call,
                             &crowd->calls[me][i]);
        if (i == CROWD_EACH / 2)
            ackd_cancel(crowd->source, ACKD_CANCEL_REQUESTED, NULL);
    }
    /* Then the one that cancels has made all its calls. */
    atomic_fetch_add(&crowd->done, 1);
    while (atomic_load(&crowd->done) < CROWD)
        sched_yield();
    for (int i = 0; i < CROWD_EACH; i++)
        ackd_cancel_unregister(&registrations[i]);
    return NULL;
}

START_TEST(rule_c3_whoever_registers_and_cancels_at_once_each_call_is_made_once)
{
    for (unsigned long round = 0; round < test_scale(500); round++) {
        struct crowd crowd = {.source = make_source()};
        pthread_t threads[CROWD];
        for (int i = 0; i < CROWD; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, crowd_register, &crowd), 0);
        for (int i = 0; i < CROWD; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < CROWD; i++)
            for (int j = 0; j < CROWD_EACH; j++)
                test_that(atomic_load(&crowd.calls[i][j]) == 1);
        ackd_cancel_source_unref(crowd.source);
    }
}
END_TEST

/* --------------------------------------------- children let go of while a parent is cancelled */

static void *link_and_let_go(void *arg)
{
    struct ackd_token parents[2] = {{arg}, {arg}};
    for (int i = 0; i < 200; i++) {
        struct ackd_cancel_source *child;
        ck_assert_int_eq(ackd_cancel_source_link(parents, 2, &child), ACKD_OK);
        ackd_cancel_source_unref(child);
    }
    return NULL;
}

START_TEST(links_are_let_go_of_while_their_parent_is_cancelled)
{
    for (unsigned long round = 0; round < test_scale(500); round++) {
        struct ackd_cancel_source *parent = make_source();
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, link_and_let_go, parent), 0);
        for (unsigned long i = 0; i < round % 50; i++)
            sched_yield();
        ackd_cancel(parent, ACKD_CANCEL_REQUESTED, NULL);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        ackd_cancel_source_unref(parent);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/registration");
    TCase *tc = tcase_create("registration");
    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, a_call_registered_by_a_task_runs_on_its_loop);
    tcase_add_test(tc, a_call_registered_by_a_plain_thread_runs_where_it_is_cancelled);
    tcase_add_test(tc, a_call_never_runs_inside_the_task_that_cancels);
    tcase_add_test(tc, rule_c3_on_its_loop_too_the_last_registered_runs_first);
    tcase_add_test(tc, rule_c6_a_call_that_waits_for_its_loop_is_taken_back);
    tcase_add_test(tc, any_thread_takes_back_what_waits_for_a_loop);
    tcase_add_test(tc, what_is_left_registered_on_a_loop_that_ended_is_never_called);
    tcase_add_test(tc, a_loop_that_ends_makes_the_calls_that_wait_for_it);
    tcase_add_test(tc, a_loop_that_takes_no_more_posts_is_not_called);
    tcase_add_test(tc, rule_l5_what_is_registered_may_still_wake_a_loop);
    tcase_add_test(tc, rule_c6_unregister_waits_for_a_call_that_runs);
    tcase_add_test(tc, rule_c6_a_million_times_nothing_runs_after_unregister);
    tcase_add_loop_test(tc, rule_c6_a_million_times_nothing_runs_after_unregister_on_a_loop, 0, 2);
    tcase_add_test(tc, rule_c3_whoever_registers_and_cancels_at_once_each_call_is_made_once);
    tcase_add_test(tc, links_are_let_go_of_while_their_parent_is_cancelled);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "world.h"

static struct ackd_promise *promise;
static unsigned awaited;
static struct world kept; /* while another is in its place */

static void reset(void)
{
    promise = NULL;
    awaited = 0;
    world_new();
}

/* Another thread: nothing needs a turn of its own, so that it only has to be waited for. */
static void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
    pthread_join(thread, NULL);
}

static int make(void *arg)
{
    (void)arg;
    return ackd_promise_new("price", &promise);
}

static char value[] = "42";

static int await_value(void *arg)
{
    void *got = NULL;
    int code = ackd_promise_await(promise, &got);
    awaited++;
    if (arg != NULL)
        *(const struct ackd_error **)arg = ackd_error_ref(ackd_error_current());
    test_that(code != ACKD_OK || got == value);
    return code;
}

static void *resolve(void *arg)
{
    (void)arg;
    test_that(ackd_promise_resolve(promise, value));
    return NULL;
}

START_TEST(rule_t6_resolving_runs_nobody_inside)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    world_spawn(await_value, NULL);
    world_spawn(await_value, NULL);
    world_settle();
    resolve(NULL);
    ck_assert_uint_eq(awaited, 0);
    ck_assert(ackd_promise_is_resolved(promise));
    world_run_all();
    ck_assert_uint_eq(awaited, 2);
    ck_assert_int_eq(world_run(await_value, NULL), ACKD_OK);
    ackd_promise_unref(promise);
}
END_TEST

static int await_on_its_thread(void *arg)
{
    long before = syscall(SYS_gettid); /* of pthread_self() compilers know that it never changes */
    ACKD_TRY(await_value(arg));
    ck_assert_int_eq(syscall(SYS_gettid), before);
    return ACKD_OK;
}

START_TEST(rule_q5_resolved_elsewhere_the_awaiter_resumes_on_its_loop)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    world_spawn(await_on_its_thread, NULL);
    world_settle();
    in_thread(resolve, NULL);
    ck_assert_uint_eq(awaited, 0);
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    world_run_all();
    ck_assert_uint_eq(awaited, 1);
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ackd_promise_unref(promise);
}
END_TEST

START_TEST(rule_t3_what_was_decided_stays)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    resolve(NULL);
    (void)ackd_fail(ACKD_E_OS, "kept by the caller");
    ck_assert(!ackd_promise_resolve(promise, NULL));
    ck_assert(!ackd_promise_fail(promise, ACKD_E_OS));
    ck_assert(!ackd_promise_cancel(promise));
    ck_assert_int_eq(ackd_error_code(ackd_error_current()), ACKD_E_OS);
    error_clear();
    ck_assert_int_eq(world_run(await_value, NULL), ACKD_OK);
    ackd_promise_unref(promise);
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    ck_assert(ackd_promise_cancel(promise));
    ck_assert(!ackd_promise_resolve(promise, value));
    world_spawn(await_value, NULL);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_E_BAD_RETURN);
    ackd_promise_unref(promise);
}
END_TEST

static void *fail_it(void *arg)
{
    (void)arg;
    (void)ackd_fail(ACKD_E_REFUSED, "the shop said no");
    test_that(ackd_promise_fail(promise, ACKD_E_REFUSED));
    test_that(ackd_error_current() == NULL);
    return NULL;
}

START_TEST(rule_q5_a_failure_from_another_thread_brings_its_error)
{
    const struct ackd_error *seen[3] = {NULL, NULL, NULL};
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    world_spawn(await_value, &seen[0]);
    world_spawn(await_value, &seen[1]);
    world_settle();
    in_thread(fail_it, NULL);
    world_run_all();
    ck_assert_int_eq(world_run(await_value, &seen[2]), ACKD_E_REFUSED);
    ck_assert_str_eq(ackd_error_text(seen[0]), "the shop said no");
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(seen[i], seen[0]);
        ackd_error_unref(seen[i]);
    }
    ackd_promise_unref(promise);
    ck_assert_uint_eq(world_logged("a promise that failed"), 0);
}
END_TEST

static const struct ackd_error *shared;
static atomic_bool read_it;

static void *fail_and_read(void *arg)
{
    (void)ackd_fail(ACKD_E_REFUSED, "the shop said no");
    shared = ackd_error_ref(ackd_error_current());
    test_that(ackd_promise_fail(promise, ACKD_E_REFUSED));
    ackd_promise_unref(promise);
    char text[256];
    ackd_error_format(shared, text, sizeof text);
    ackd_error_unref(shared);
    atomic_store_explicit(&read_it, true, memory_order_relaxed);
    return arg;
}

static int pass_on(void)
{
    struct ackd_promise *own = promise;
    ACKD_TRY(ackd_promise_take(&own, NULL));
    return ACKD_OK;
}

static int take_and_pass_on(void *arg)
{
    (void)arg;
    int code = pass_on();
    while (!atomic_load_explicit(&read_it, memory_order_relaxed))
        ;
    /* The promise keeps the error until its post was served: a turn later. */
    for (int i = 0; i < 300; i++)
        error_ignore(ackd_yield());
    return ackd_trace_at(code, ACKD_HERE);
}

START_TEST(the_trace_of_an_error_grows_only_when_no_other_thread_has_it)
{
    for (unsigned long i = 0; i < test_scale(500); i++) {
        pthread_t thread;
        atomic_store(&read_it, false);
        test_that(world_run(make, NULL) == ACKD_OK);
        (void)ackd_promise_ref(promise);
        world_spawn(take_and_pass_on, NULL);
        test_that(pthread_create(&thread, NULL, fail_and_read, NULL) == 0);
        while (world_counts().live > 0)
            scheduler_turn(world.scheduler);
        pthread_join(thread, NULL);
        test_that(world.end.code == ACKD_E_REFUSED);
        test_that(ackd_error_trace_count(world.end.error) >= 1);
    }
}
END_TEST

START_TEST(failing_with_what_is_no_failure_or_has_no_error_says_so)
{
    const struct ackd_error *seen = NULL;
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    ck_assert(ackd_promise_fail(promise, ACKD_E_TLS));
    ck_assert_int_eq(world_run(await_value, &seen), ACKD_E_TLS);
    ackd_error_unref(seen);
    ackd_promise_unref(promise);
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    ck_assert(ackd_promise_fail(promise, 7));
    ck_assert_int_eq(world_run(await_value, &seen), ACKD_E_INVAL);
    ackd_error_unref(seen);
    ackd_promise_unref(promise);
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    ck_assert(ackd_promise_fail(promise, ACKD_CANCELED));
    ck_assert_int_eq(world_run(await_value, NULL), ACKD_E_BAD_RETURN);
    ackd_promise_unref(promise);
}
END_TEST

START_TEST(a_failure_that_nobody_awaits_is_reported)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    fail_it(NULL);
    ackd_promise_unref(promise);
    ck_assert_uint_eq(world_logged("event=unobserved-failure"), 1);
    ck_assert_uint_eq(world_logged("the shop said no"), 1);
    ck_assert_uint_eq(world_logged("promise=price"), 1);
    ck_assert_uint_eq(world_counts().unobserved, 1);
}
END_TEST

static void *let_go(void *arg)
{
    (void)arg;
    ackd_promise_unref(promise);
    return NULL;
}

static int await_abandoned(void *arg)
{
    (void)arg;
    void *got = NULL;
    int code = ackd_promise_await(promise, &got);
    ck_assert_int_eq(code, ACKD_E_ABANDONED);
    ck_assert_str_eq(ackd_error_function(ackd_error_current()), "make");
    ck_assert(strstr(ackd_error_text(ackd_error_current()), "'price'") != NULL);
    return ACKD_OK;
}

START_TEST(rule_q6_let_go_unresolved_while_awaited_it_is_abandoned)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    world_spawn(await_abandoned, NULL);
    world_settle();
    let_go(NULL);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    world_spawn(await_abandoned, NULL);
    world_settle();
    in_thread(let_go, NULL);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
}
END_TEST

static pthread_t taken_by;

static int take_from(void *arg)
{
    void *(*fn)(void *) = *(void *(**)(void *))arg;
    void *got = NULL;
    struct ackd_promise *own;
    ACKD_TRY(make(NULL));
    own = ackd_promise_ref(promise);
    ck_assert_int_eq(pthread_create(&taken_by, NULL, fn, NULL), 0);
    int code = ackd_promise_take(&own, &got);
    ck_assert_ptr_null(own);
    ck_assert_ptr_eq(got, code == ACKD_OK ? value : NULL);
    return code;
}

static void *resolve_and_let_go(void *arg)
{
    resolve(arg);
    return let_go(arg);
}

START_TEST(rule_q6_who_takes_it_is_told_whichever_way_the_other_party_goes)
{
    void *(*abandons)(void *) = let_go, *(*resolves)(void *) = resolve_and_let_go;
    world.real_clock = true;
    for (unsigned long i = 0; i < test_scale(500); i++) {
        world_spawn(take_from, i % 2 == 0 ? &abandons : &resolves);
        while (world_counts().live > 0)
            scheduler_turn(world.scheduler);
        pthread_join(taken_by, NULL);
        test_that(world.end.code == (i % 2 == 0 ? ACKD_E_ABANDONED : ACKD_OK));
    }
}
END_TEST

static int take_and_be_cancelled(void *arg)
{
    struct ackd_promise *own;
    ACKD_TRY(make(NULL));
    own = ackd_promise_ref(promise);
    if (arg != NULL)
        ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    int code = ackd_promise_take(&own, NULL);
    ck_assert_ptr_null(own);
    return code;
}

START_TEST(who_takes_and_is_cancelled_tells_the_other_party)
{
    for (int early = 0; early < 2; early++) {
        struct ackd_task *task = world_spawn(take_and_be_cancelled, early == 0 ? NULL : value);
        world_settle();
        ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        world_run_all();
        ck_assert_int_eq(world.end.code, ACKD_CANCELED);
        ck_assert(!ackd_promise_resolve(promise, value));
        ackd_promise_unref(promise);
    }
}
END_TEST

START_TEST(an_await_that_is_cancelled_leaves_the_promise_as_it_is)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    struct ackd_task *task = world_spawn(await_value, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert(!ackd_promise_is_resolved(promise));
    resolve(NULL);
    ck_assert_int_eq(world_run(await_value, NULL), ACKD_OK);
    task = world_spawn(await_value, NULL);
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ackd_promise_unref(promise);
}
END_TEST

START_TEST(rule_a7_a_result_that_comes_with_a_cancellation_counts)
{
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    struct ackd_task *task = world_spawn(await_value, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    resolve(NULL);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ackd_promise_unref(promise);
}
END_TEST

enum { RACERS = 3 };

struct race {
    pthread_barrier_t start;
    atomic_int won;
    atomic_int winner;
};

struct racer {
    struct race *race;
    int number;
};

static void *race_to_decide(void *arg)
{
    struct racer *racer = arg;
    pthread_barrier_wait(&racer->race->start);
    bool first = false;
    if (racer->number == 0) {
        first = ackd_promise_resolve(promise, value);
    } else if (racer->number == 1) {
        (void)ackd_fail(ACKD_E_REFUSED, "raced");
        first = ackd_promise_fail(promise, ACKD_E_REFUSED);
        error_clear();
    } else {
        first = ackd_promise_cancel(promise);
    }
    ackd_promise_unref(promise);
    if (first) {
        atomic_fetch_add(&racer->race->won, 1);
        atomic_store(&racer->race->winner, racer->number);
    }
    return NULL;
}

static int await_the_race(void *arg)
{
    void *got = NULL;
    *(int *)arg = ackd_promise_await(promise, &got);
    error_clear();
    return ACKD_OK;
}

START_TEST(rule_q5_of_those_who_decide_at_once_one_wins)
{
    static const int codes[RACERS] = {ACKD_OK, ACKD_E_REFUSED, ACKD_CANCELED};
    for (unsigned long round = 0; round < test_scale(1000); round++) {
        struct race race = {.won = 0};
        struct racer racers[RACERS];
        pthread_t threads[RACERS];
        int seen = 99;
        test_that(world_run(make, NULL) == ACKD_OK);
        pthread_barrier_init(&race.start, NULL, RACERS);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){&race, i};
            (void)ackd_promise_ref(promise);
            test_that(pthread_create(&threads[i], NULL, race_to_decide, &racers[i]) == 0);
        }
        world_spawn(await_the_race, &seen);
        while (world_counts().live > 0)
            scheduler_turn(world.scheduler);
        for (int i = 0; i < RACERS; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&race.start);
        test_that(atomic_load(&race.won) == 1);
        test_that(seen == codes[atomic_load(&race.winner)]);
        ackd_promise_unref(promise);
        scheduler_turn(world.scheduler);
    }
}
END_TEST

static void *outlive(void *arg)
{
    atomic_int *stage = arg;
    atomic_store(stage, 1);
    while (atomic_load(stage) == 1)
        ;
    bool first = ackd_promise_resolve(promise, value);
    ackd_promise_unref(promise);
    return (void *)(uintptr_t)first;
}

/* A loop of its own, which ends before, or while, another thread resolves. */
static void end_a_loop(bool before)
{
    kept = world;
    atomic_int stage = 0;
    pthread_t thread;
    void *first;
    world_new();
    test_that(world_run(make, NULL) == ACKD_OK);
    test_that(pthread_create(&thread, NULL, outlive, &stage) == 0);
    while (atomic_load(&stage) == 0)
        ;
    if (!before)
        atomic_store(&stage, 2);
    world_free();
    atomic_store(&stage, 2);
    pthread_join(thread, &first);
    test_that(first != NULL);
    world = kept;
}

START_TEST(a_promise_may_outlive_its_loop)
{
    for (unsigned long i = 0; i < test_scale(1000); i++)
        end_a_loop(i % 2 == 0);
}
END_TEST

START_TEST(one_that_is_let_go_after_its_loop_touches_nothing)
{
    kept = world;
    world_new();
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    (void)ackd_promise_ref(promise);
    world_free();
    world = kept;
    ackd_promise_unref(promise);
    in_thread(let_go, NULL);
}
END_TEST

static int await_elsewhere(void *arg)
{
    (void)arg;
    struct ackd_op op;
    struct ackd_promise *own = promise;
    ck_assert_int_eq(ackd_promise_await(promise, NULL), ACKD_E_WRONG_LOOP);
    ck_assert(strstr(ackd_error_text(ackd_error_current()), "'price'") != NULL);
    ck_assert_int_eq(ackd_promise_take(&own, NULL), ACKD_E_WRONG_LOOP);
    ck_assert_ptr_eq(own, promise);
    ck_assert_int_eq(ackd_op_promise(&op, promise, NULL), ACKD_E_WRONG_LOOP);
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_CONSUMED);
    ck_assert_int_eq(ackd_promise_await(NULL, NULL), ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(rule_a1_and_a4_it_is_awaited_by_tasks_of_its_loop_only)
{
    struct ackd_promise *none;
    ck_assert_int_eq(ackd_promise_new("x", &none), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(world_run(make, NULL), ACKD_OK);
    ck_assert_int_eq(ackd_promise_await(promise, NULL), ACKD_E_NOT_IN_TASK);
    kept = world;
    world_new();
    ck_assert_int_eq(world_run(await_elsewhere, NULL), ACKD_OK);
    world_free();
    world = kept;
    ackd_promise_unref(promise);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/promise");
    TCase *tc = tcase_create("promise");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_t6_resolving_runs_nobody_inside);
    tcase_add_test(tc, rule_q5_resolved_elsewhere_the_awaiter_resumes_on_its_loop);
    tcase_add_test(tc, rule_t3_what_was_decided_stays);
    tcase_add_test(tc, rule_q5_a_failure_from_another_thread_brings_its_error);
    tcase_add_test(tc, the_trace_of_an_error_grows_only_when_no_other_thread_has_it);
    tcase_add_test(tc, failing_with_what_is_no_failure_or_has_no_error_says_so);
    tcase_add_test(tc, a_failure_that_nobody_awaits_is_reported);
    tcase_add_test(tc, rule_q6_let_go_unresolved_while_awaited_it_is_abandoned);
    tcase_add_test(tc, rule_q6_who_takes_it_is_told_whichever_way_the_other_party_goes);
    tcase_add_test(tc, who_takes_and_is_cancelled_tells_the_other_party);
    tcase_add_test(tc, an_await_that_is_cancelled_leaves_the_promise_as_it_is);
    tcase_add_test(tc, rule_a7_a_result_that_comes_with_a_cancellation_counts);
    tcase_add_test(tc, rule_q5_of_those_who_decide_at_once_one_wins);
    tcase_add_test(tc, a_promise_may_outlive_its_loop);
    tcase_add_test(tc, one_that_is_let_go_after_its_loop_touches_nothing);
    tcase_add_test(tc, rule_a1_and_a4_it_is_awaited_by_tasks_of_its_loop_only);
    suite_add_tcase(suite, tc);
    return suite;
}

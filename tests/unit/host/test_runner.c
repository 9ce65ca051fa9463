/* SPDX-License-Identifier: MIT */
/* The table of verdicts: what a handler returns, and what the message comes to. */
#include <config.h>

#include "host/runner.h"

#include <ackd/ackd.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/job.h"
#include "io/loop.h"
#include "io/system.h"
#include "main.h"
#include "task/sanitizer.h"

struct world {
    struct loop *loop;
    struct runner *runner;
    struct delivery_pool *pool;
    struct station station;
    struct order order;
    struct order quit;
    struct job *back;
    size_t children_ended;
};

static struct world world;

static uint64_t turn(void *arg)
{
    (void)arg;
    struct crossing *crossing;
    while ((crossing = runner_receive(world.runner)) != NULL) {
        if (crossing->kind == CROSSING_JOB) {
            world.back = LIST_ITEM(crossing, job, crossing);
            loop_stop(world.loop);
        }
    }
    return TIMER_NEVER;
}

static int handle_by_body(const struct ackd_message *message, void *state);

static const struct ackd_consumer handler = {.size = sizeof handler, .handle = handle_by_body};

static void set_up(void)
{
    memset(&world, 0, sizeof world);
    system_prepare();
    ck_assert_int_eq(loop_new("test", &world.loop), 0);
    struct runner_options options = {.name = "loop 0", .owner = world.loop, .capacity = 16};
    ck_assert_int_eq(runner_new(&options, &world.runner), 0);
    ck_assert_int_eq(delivery_pool_new(sizeof(struct job), 4, &world.pool), 0);
    loop_set_turn(world.loop, turn, NULL);
    world.station = (struct station){.handler = &handler, .consumer = "test"};
    runner_place(world.runner, &world.station);
    ck_assert_int_eq(runner_start(world.runner), 0);
}

static void tear_down(void)
{
    job_free(&world.back);
    world.quit = (struct order){.crossing = {CROSSING_QUIT}};
    runner_send(world.runner, &world.quit.crossing);
    runner_flush(world.runner);
    runner_join(world.runner);
    runner_free(&world.runner);
    delivery_pool_free(&world.pool);
    loop_free(&world.loop);
}

/* Send a message with @body, and an order to cancel behind it if @reason is not NONE; wait for its
 * verdict. */
static struct job *run(const char *body, enum ackd_cancel_reason reason)
{
    struct delivery *delivery = delivery_new(world.pool);
    ck_assert_ptr_nonnull(delivery);
    delivery->exchange = delivery->routing_key = "";
    delivery->body = ackd_bytes(body);
    struct job *job = job_init(delivery, NULL, "test", "queue");
    job->station = &world.station;
    runner_send(world.runner, &job->crossing);
    if (reason != ACKD_CANCEL_NONE) {
        world.order = (struct order){.crossing = {CROSSING_CANCEL}, .reason = reason};
        runner_send(world.runner, &world.order.crossing);
    }
    runner_flush(world.runner);
    loop_run(world.loop);
    ck_assert_ptr_eq(world.back, job);
    return job;
}

static int child(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(20));
    world.children_ended++;
    return ACKD_OK;
}

static int handle_by_body(const struct ackd_message *message, void *state)
{
    const char *body = ackd_message_body(message).data;
    (void)state;
    if (strcmp(body, "ok") == 0)
        return ACKD_OK;
    if (strcmp(body, "yield") == 0)
        return ackd_yield();
    if (strcmp(body, "fail") == 0)
        return ackd_fail(ACKD_E_USER - 7, "no stock");
    if (strcmp(body, "silent") == 0)
        return ACKD_E_USER - 8;
    if (strcmp(body, "positive") == 0)
        return 42;
    if (strcmp(body, "dead") == 0)
        return ackd_dead("never valid");
    if (strcmp(body, "wrapped") == 0) {
        (void)ackd_dead("never valid");
        return ackd_wrap(ACKD_E_USER, "while reading");
    }
    if (strcmp(body, "drop") == 0)
        return ackd_drop("old news");
    if (strcmp(body, "later") == 0)
        return ackd_retry_after(1234, "busy");
    if (strcmp(body, "claims") == 0)
        return ACKD_CANCELED;
    if (strcmp(body, "children") == 0) {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, child, NULL));
        ACKD_TRY(ackd_spawn(&scope, child, NULL));
        return ackd_scope_join(&scope);
    }
    int code = ackd_delay(3600000);
    if (strcmp(body, "finish") == 0)
        return ACKD_OK;
    if (strcmp(body, "give up") == 0)
        return ackd_fail(ACKD_E_USER, "half done");
    return code;
}

START_TEST(test_success_is_done)
{
    struct job *job = run("ok", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_DONE);
    ck_assert_ptr_null(job->error);
}
END_TEST

START_TEST(test_failure_is_retry_with_its_error)
{
    struct job *job = run("fail", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_int_eq(ackd_error_code(job->error), ACKD_E_USER - 7);
    ck_assert_str_eq(ackd_error_text(job->error), "no stock");
}
END_TEST

START_TEST(test_failure_without_an_error_gets_one)
{
    struct job *job = run("silent", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_int_eq(ackd_error_code(job->error), ACKD_E_USER - 8);
}
END_TEST

START_TEST(test_positive_return_is_a_bad_return)
{
    struct job *job = run("positive", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_int_eq(ackd_error_code(job->error), ACKD_E_BAD_RETURN);
}
END_TEST

START_TEST(test_dead_is_dead_also_when_wrapped)
{
    ck_assert_int_eq(run("dead", ACKD_CANCEL_NONE)->verdict, ACKD_VERDICT_DEAD);
    job_free(&world.back);
    ck_assert_int_eq(run("wrapped", ACKD_CANCEL_NONE)->verdict, ACKD_VERDICT_DEAD);
}
END_TEST

START_TEST(test_drop_is_drop)
{
    ck_assert_int_eq(run("drop", ACKD_CANCEL_NONE)->verdict, ACKD_VERDICT_DROP);
}
END_TEST

START_TEST(test_retry_after_carries_its_delay)
{
    struct job *job = run("later", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_uint_eq(job->delay_ms, 1234);
}
END_TEST

START_TEST(test_claimed_cancellation_is_a_failure)
{
    struct job *job = run("claims", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_ptr_nonnull(job->error);
}
END_TEST

START_TEST(test_children_end_before_the_verdict)
{
    ck_assert_int_eq(run("children", ACKD_CANCEL_NONE)->verdict, ACKD_VERDICT_DONE);
    ck_assert_uint_eq(world.children_ended, 2);
}
END_TEST

START_TEST(test_cancelled_by_shutdown_is_released_without_error)
{
    struct job *job = run("wait", ACKD_CANCEL_SHUTDOWN);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RELEASE);
    ck_assert_ptr_null(job->error);
}
END_TEST

START_TEST(test_success_after_a_cancel_request_is_done)
{
    ck_assert_int_eq(run("finish", ACKD_CANCEL_SHUTDOWN)->verdict, ACKD_VERDICT_DONE);
}
END_TEST

START_TEST(test_failure_after_a_shutdown_cancel_is_released_and_noted)
{
    struct job *job = run("give up", ACKD_CANCEL_SHUTDOWN);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RELEASE);
    ck_assert(job->failed_during_shutdown);
}
END_TEST

START_TEST(test_channel_closed_makes_an_orphan)
{
    ck_assert_int_eq(run("wait", ACKD_CANCEL_CHANNEL_CLOSED)->verdict, ACKD_VERDICT_ORPHAN);
}
END_TEST

START_TEST(test_timeout_is_a_failure_that_names_what_was_awaited)
{
    world.station.timeout_ms = 20;
    struct job *job = run("wait", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_int_eq(ackd_error_code(job->error), ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(job->error), "timer"));
}
END_TEST

START_TEST(test_after_its_timeout_a_message_is_tried_again_whatever_is_returned)
{
    world.station.timeout_ms = 20;
    struct job *job = run("give up", ACKD_CANCEL_NONE);
    ck_assert_int_eq(job->verdict, ACKD_VERDICT_RETRY);
    ck_assert_int_eq(ackd_error_code(job->error), ACKD_E_TIMEOUT);
    job_free(&world.back);
    ck_assert_int_eq(run("finish", ACKD_CANCEL_NONE)->verdict, ACKD_VERDICT_DONE);
}
END_TEST

/* What a loop is woken by, and what it must not meet on the way of a message. */
static atomic_ulong wakes, locks;

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (size == sizeof(uint64_t))
        atomic_fetch_add(&wakes, 1);
    return syscall(SYS_write, fd, bytes, size);
}

#if !SANITIZER_THREAD && !SANITIZER_ADDRESS
int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    atomic_fetch_add(&locks, 1);
    return real(mutex);
}
#endif

enum { FLIGHT = 64 };

static size_t flown; /* messages that came back */
static struct job *flight[FLIGHT];

static uint64_t flight_turn(void *arg)
{
    struct crossing *crossing;
    while ((crossing = runner_receive(arg)) != NULL) {
        struct job *job = LIST_ITEM(crossing, job, crossing);
        test_that(job->verdict == ACKD_VERDICT_DONE);
        flown++;
    }
    if (flown == FLIGHT)
        loop_stop(world.loop);
    return TIMER_NEVER;
}

/* There and back, all of them together. */
static void fly(struct runner *runner)
{
    flown = 0;
    for (size_t i = 0; i < FLIGHT; i++)
        runner_send(runner, &flight[i]->crossing);
    runner_flush(runner);
    loop_run(world.loop);
}

START_TEST(rule_l1_messages_meet_no_mutex_and_wake_rarely)
{
    struct delivery_pool *pool;
    struct station station = {.handler = &handler, .consumer = "flight"};
    struct order quit = {.crossing = {CROSSING_QUIT}};
    struct runner *runner;
    struct runner_options options = {.name = "loop 1", .owner = world.loop, .capacity = FLIGHT + 8};
    ck_assert_int_eq(runner_new(&options, &runner), 0);
    ck_assert_int_eq(delivery_pool_new(sizeof(struct job), FLIGHT, &pool), 0);
    runner_place(runner, &station);
    ck_assert_int_eq(runner_start(runner), 0);
    loop_set_turn(world.loop, flight_turn, runner);
    for (size_t i = 0; i < FLIGHT; i++) {
        struct delivery *delivery = delivery_new(pool);
        delivery->exchange = delivery->routing_key = "";
        delivery->body = ackd_bytes(i % 2 == 0 ? "ok" : "yield");
        flight[i] = job_init(delivery, NULL, "flight", "queue");
        flight[i]->station = &station;
    }
    fly(runner); /* what is made once is made */
    unsigned long rounds = test_scale(500), woken = atomic_load(&wakes);
    unsigned long locked = atomic_load(&locks);
    for (unsigned long i = 0; i < rounds; i++)
        fly(runner);
    locked = atomic_load(&locks) - locked;
    ck_assert_uint_eq(locked, 0);
#if !SANITIZER_THREAD && !SANITIZER_ADDRESS
    pthread_mutex_t seen = PTHREAD_MUTEX_INITIALIZER;
    locked = atomic_load(&locks);
    pthread_mutex_lock(&seen);
    pthread_mutex_unlock(&seen);
    locked = atomic_load(&locks) - locked;
    ck_assert_uint_eq(locked, 1); /* one would have been seen */
#endif
    ck_assert_uint_lt((atomic_load(&wakes) - woken) * 4, rounds * FLIGHT);
    runner_send(runner, &quit.crossing);
    runner_flush(runner);
    runner_join(runner);
    for (size_t i = 0; i < FLIGHT; i++)
        job_free(&flight[i]);
    runner_free(&runner);
    delivery_pool_free(&pool);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/runner");
    TCase *tc = tcase_create("verdicts");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, rule_l1_messages_meet_no_mutex_and_wake_rarely);
    tcase_add_test(tc, test_success_is_done);
    tcase_add_test(tc, test_failure_is_retry_with_its_error);
    tcase_add_test(tc, test_failure_without_an_error_gets_one);
    tcase_add_test(tc, test_positive_return_is_a_bad_return);
    tcase_add_test(tc, test_dead_is_dead_also_when_wrapped);
    tcase_add_test(tc, test_drop_is_drop);
    tcase_add_test(tc, test_retry_after_carries_its_delay);
    tcase_add_test(tc, test_claimed_cancellation_is_a_failure);
    tcase_add_test(tc, test_children_end_before_the_verdict);
    tcase_add_test(tc, test_cancelled_by_shutdown_is_released_without_error);
    tcase_add_test(tc, test_success_after_a_cancel_request_is_done);
    tcase_add_test(tc, test_failure_after_a_shutdown_cancel_is_released_and_noted);
    tcase_add_test(tc, test_channel_closed_makes_an_orphan);
    tcase_add_test(tc, test_timeout_is_a_failure_that_names_what_was_awaited);
    tcase_add_test(tc, test_after_its_timeout_a_message_is_tried_again_whatever_is_returned);
    suite_add_tcase(suite, tc);
    return suite;
}

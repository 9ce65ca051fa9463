/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/ackd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "io/loop.h"
#include "io/system.h"
#include "io/watchdog.h"
#include "main.h"
#include "stage.h"

static int raise_later(void *arg)
{
    ACKD_TRY(ackd_delay(2));
    TASK_CHECK(kill(getpid(), *(const int *)arg) == 0);
    return ACKD_OK;
}

static int await_signals(void *arg)
{
    (void)arg;
    static int number = SIGUSR1;
    ACKD_SIGNAL(usr1);
    ACKD_TRY(ackd_signal_open(SIGUSR1, &usr1));
    for (unsigned i = 0; i < test_scale(30); i++) {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, raise_later, &number));
        ACKD_TRY(ackd_signal_await(usr1));
        ACKD_TRY(ackd_scope_join(&scope));
    }
    return ACKD_OK;
}

START_TEST(test_waits_until_it_comes)
{
    stage_expect(await_signals, NULL);
}
END_TEST

static int await_in(struct ackd_signal *signal, uint64_t ms)
{
    struct ackd_deadline limit;
    ackd_deadline_push(&limit, ms);
    return ackd_deadline_pop(&limit, ackd_signal_await(signal));
}

static int between(void *arg)
{
    (void)arg;
    ACKD_SIGNAL(one);
    ACKD_SIGNAL(other);
    ACKD_TRY(ackd_signal_open(SIGUSR2, &one));
    ACKD_TRY(ackd_signal_open(SIGUSR2, &other));
    TASK_CHECK_CODE(await_in(one, 5), ACKD_E_TIMEOUT);
    TASK_CHECK_TEXT("awaiting signal signal ");
    for (int i = 0; i < 3; i++)
        TASK_CHECK(kill(getpid(), SIGUSR2) == 0);
    ACKD_TRY(ackd_delay(20)); /* nobody waits meanwhile */
    TASK_CHECK_CODE(await_in(one, 1000), ACKD_OK);
    TASK_CHECK_CODE(await_in(one, 5), ACKD_E_TIMEOUT); /* three are one */
    TASK_CHECK_CODE(await_in(other, 1000), ACKD_OK);   /* each handle gets it */
    return ACKD_OK;
}

START_TEST(test_one_that_came_between_two_waits_is_not_lost)
{
    stage_expect(between, NULL);
}
END_TEST

static int await_one(void *arg)
{
    return ackd_signal_await(arg);
}

static int close_under(void *arg)
{
    (void)arg;
    static const struct ackd_task_options options = {.name = "waiter"};
    struct ackd_task *task;
    ACKD_SIGNAL(usr1);
    ACKD_TRY(ackd_signal_open(SIGUSR1, &usr1));
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, await_one, usr1, &options, &task));
    ACKD_TRY(ackd_yield());
    TASK_CHECK_CODE(ackd_signal_await(usr1), ACKD_E_INVAL);
    ackd_signal_close(&usr1);
    TASK_CHECK(usr1 == NULL);
    TASK_CHECK_CODE(ackd_await(task), ACKD_E_CLOSED);
    ackd_task_unref(task);
    TASK_CHECK_CODE(ackd_signal_await(usr1), ACKD_E_INVAL);
    return ackd_scope_join(&scope);
}

START_TEST(test_who_closes_wakes_the_one_who_waits)
{
    stage_expect(close_under, NULL);
}
END_TEST

static int open_refused(void *arg)
{
    (void)arg;
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGABRT, SIGCHLD,
                                SIGURG,  SIGPIPE, 0,       -3,     4711};
    struct ackd_signal *signal = NULL;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        TASK_CHECK_CODE(ackd_signal_open(never[i], &signal), ACKD_E_INVAL);
    TASK_CHECK(signal == NULL);
    return ACKD_OK;
}

START_TEST(test_refuses_what_is_not_for_tasks)
{
    stage_expect(open_refused, NULL);
}
END_TEST

static void ignore(int number, void *arg)
{
    (void)number;
    (void)arg;
}

static int beside_the_host(void *arg)
{
    (void)arg;
    struct signals *signals;
    ACKD_SIGNAL(term);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);  /* system_prepare blocked it */
    ACKD_TRY(ackd_signal_open(SIGTERM, &term)); /* nobody has it: it is ours */
    TASK_CHECK(kill(getpid(), SIGTERM) == 0);
    TASK_CHECK_CODE(await_in(term, 1000), ACKD_OK);
    ackd_signal_close(&term);
    ACKD_TRY(signals_open(loop_current(), ignore, NULL, &signals));
    int code = ackd_signal_open(SIGTERM, &term);
    signals_close(&signals);
    TASK_CHECK_CODE(code, ACKD_E_INVAL);
    TASK_CHECK_TEXT("the host handles it");
    ACKD_TRY(ackd_signal_open(SIGTERM, &term));
    return ACKD_OK;
}

START_TEST(test_refuses_what_the_host_takes_and_only_then)
{
    stage_expect(beside_the_host, NULL);
}
END_TEST

static int beside_looks(void *arg)
{
    ACKD_SIGNAL(usr1);
    TASK_CHECK_CODE(ackd_signal_open(SIGUSR1, &usr1), *(const int *)arg);
    if (usr1 == NULL)
        TASK_CHECK_TEXT("looks into loops with it");
    return ACKD_OK;
}

START_TEST(test_refuses_what_the_watchdog_takes_and_only_then)
{
    struct watchdog *watchdog = NULL;
    int expected = ACKD_E_INVAL;
    ck_assert_int_eq(watchdog_new(&(struct watchdog_options){.signal = SIGUSR1}, &watchdog), 0);
    stage_expect(beside_looks, &expected);
    watchdog_free(&watchdog);
    expected = ACKD_OK;
    stage_expect(beside_looks, &expected);
}
END_TEST

START_TEST(rule_a1_outside_of_tasks_none_is_taken)
{
    struct ackd_signal *signal = NULL;
    ck_assert_int_eq(ackd_signal_open(SIGUSR1, &signal), ACKD_E_NOT_IN_TASK);
    ck_assert_ptr_null(signal);
    ackd_signal_close(&signal);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/signal");
    TCase *tc = tcase_create("signal");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_waits_until_it_comes);
    tcase_add_test(tc, test_one_that_came_between_two_waits_is_not_lost);
    tcase_add_test(tc, test_who_closes_wakes_the_one_who_waits);
    tcase_add_test(tc, test_refuses_what_is_not_for_tasks);
    tcase_add_test(tc, test_refuses_what_the_host_takes_and_only_then);
    tcase_add_test(tc, test_refuses_what_the_watchdog_takes_and_only_then);
    tcase_add_test(tc, rule_a1_outside_of_tasks_none_is_taken);
    suite_add_tcase(suite, tc);
    return suite;
}

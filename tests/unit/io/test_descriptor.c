/* SPDX-License-Identifier: MIT */
#define ACKD_ALLOW_BLOCKING /* threads of its own pause */
#include <config.h>

#include <ackd/ackd.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/loop.h"
#include "main.h"
#include "stage.h"

struct pair {
    int near, far; /* -1: closed */
};

static void close_pair(struct pair *pair)
{
    if (pair->near >= 0)
        close(pair->near);
    if (pair->far >= 0)
        close(pair->far);
}

#define PAIR(name) __attribute__((cleanup(close_pair))) struct pair name = {-1, -1}

static int open_pair(struct pair *pair)
{
    int fds[2];
    TASK_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    *pair = (struct pair){fds[0], fds[1]};
    return ACKD_OK;
}

static int write_later(void *arg)
{
    ACKD_TRY(ackd_delay(2));
    TASK_CHECK(write(*(const int *)arg, "x", 1) == 1);
    return ACKD_OK;
}

static int readable(void *arg)
{
    (void)arg;
    PAIR(pair);
    ACKD_TRY(open_pair(&pair));
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    TASK_CHECK(fcntl(pair.near, F_GETFL) & O_NONBLOCK);
    for (unsigned i = 0; i < test_scale(50); i++) {
        char byte;
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, write_later, &pair.far));
        TASK_CHECK(read(pair.near, &byte, 1) < 0 && errno == EAGAIN);
        ACKD_TRY(ackd_await_readable(descriptor));
        ACKD_TRY(ackd_await_readable(descriptor)); /* as long as it is not read */
        TASK_CHECK(read(pair.near, &byte, 1) == 1);
        ACKD_TRY(ackd_scope_join(&scope));
    }
    close(pair.far);
    pair.far = -1;
    ACKD_TRY(ackd_await_readable(descriptor)); /* the end */
    char byte;
    TASK_CHECK(read(pair.near, &byte, 1) == 0);
    ackd_descriptor_close(&descriptor);
    TASK_CHECK(descriptor == NULL);
    TASK_CHECK(fcntl(pair.near, F_GETFD) >= 0); /* it is not ours to close */
    return ACKD_OK;
}

START_TEST(test_waits_until_there_is_something_to_read)
{
    stage_expect(readable, NULL);
}
END_TEST

static int fill(int fd)
{
    static char bytes[4096];
    int total = 0;
    ssize_t written;
    while ((written = write(fd, bytes, sizeof bytes)) > 0)
        total += (int)written;
    return total;
}

static int drain(int fd)
{
    static char bytes[4096];
    int total = 0;
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        total += (int)got;
    return total;
}

static int drain_later(void *arg)
{
    ACKD_TRY(ackd_delay(2));
    TASK_CHECK(drain(*(const int *)arg) > 0);
    return ACKD_OK;
}

static int await_byte(void *arg)
{
    return ackd_await_readable(arg);
}

static int both_ways(void *arg)
{
    (void)arg;
    PAIR(pair);
    ACKD_TRY(open_pair(&pair));
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    for (unsigned i = 0; i < test_scale(50); i++) {
        char byte;
        TASK_CHECK(fill(pair.near) > 0);
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, await_byte, descriptor));
        ACKD_TRY(ackd_spawn(&scope, drain_later, &pair.far));
        ACKD_TRY(ackd_await_writable(descriptor)); /* while the other waits to read */
        ACKD_TRY(ackd_await_writable(descriptor));
        TASK_CHECK(write(pair.far, "x", 1) == 1);
        ACKD_TRY(ackd_scope_join(&scope));
        TASK_CHECK(read(pair.near, &byte, 1) == 1);
        (void)drain(pair.far);
    }
    return ACKD_OK;
}

START_TEST(test_two_tasks_wait_one_for_each_direction)
{
    stage_expect(both_ways, NULL);
}
END_TEST

/* What nobody waits for any more must not keep the loop awake. */
static int silent(void *arg)
{
    (void)arg;
    PAIR(pair);
    char byte;
    ACKD_TRY(open_pair(&pair));
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    TASK_CHECK(write(pair.far, "x", 1) == 1);
    ACKD_TRY(ackd_await_readable(descriptor));
    ACKD_TRY(ackd_await_writable(descriptor));
    unsigned before = stage_turns();
    ACKD_TRY(ackd_delay(50)); /* readable and writable all the time */
    TASK_CHECK(stage_turns() - before < 10);
    TASK_CHECK(read(pair.near, &byte, 1) == 1);
    TASK_CHECK(write(pair.far, "y", 1) == 1);
    return ackd_await_readable(descriptor);
}

START_TEST(test_readiness_that_nobody_waits_for_costs_nothing)
{
    stage_expect(silent, NULL);
}
END_TEST

static int give_up(void *arg)
{
    (void)arg;
    PAIR(pair);
    ACKD_TRY(open_pair(&pair));
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    for (unsigned i = 0; i < test_scale(100); i++) {
        char byte;
        struct ackd_deadline limit;
        ackd_deadline_push(&limit, 1);
        TASK_CHECK_CODE(ackd_deadline_pop(&limit, ackd_await_readable(descriptor)), ACKD_E_TIMEOUT);
        TASK_CHECK_TEXT("awaiting descriptor descriptor ");
        TASK_CHECK(write(pair.far, "x", 1) == 1);
        ACKD_TRY(ackd_await_readable(descriptor));
        TASK_CHECK(read(pair.near, &byte, 1) == 1);
    }
    return ACKD_OK;
}

START_TEST(test_a_wait_that_was_cancelled_changed_nothing)
{
    stage_expect(give_up, NULL);
}
END_TEST

static int close_under(void *arg)
{
    (void)arg;
    PAIR(pair);
    ACKD_TRY(open_pair(&pair));
    static const struct ackd_task_options options = {.name = "waiter"};
    struct ackd_task *task;
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, await_byte, descriptor, &options, &task));
    ACKD_TRY(ackd_yield());
    TASK_CHECK_CODE(ackd_await_readable(descriptor), ACKD_E_INVAL);
    TASK_CHECK_TEXT("another task");
    ackd_descriptor_close(&descriptor);
    TASK_CHECK_CODE(ackd_await(task), ACKD_E_CLOSED);
    ackd_task_unref(task);
    TASK_CHECK_CODE(ackd_await_readable(descriptor), ACKD_E_INVAL);
    /* The same descriptor again, at once: libuv is not yet done with the first handle. */
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    TASK_CHECK(write(pair.far, "x", 1) == 1);
    ACKD_TRY(ackd_await_readable(descriptor));
    return ackd_scope_join(&scope);
}

START_TEST(test_who_closes_wakes_the_one_who_waits)
{
    stage_expect(close_under, NULL);
}
END_TEST

static int refusals(void *arg)
{
    (void)arg;
    PAIR(pair);
    ACKD_TRY(open_pair(&pair));
    struct ackd_descriptor *none = NULL;
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pair.near, &descriptor));
    TASK_CHECK_CODE(ackd_descriptor_open(pair.near, &none), ACKD_E_OS);
    TASK_CHECK_TEXT("watches the descriptor");
    TASK_CHECK_CODE(ackd_descriptor_open(-1, &none), ACKD_E_OS);
    TASK_CHECK_CODE(ackd_descriptor_open(987, &none), ACKD_E_OS);
    FILE *file = tmpfile();
    TASK_CHECK(file != NULL);
    TASK_CHECK_CODE(ackd_descriptor_open(fileno(file), &none), ACKD_E_OS);
    TASK_CHECK_TEXT("always ready");
    fclose(file);
    TASK_CHECK(none == NULL);
    int event = eventfd(0, EFD_CLOEXEC);
    ACKD_TRY(ackd_descriptor_open(event, &none));
    ACKD_TRY(ackd_await_writable(none));
    ackd_descriptor_close(&none);
    close(event);
    return ACKD_OK;
}

START_TEST(test_says_what_cannot_be_watched)
{
    stage_expect(refusals, NULL);
}
END_TEST

START_TEST(rule_a1_outside_of_tasks_nothing_is_watched)
{
    struct ackd_descriptor *descriptor = NULL;
    int event = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(ackd_descriptor_open(event, &descriptor), ACKD_E_NOT_IN_TASK);
    ck_assert_ptr_null(descriptor);
    ck_assert_int_eq(fcntl(event, F_GETFL) & O_NONBLOCK, 0);
    close(event);
}
END_TEST

/* Rule Y4: tasks that yield for ever, and one that waits for a descriptor. */
static struct {
    bool stop;
    struct pair pair;
    uint64_t written_ns, worst_ns;
} crowd;

static int yield_for_ever(void *arg)
{
    (void)arg;
    while (!crowd.stop)
        ACKD_TRY(ackd_yield());
    return ACKD_OK;
}

static void *write_now_and_then(void *arg)
{
    const struct timespec pause = {.tv_nsec = 3 * 1000 * 1000};
    (void)arg;
    for (int i = 0; i < 50; i++) {
        nanosleep(&pause, NULL);
        __atomic_store_n(&crowd.written_ns, stage_now_ns(), __ATOMIC_SEQ_CST);
        if (write(crowd.pair.far, "x", 1) != 1)
            return NULL;
        while (__atomic_load_n(&crowd.written_ns, __ATOMIC_SEQ_CST) != 0)
            nanosleep(&pause, NULL);
    }
    return NULL;
}

static int listen_in_a_crowd(void *arg)
{
    (void)arg;
    pthread_t thread;
    ACKD_TRY(open_pair(&crowd.pair));
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(crowd.pair.near, &descriptor));
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < test_scale(10000); i++)
        ACKD_TRY(ackd_spawn(&scope, yield_for_ever, NULL));
    ACKD_TRY(ackd_yield()); /* all have a stack */
    TASK_CHECK(pthread_create(&thread, NULL, write_now_and_then, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        char byte;
        ACKD_TRY(ackd_await_readable(descriptor));
        uint64_t now_ns = stage_now_ns();
        uint64_t delayed_ns = now_ns - __atomic_load_n(&crowd.written_ns, __ATOMIC_SEQ_CST);
        if (delayed_ns > crowd.worst_ns)
            crowd.worst_ns = delayed_ns;
        TASK_CHECK(read(crowd.pair.near, &byte, 1) == 1);
        __atomic_store_n(&crowd.written_ns, 0, __ATOMIC_SEQ_CST);
    }
    pthread_join(thread, NULL);
    crowd.stop = true;
    int code = ackd_scope_join(&scope);
    close_pair(&crowd.pair);
    return code;
}

/* The bound of the rule is 10 ms, until the loop sees it; the task then waits for its place in the
 * queue of 10,000. Ten times of both, for machines that do other things, too. */
START_TEST(rule_y4_ten_thousand_tasks_that_yield_delay_no_descriptor)
{
    stage_expect(listen_in_a_crowd, NULL);
    ck_assert_uint_lt(crowd.worst_ns, 200 * NS_PER_MS);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/descriptor");
    TCase *tc = tcase_create("descriptor");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_waits_until_there_is_something_to_read);
    tcase_add_test(tc, test_two_tasks_wait_one_for_each_direction);
    tcase_add_test(tc, test_readiness_that_nobody_waits_for_costs_nothing);
    tcase_add_test(tc, test_a_wait_that_was_cancelled_changed_nothing);
    tcase_add_test(tc, test_who_closes_wakes_the_one_who_waits);
    tcase_add_test(tc, test_says_what_cannot_be_watched);
    tcase_add_test(tc, rule_a1_outside_of_tasks_nothing_is_watched);
    tcase_add_test(tc, rule_y4_ten_thousand_tasks_that_yield_delay_no_descriptor);
    suite_add_tcase(suite, tc);
    return suite;
}

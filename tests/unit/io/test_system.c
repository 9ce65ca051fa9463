/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "io/system.h"

#include <ackd/error.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/timer.h"
#include "main.h"

struct heard {
    struct loop *loop;
    int numbers[8];
    int count;
    int stop_at;
};

static void hear(int number, void *arg)
{
    struct heard *heard = arg;
    heard->numbers[heard->count++] = number;
    if (heard->count == heard->stop_at)
        loop_stop(heard->loop);
}

START_TEST(test_each_signal_arrives_on_the_loop_also_one_that_came_before)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct heard heard = {.stop_at = 1};
    struct signals *signals;
    system_prepare();
    ck_assert_int_eq(loop_new("main", &heard.loop), 0);
    raise(SIGTERM); /* waits, blocked */
    ck_assert_int_eq(signals_open(heard.loop, hear, &heard, &signals), 0);
    loop_run(heard.loop);
    for (int i = 0; i < 4; i++) {
        heard.stop_at = heard.count + 1;
        kill(getpid(), numbers[i]);
        loop_run(heard.loop);
        ck_assert_int_eq(heard.numbers[i + 1], numbers[i]);
    }
    ck_assert_int_eq(heard.numbers[0], SIGTERM);
    ck_assert_int_eq(heard.count, 5);
    signals_close(&signals);
    ck_assert_ptr_null(signals);
    signals_close(&signals);
    loop_free(&heard.loop);
}
END_TEST

static void *kill_from_thread(void *arg)
{
    (void)arg;
    kill(getpid(), SIGHUP);
    return NULL;
}

START_TEST(test_a_signal_is_taken_by_the_loop_whichever_thread_sends_it)
{
    struct heard heard = {.stop_at = 1};
    struct signals *signals;
    pthread_t thread;
    system_prepare();
    ck_assert_int_eq(loop_new("main", &heard.loop), 0);
    ck_assert_int_eq(signals_open(heard.loop, hear, &heard, &signals), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, kill_from_thread, NULL), 0);
    loop_run(heard.loop);
    pthread_join(thread, NULL);
    ck_assert_int_eq(heard.numbers[0], SIGHUP);
    signals_close(&signals);
    loop_free(&heard.loop);
}
END_TEST

START_TEST(test_a_broken_pipe_is_an_error_and_not_a_signal)
{
    int ends[2];
    system_prepare();
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    close(ends[1]);
}
END_TEST

START_TEST(test_seeds_differ_and_the_host_has_a_name)
{
    char name[64], little[2];
    ck_assert_uint_ne(system_seed(), system_seed());
    system_hostname(name, sizeof name);
    ck_assert_uint_gt(strlen(name), 0);
    system_hostname(little, sizeof little);
    ck_assert_uint_lt(strlen(little), sizeof little);
}
END_TEST

#ifdef HAVE_SYSTEMD
static int notify_listen(char *path, size_t size, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const char *folder = getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR");
    snprintf(path, size, "%s/ackd-notify-%d", folder, (int)getpid());
    if (abstract)
        snprintf(path, size, "@ackd-notify-%d", (int)getpid());
    memcpy(address.sun_path, path, strlen(path));
    size_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (abstract)
        address.sun_path[0] = '\0';
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, (socklen_t)length), 0);
    return fd;
}

START_TEST(test_tells_the_service_manager)
{
    char path[108], text[64] = "";
    int fd = notify_listen(path, sizeof path, _i == 1);
    setenv("NOTIFY_SOCKET", path, 1);
    notify_send("READY=1\nSTATUS=consuming");
    ck_assert_int_eq(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 24);
    ck_assert_str_eq(text, "READY=1\nSTATUS=consuming");
    close(fd);
    notify_send("READY=1"); /* nobody listens any more */
    unlink(path);
}
END_TEST

START_TEST(test_a_service_manager_that_does_not_read_blocks_nothing)
{
    char path[108];
    int fd = notify_listen(path, sizeof path, true);
    setenv("NOTIFY_SOCKET", path, 1);
    for (int i = 0; i < 5000; i++)
        notify_send("WATCHDOG=1");
    close(fd);
}
END_TEST

START_TEST(test_without_a_service_manager_there_is_nothing_to_tell)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    notify_send("READY=1");
    setenv("NOTIFY_SOCKET", "nonsense", 1);
    notify_send("READY=1");
    ck_assert_uint_eq(notify_watchdog_ns(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    ck_assert_uint_eq(notify_watchdog_ns(), 30 * NS_PER_S);
}
END_TEST
#endif

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/system");
    TCase *tc = tcase_create("system");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_each_signal_arrives_on_the_loop_also_one_that_came_before);
    tcase_add_test(tc, test_a_signal_is_taken_by_the_loop_whichever_thread_sends_it);
    tcase_add_test(tc, test_a_broken_pipe_is_an_error_and_not_a_signal);
    tcase_add_test(tc, test_seeds_differ_and_the_host_has_a_name);
#ifdef HAVE_SYSTEMD
    tcase_add_loop_test(tc, test_tells_the_service_manager, 0, 2);
    tcase_add_test(tc, test_a_service_manager_that_does_not_read_blocks_nothing);
    tcase_add_test(tc, test_without_a_service_manager_there_is_nothing_to_tell);
#endif
    suite_add_tcase(suite, tc);
    return suite;
}

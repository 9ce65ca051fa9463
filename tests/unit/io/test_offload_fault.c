/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/offload.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "io/pool.h"
#include "main.h"
#include "stage.h"
#include "task/sanitizer.h"

/* Faults end the process: in a child, whose last words are read. */
static int fault(void *arg, struct ackd_token token)
{
    (void)token;
    return *(volatile int *)arg;
}

static int give_up(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    abort();
}

static int divide(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    return raise(SIGFPE); /* as by a processor that divides by 0: not all do */
}

static int do_nothing(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    return ACKD_OK;
}

static int fault_here(void *arg)
{
    return *(volatile int *)arg;
}

static int fault_on_pool(void *arg)
{
    return ackd_offload(fault, arg);
}

static int fault_on_thread(void *arg)
{
    return ackd_thread(fault, arg);
}

static int abort_on_pool(void *arg)
{
    return ackd_offload(give_up, arg);
}

static int divide_on_pool(void *arg)
{
    return ackd_offload(divide, arg);
}

static int fault_on_loop_after_a_job(void *arg)
{
    ACKD_TRY(ackd_offload(do_nothing, NULL));
    return fault_here(arg);
}

static const struct {
    ackd_task_fn *fn;
    int signal;
    const char *text; /* NULL: it is no job's */
} faults[] = {
    {fault_on_pool, SIGSEGV, "signal 11 at address 0x10 in the job 'fault', which task #"},
    {fault_on_thread, SIGSEGV, "signal 11 at address 0x10 in the job 'fault', which task #"},
    {abort_on_pool, SIGABRT, "signal 6 in the job 'give_up', which task #"},
    {divide_on_pool, SIGFPE, "signal 8 in the job 'divide', which task #"},
    {fault_on_loop_after_a_job, SIGSEGV, NULL},
};

START_TEST(rule_o9_a_job_that_faults_is_named_with_its_task)
{
    static char output[65536];
    int ends[2];
    if (SANITIZER_ADDRESS || SANITIZER_THREAD || RUNNING_ON_VALGRIND)
        return; /* they report it themselves */
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        ck_assert_int_eq(pool_open(NULL), 0);
        stage_expect(faults[_i].fn, (void *)16);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = '\0';
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), faults[_i].signal);
    if (faults[_i].text == NULL) {
        ck_assert_ptr_null(strstr(output, "in the job"));
        return;
    }
    ck_assert_msg(strstr(output, faults[_i].text) != NULL, "%s", output);
    ck_assert_ptr_nonnull(strstr(output, " 'root' awaits\n"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/offload_fault");
    TCase *tc = tcase_create("fault");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rule_o9_a_job_that_faults_is_named_with_its_task, 0,
                        sizeof faults / sizeof faults[0]);
    suite_add_tcase(suite, tc);
    return suite;
}

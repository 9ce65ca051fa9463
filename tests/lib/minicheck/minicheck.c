/* SPDX-License-Identifier: MIT */
/* minicheck - runs the tests of one suite, each in a process of its own, and prints TAP. */
#define ACKD_ALLOW_BLOCKING
#include <config.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MINICHECK_TESTS = 256, MINICHECK_CASES = 16, MINICHECK_TEXT = 1024, MINICHECK_STATUS = 1 };

struct minicheck_entry {
    const struct minicheck_test *test;
    int from, to;
};

struct minicheck_case {
    const char *name;
    double timeout; /* seconds */
    void (*setup)(void);
    void (*teardown)(void);
    size_t count;
    struct minicheck_entry entries[MINICHECK_TESTS];
};

struct minicheck_suite {
    const char *name;
    size_t count;
    struct minicheck_case *cases[MINICHECK_CASES];
};

struct minicheck_runner {
    struct minicheck_suite *suite;
    unsigned number; /* of the last test */
};

/* Where the child that runs a test says what failed. */
static int minicheck_report = -1;

static void minicheck_need(int condition, const char *what)
{
    if (condition)
        return;
    printf("Bail out! minicheck: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void *minicheck_new(size_t size)
{
    void *fresh = calloc(1, size);
    minicheck_need(fresh != NULL, "memory");
    return fresh;
}

static double minicheck_number(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtod(text, NULL);
}

Suite *suite_create(const char *name)
{
    Suite *suite = minicheck_new(sizeof *suite);
    suite->name = name;
    return suite;
}

void suite_add_tcase(Suite *suite, TCase *tc)
{
    minicheck_need(suite->count < MINICHECK_CASES, "too many cases");
    suite->cases[suite->count++] = tc;
}

TCase *tcase_create(const char *name)
{
    TCase *tc = minicheck_new(sizeof *tc);
    tc->name = name;
    tc->timeout = minicheck_number("CK_DEFAULT_TIMEOUT", 4);
    return tc;
}

void tcase_set_timeout(TCase *tc, double seconds)
{
    tc->timeout = seconds;
}

void tcase_add_checked_fixture(TCase *tc, void (*setup)(void), void (*teardown)(void))
{
    minicheck_need(tc->setup == NULL && tc->teardown == NULL, "one fixture per case");
    tc->setup = setup;
    tc->teardown = teardown;
}

void tcase_add_loop_test(TCase *tc, const struct minicheck_test *test, int from, int to)
{
    minicheck_need(tc->count < MINICHECK_TESTS, "too many tests");
    tc->entries[tc->count++] = (struct minicheck_entry){test, from, to};
}

SRunner *srunner_create(Suite *suite)
{
    SRunner *runner = minicheck_new(sizeof *runner);
    runner->suite = suite;
    return runner;
}

void srunner_set_tap(SRunner *runner, const char *name)
{
    (void)runner;
    minicheck_need(strcmp(name, "-") == 0, "TAP goes to standard output");
}

void minicheck_fail(const char *file, int line, const char *format, ...)
{
    char text[MINICHECK_TEXT];
    int used = snprintf(text, sizeof text, "%s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, args);
    va_end(args);
    if (write(minicheck_report, text, strlen(text)) < 0)
        abort();
    _exit(MINICHECK_STATUS);
}

static void minicheck_child(const TCase *tc, const struct minicheck_test *test, int i)
{
    setpgid(0, 0);
    if (tc->setup != NULL)
        tc->setup();
    test->fn(i);
    if (tc->teardown != NULL)
        tc->teardown();
    exit(EXIT_SUCCESS);
}

/* Wait for it no longer than @seconds; its status. */
static int minicheck_wait(pid_t child, double seconds)
{
    int status = 0;
    const struct timespec pause = {.tv_nsec = 2000000};
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (waitpid(child, &status, WNOHANG) == 0) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((double)(now.tv_sec - from.tv_sec) > seconds)
            kill(child, SIGKILL);
        nanosleep(&pause, NULL);
    }
    kill(-child, SIGKILL); /* what it left behind */
    return status;
}

/* What to say of a test that ended with @status, having reported @text. */
static void minicheck_explain(int status, char *text, size_t size)
{
    if (text[0] != '\0')
        return;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        snprintf(text, size, "Test timeout expired");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "Received signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "Early exit with return value %d", WEXITSTATUS(status));
}

static void minicheck_run(SRunner *runner, const TCase *tc, const struct minicheck_test *test,
                          int i)
{
    char text[MINICHECK_TEXT];
    int report[2];
    runner->number++;
    fflush(NULL);
    minicheck_need(pipe(report) == 0, "pipe");
    pid_t child = fork();
    minicheck_need(child >= 0, "fork");
    if (child == 0) {
        close(report[0]);
        minicheck_report = report[1];
        minicheck_child(tc, test, i);
    }
    close(report[1]);
    int status = minicheck_wait(child, tc->timeout * minicheck_number("CK_TIMEOUT_MULTIPLIER", 1));
    ssize_t length = read(report[0], text, sizeof text - 1);
    text[length < 0 ? 0 : length] = '\0';
    close(report[0]);
    int passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!passed)
        minicheck_explain(status, text, sizeof text);
    printf("%sok %u - %s:%s:%s: %s\n", passed ? "" : "not ", runner->number, test->file, tc->name,
           test->name, passed ? "Passed" : text);
}

void srunner_run_all(SRunner *runner, enum print_output mode)
{
    (void)mode;
    const Suite *suite = runner->suite;
    for (size_t i = 0; i < suite->count; i++)
        for (size_t j = 0; j < suite->cases[i]->count; j++) {
            const struct minicheck_entry *entry = &suite->cases[i]->entries[j];
            for (int at = entry->from; at < entry->to; at++)
                minicheck_run(runner, suite->cases[i], entry->test, at);
        }
    printf("1..%u\n", runner->number);
}

void srunner_free(SRunner *runner)
{
    for (size_t i = 0; i < runner->suite->count; i++)
        free(runner->suite->cases[i]);
    free(runner->suite);
    free(runner);
}

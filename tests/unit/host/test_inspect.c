/* SPDX-License-Identifier: MIT */
/* What <ackd/inspect.h> shows of a runtime: everything, of every loop that answers, and in time. */
#include <config.h>
#define ACKD_ALLOW_BLOCKING /* one of the tasks holds its loop, which is the point */

#include <ackd/ackd.h>
#include <ackd/inspect.h>
#include <ackd/runtime.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timer.h"
#include "main.h"
#include "task/refusal.h"
#include "task/sanitizer.h"

/* Where everything takes so much longer. */
enum { SLOW = SANITIZER_ADDRESS || SANITIZER_THREAD };

static struct ackd_runtime *runtime;
static pthread_t thread;
static atomic_bool ready, done;
static struct ackd_loop *loops[2];

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Of this thread: what the machine takes for others is no fault of ours. */
static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static void *run_task(void *arg)
{
    int (*fn)(void *arg) = *(ackd_task_fn **)arg;
    ck_assert_int_eq(ackd_block_on_at(runtime, fn, NULL, "main", ACKD_HERE), ACKD_OK);
    return NULL;
}

/* Until the task is where it wants to be looked at. */
static void begin(unsigned count, ackd_task_fn *fn)
{
    static ackd_task_fn *run;
    struct ackd_runtime_options options = {.loops = count, .tasks_max = 20000};
    run = fn;
    atomic_store(&ready, false);
    atomic_store(&done, false);
    ck_assert_int_eq(ackd_runtime_new(&options, &runtime), ACKD_OK);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(ackd_runtime_loop(runtime, i, &loops[i]), ACKD_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_task, &run), 0);
    while (!atomic_load(&ready))
        sleep_ms(1);
}

static void end(void)
{
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    ackd_runtime_free(&runtime);
}

/* The dump, as text that is freed by the next. */
static const char *dumped(unsigned flags)
{
    static char *text;
    static size_t size;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ackd_tasks_dump(runtime, fileno(file), flags), ACKD_OK);
    fseek(file, 0, SEEK_END);
    size = (size_t)ftell(file);
    rewind(file);
    free(text);
    text = calloc(size + 1, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, size, file), size);
    fclose(file);
    return text;
}

static int until_done(void)
{
    while (!atomic_load(&done))
        ACKD_TRY(ackd_delay(2));
    return ACKD_OK;
}

static void count_task(const struct ackd_task_info *task, void *arg)
{
    ck_assert_str_eq(task->loop, "loop 0");
    ck_assert_uint_eq(task->busy_ns + task->ready_ns + task->awaiting_ns, task->age_ns);
    ++*(unsigned *)arg;
}

static int until_done_in_a_task(void *arg)
{
    (void)arg;
    atomic_store(&ready, true);
    return until_done();
}

static void hold_loop(void *arg)
{
    (void)arg;
    while (!atomic_load(&done))
        sleep_ms(1);
}

static atomic_bool holding;

static int hold_loop_in_a_task(void *arg)
{
    atomic_store(&holding, true);
    hold_loop(arg);
    return ACKD_OK;
}

static int observe_nothing(const struct ackd_task *task, int code, const struct ackd_error *error,
                           void *arg)
{
    (void)task;
    (void)error;
    (void)arg;
    return code;
}

static void begin_to_hold(void *arg)
{
    const struct ackd_task_options options = {.name = "hog"};
    (void)arg;
    ck_assert_int_eq(ackd_spawn_detached(ackd_runtime_owner(runtime), hold_loop_in_a_task, NULL,
                                         &options, observe_nothing, NULL),
                     ACKD_OK);
}

START_TEST(rule_i4_a_dump_works_while_another_loop_is_stalled)
{
    unsigned count = 0;
    atomic_store(&holding, false);
    begin(2, until_done_in_a_task);
    ck_assert_int_eq(ackd_post(loops[1], begin_to_hold, NULL, NULL), ACKD_OK);
    while (!atomic_load(&holding))
        sleep_ms(1);
    const char *text = dumped(ACKD_DUMP_TEXT);
    ck_assert_msg(strstr(text, "main: awaiting timer in until_done") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "loop 1: stalled: task #") != NULL, "%s", text);
    text = dumped(ACKD_DUMP_JSON);
    ck_assert_msg(strstr(text, "{\"stalled\":true,\"task\":") != NULL, "%s", text);
    ck_assert_int_eq(ackd_tasks_visit(runtime, 0, count_task, &count), ACKD_E_TIMEOUT);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "loop 1"));
    end();
}
END_TEST

enum { MANY = 10000 };

static int deeper(int left)
{
    int code = left > 0 ? deeper(left - 1) : ackd_delay(60000);
    __asm__ volatile("" ::: "memory");
    return code;
}

static int wait_deep(void *arg)
{
    (void)arg;
    return deeper(8);
}

static atomic_uint_fast64_t longest_gap_ns;
static atomic_bool measuring;

/* How long the loop does not come round: yields let it go on turn by turn. */
static int wait_many(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    for (int i = 0; i < MANY; i++)
        ACKD_TRY(ackd_spawn(&scope, wait_deep, NULL));
    ACKD_TRY(ackd_delay(1));
    atomic_store(&ready, true);
    while (!atomic_load(&done)) {
        uint64_t before_ns = cpu_ns();
        ACKD_TRY(ackd_yield());
        uint64_t gap_ns = cpu_ns() - before_ns;
        if (atomic_load(&measuring) && gap_ns > atomic_load(&longest_gap_ns))
            atomic_store(&longest_gap_ns, gap_ns);
    }
    ackd_scope_cancel(&scope, ACKD_CANCEL_REQUESTED);
    error_ignore(ackd_scope_join(&scope)); /* all were cancelled */
    return ACKD_OK;
}

static void count_frames(const struct ackd_task_info *task, void *arg)
{
    unsigned *count = arg;
    if (strcmp(task->name, "wait_deep") == 0) {
        ck_assert_uint_ge(task->frame_count, 3);
        ++*count;
    }
}

/* The best of some tries: the first makes the memory. test_report.c counts the slices. */
START_TEST(rule_i2_a_dump_of_ten_thousand_tasks_with_backtraces_stalls_no_loop)
{
    uint64_t bound_ns = (SLOW ? 10 : 1) * 10 * NS_PER_MS, best_ns = UINT64_MAX;
    begin(1, wait_many);
    for (int i = 0; i < 5 && best_ns > bound_ns; i++) {
        unsigned count = 0;
        atomic_store(&longest_gap_ns, 0);
        atomic_store(&measuring, true);
        ck_assert_int_eq(ackd_tasks_visit(runtime, ACKD_DUMP_FRAMES, count_frames, &count),
                         ACKD_OK);
        atomic_store(&measuring, false);
        ck_assert_uint_eq(count, MANY);
        uint64_t gap_ns = atomic_load(&longest_gap_ns);
        best_ns = gap_ns < best_ns ? gap_ns : best_ns;
    }
    ck_assert_uint_le(best_ns, bound_ns);
    end();
}
END_TEST

static int wait_with_odd_names(void *arg)
{
    const struct ackd_task_options options = {.name = "a\"b\\c\n\x01"};
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, wait_deep, NULL, &options, NULL));
    ACKD_TRY(ackd_delay(1));
    atomic_store(&ready, true);
    int code = until_done();
    ackd_scope_cancel(&scope, ACKD_CANCEL_REQUESTED);
    error_ignore(ackd_scope_join(&scope)); /* it was cancelled */
    return code;
}

START_TEST(json_is_escaped_and_has_frames_where_they_are_asked_for)
{
    begin(1, wait_with_odd_names);
    const char *text = dumped(ACKD_DUMP_JSON);
    ck_assert_msg(strstr(text, "\"name\":\"a\\\"b\\\\c\\u000a\\u0001\"") != NULL, "%s", text);
    ck_assert_ptr_null(strstr(text, "\"frames\""));
    int depth = 0;
    bool quoted = false;
    for (const char *at = text; *at != '\0'; at++) {
        if (quoted && *at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        ck_assert_int_ge(depth, 0);
    }
    ck_assert_int_eq(depth, 0);
    text = dumped(ACKD_DUMP_JSON | ACKD_DUMP_FRAMES);
    ck_assert_msg(strstr(text, "\"frames\":[\"") != NULL, "%s", text);
    end();
}
END_TEST

START_TEST(a_dump_with_frames_names_the_functions)
{
    begin(1, wait_with_odd_names);
    const char *text = dumped(ACKD_DUMP_FRAMES);
    /* Without libdw, static functions are places in the module. */
    ck_assert_msg(strstr(text, "deeper") != NULL || strstr(text, "test_inspect+0x") != NULL, "%s",
                  text);
    end();
}
END_TEST

static int codes[3];

static int ask_on_a_loop(void *arg)
{
    (void)arg;
    codes[0] = ackd_tasks_visit(runtime, 0, count_task, NULL);
    codes[1] = ackd_tasks_dump(runtime, STDERR_FILENO, 0);
    codes[2] = ackd_tasks_lint(runtime, NULL, NULL);
    atomic_store(&ready, true);
    return ACKD_OK;
}

START_TEST(on_a_loop_it_is_refused)
{
    begin(1, ask_on_a_loop);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(codes[i], ACKD_E_ON_LOOP);
    end();
}
END_TEST

static int run_long(void *arg)
{
    uint64_t end_ns = now_ns() + 1100 * NS_PER_MS; /* a sleep would be cut short by the watchdog */
    (void)arg;
    while (now_ns() < end_ns)
        ;
    atomic_store(&ready, true);
    return until_done();
}

static void note_lint(const struct ackd_task_lint *lint, void *arg)
{
    ck_assert_str_ne(lint->hint, "");
    ck_assert_str_eq(lint->loop, "loop 0");
    *(bool *)arg |= strcmp(lint->kind, "never-yielded") == 0 && lint->task_id > 0;
}

START_TEST(lints_are_told)
{
    bool told = false;
    begin(1, run_long);
    ck_assert_int_eq(ackd_tasks_lint(runtime, note_lint, &told), ACKD_OK);
    ck_assert(told);
    const char *text = dumped(ACKD_DUMP_TEXT);
    ck_assert_msg(strstr(text, "\nnever-yielded: #") != NULL, "%s", text);
    end();
}
END_TEST

static int fail_unseen(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_INVAL, "as it is meant to");
}

static int fail_and_be_refused(void *arg)
{
    struct ackd_task *task;
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    const struct ackd_task_options named = {.name = "fail_unseen"}, nameless = {.name = NULL};
    ACKD_TRY(ackd_spawn_task(&scope, fail_unseen, NULL, &named, &task));
    ck_assert_int_eq(ackd_spawn_task(&scope, fail_unseen, NULL, &nameless, NULL), ACKD_E_INVAL);
    error_clear();
    error_ignore(ackd_scope_join(&scope)); /* nobody looks at how it ended */
    ackd_task_unref(task);
    atomic_store(&ready, true);
    return until_done();
}

START_TEST(failures_nobody_saw_and_refusals_are_counted)
{
    uint64_t before = refusal_count();
    begin(1, fail_and_be_refused);
    ck_assert_uint_eq(refusal_count(), before + 1);
    char expected[64];
    snprintf(expected, sizeof expected, " 1 unobserved, %u refused", (unsigned)before + 1);
    const char *text = dumped(ACKD_DUMP_TEXT);
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
    snprintf(expected, sizeof expected, "\"unobserved\":1,\"refused\":%u,", (unsigned)before + 1);
    text = dumped(ACKD_DUMP_JSON);
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
    end();
}
END_TEST

START_TEST(a_runtime_that_does_not_run_has_no_tasks)
{
    unsigned count = 0;
    ck_assert_int_eq(ackd_runtime_new(NULL, &runtime), ACKD_OK);
    ck_assert_int_eq(ackd_tasks_visit(runtime, 0, count_task, &count), ACKD_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_str_eq(dumped(ACKD_DUMP_JSON), "{\"loops\":[]}\n");
    ackd_runtime_free(&runtime);
}
END_TEST

START_TEST(a_dump_that_cannot_be_written_says_so)
{
    begin(1, until_done_in_a_task);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ackd_tasks_dump(runtime, fd, 0), ACKD_E_OS);
    close(fd);
    end();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/inspect");
    TCase *tc = tcase_create("inspect");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, failures_nobody_saw_and_refusals_are_counted);
    tcase_add_test(tc, rule_i4_a_dump_works_while_another_loop_is_stalled);
    tcase_add_test(tc, rule_i2_a_dump_of_ten_thousand_tasks_with_backtraces_stalls_no_loop);
    tcase_add_test(tc, json_is_escaped_and_has_frames_where_they_are_asked_for);
    tcase_add_test(tc, a_dump_with_frames_names_the_functions);
    tcase_add_test(tc, on_a_loop_it_is_refused);
    tcase_add_test(tc, lints_are_told);
    tcase_add_test(tc, a_runtime_that_does_not_run_has_no_tasks);
    tcase_add_test(tc, a_dump_that_cannot_be_written_says_so);
    suite_add_tcase(suite, tc);
    return suite;
}

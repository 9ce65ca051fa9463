/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/error.h>
#include <ackd/io.h>
#include <ackd/task.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/loop.h"
#include "io/system.h"
#include "main.h"
#include "task/scheduler.h"

/* A loop with a scheduler, on which one root task runs. */
static struct {
    struct loop *loop;
    struct scheduler *scheduler;
    int code;
    enum ackd_cancel_reason reason;
    char text[512];
    unsigned turns;
} world;

static uint64_t world_now_ns(void *arg)
{
    return loop_now_ns(arg);
}

static void world_wake(void *arg)
{
    loop_wake(arg);
}

static uint64_t world_turn(void *arg)
{
    world.turns++;
    return scheduler_turn(arg);
}

static void world_done(struct ackd_task *task, int code, const struct ackd_error *error,
                       enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)arg;
    world.code = code;
    world.reason = reason;
    snprintf(world.text, sizeof world.text, "%s", ackd_error_text(error));
    loop_stop(world.loop);
}

static void world_open(void)
{
    system_prepare();
    ck_assert_int_eq(loop_new("tasks", &world.loop), 0);
    const struct scheduler_options options = {
        .name = "tasks", .now_ns = world_now_ns, .wake = world_wake, .arg = world.loop};
    ck_assert_int_eq(scheduler_new(&options, &world.scheduler), 0);
    loop_set_turn(world.loop, world_turn, world.scheduler);
}

static void world_close(void)
{
    scheduler_free(&world.scheduler);
    loop_free(&world.loop);
}

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Run @fn as a task on this thread, or on one of the loop's own. */
static void run(ackd_task_fn *fn, bool threaded)
{
    world_open();
    int before = descriptors();
    const struct scheduler_root root = {.fn = fn, .name = "test", .done = world_done};
    ck_assert_int_eq(scheduler_spawn(world.scheduler, &root, NULL), 0);
    if (threaded) {
        ck_assert_int_eq(loop_start(world.loop), 0);
        loop_join(world.loop);
    } else {
        loop_run(world.loop);
    }
    int after = descriptors();
    world_close();
    ck_assert_int_ge(before + 2, after); /* two of libuv's own, for signals */
}

static void expect_done(ackd_task_fn *fn)
{
    run(fn, false);
    ck_assert_msg(world.code == 0, "%d %s", world.code, world.text);
}

#define TASK_CHECK(condition)                                                                    \
    do {                                                                                         \
        if (!(condition))                                                                        \
            return ackd_fail(ACKD_E_USER, "line %d: not %s (current: %s)", __LINE__, #condition, \
                             ackd_error_text(ackd_error_current()));                             \
    } while (0)

static int open_shell(const char *script, struct ackd_process **ret_process)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct ackd_process_options options = {.file = "sh",
                                                 .argv = argv,
                                                 .input = ACKD_STDIO_PIPE,
                                                 .output = ACKD_STDIO_PIPE,
                                                 .errors = ACKD_STDIO_PIPE,
                                                 .group = true};
    return ackd_process_open(&options, ret_process);
}

/* All of its output as text. */
static int read_text(struct ackd_process *process, enum ackd_process_pipe which, char *text,
                     size_t size)
{
    size_t length = 0, got = 1;
    while (got > 0 && length < size - 1) {
        ACKD_TRY(ackd_process_read(process, which, text + length, size - 1 - length, &got));
        length += got;
    }
    text[length] = '\0';
    return ACKD_OK;
}

enum { CAT_SIZE = 1 << 20 };

static int feed(void *arg)
{
    struct ackd_process *cat = arg;
    uint8_t *bytes = malloc(CAT_SIZE);
    for (size_t i = 0; i < CAT_SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 509);
    int code = ackd_process_write(cat, bytes, CAT_SIZE);
    memset(bytes, 0xee, CAT_SIZE);
    free(bytes);
    ackd_process_close_input(cat);
    return code;
}

static int cat(void *arg)
{
    (void)arg;
    const struct ackd_process_options options = {
        .file = "cat", .input = ACKD_STDIO_PIPE, .output = ACKD_STDIO_PIPE};
    ACKD_PROCESS(process);
    ACKD_TRY(ackd_process_open(&options, &process));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, feed, process));
    uint8_t bytes[1024];
    size_t place = 0, got = 0;
    do {
        ACKD_TRY(ackd_process_read(process, ACKD_PROCESS_OUTPUT, bytes, sizeof bytes, &got));
        for (size_t i = 0; i < got; i++)
            TASK_CHECK(bytes[i] == (uint8_t)((place + i) * 31 + (place + i) / 509));
        place += got;
    } while (got > 0);
    TASK_CHECK(place == CAT_SIZE);
    ACKD_TRY(ackd_scope_join(&scope));
    int status = -1, number = -1;
    ACKD_TRY(ackd_process_wait(process, &status, &number));
    TASK_CHECK(status == 0 && number == 0);
    return ACKD_OK;
}

START_TEST(test_carries_a_megabyte_to_a_program_and_back)
{
    run(cat, _i == 1);
    ck_assert_msg(world.code == 0, "%d %s", world.code, world.text);
}
END_TEST

static int exits(void *arg)
{
    (void)arg;
    for (int wanted = 0; wanted < 256; wanted += 85) {
        char script[32];
        int status = -1, number = -1;
        snprintf(script, sizeof script, "exit %d", wanted);
        ACKD_PROCESS(process);
        ACKD_TRY(open_shell(script, &process));
        ACKD_TRY(ackd_process_wait(process, &status, &number));
        TASK_CHECK(status == wanted && number == 0);
        ACKD_TRY(ackd_process_wait(process, NULL, NULL));
        TASK_CHECK(ackd_process_kill(process, SIGTERM) == ACKD_E_CLOSED);
    }
    return ACKD_OK;
}

START_TEST(test_tells_the_exit_status)
{
    expect_done(exits);
}
END_TEST

static int killed(void *arg)
{
    (void)arg;
    int status = -1, number = -1;
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("kill -USR1 $$; sleep 60", &process));
    ACKD_TRY(ackd_process_wait(process, &status, &number));
    TASK_CHECK(status == 0 && number == SIGUSR1);
    ackd_process_close(&process);
    TASK_CHECK(process == NULL);
    ACKD_TRY(open_shell("echo ready; sleep 60", &process));
    char text[8];
    size_t got = 0;
    ACKD_TRY(ackd_process_read(process, ACKD_PROCESS_OUTPUT, text, sizeof text, &got));
    ACKD_TRY(ackd_process_kill(process, SIGTERM));
    ACKD_TRY(ackd_process_wait(process, &status, &number));
    TASK_CHECK(number == SIGTERM);
    return ACKD_OK;
}

START_TEST(test_tells_the_signal_that_killed_it)
{
    expect_done(killed);
}
END_TEST

static int output_after_exit(void *arg)
{
    (void)arg;
    char text[64];
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("echo out; echo err >&2", &process));
    ACKD_TRY(ackd_process_wait(process, NULL, NULL));
    ACKD_TRY(read_text(process, ACKD_PROCESS_OUTPUT, text, sizeof text));
    TASK_CHECK(strcmp(text, "out\n") == 0);
    ACKD_TRY(read_text(process, ACKD_PROCESS_ERRORS, text, sizeof text));
    TASK_CHECK(strcmp(text, "err\n") == 0);
    return ACKD_OK;
}

START_TEST(test_output_can_be_read_after_the_end)
{
    expect_done(output_after_exit);
}
END_TEST

static int missing(void *arg)
{
    (void)arg;
    static const struct ackd_process_options cases[] = {
        {.file = "no-such-program"},
        {.file = "/no/such/program", .output = ACKD_STDIO_PIPE},
        {.file = "true", .directory = "/no/such/folder"},
    };
    static const char *const words[] = {"cannot run 'no-such-program': no such program in PATH",
                                        "cannot run '/no/such/program': no such program",
                                        "in the directory '/no/such/folder': No such"};
    struct ackd_process *process = NULL;
    for (int i = 0; i < 3; i++) {
        TASK_CHECK(ackd_process_open(&cases[i], &process) == ACKD_E_NOT_FOUND);
        TASK_CHECK(process == NULL);
        TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), words[i]) != NULL);
    }
    TASK_CHECK(ackd_process_open(&(struct ackd_process_options){.file = "/"}, &process) ==
               ACKD_E_OS);
    TASK_CHECK(ackd_process_open(&(struct ackd_process_options){0}, &process) == ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_a_program_that_is_not_there_is_named)
{
    expect_done(missing);
}
END_TEST

static int closed_input(void *arg)
{
    (void)arg;
    char *much = calloc(1, CAT_SIZE);
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("exec <&-; echo closed; sleep 60", &process));
    char text[8];
    size_t got = 0;
    ACKD_TRY(ackd_process_read(process, ACKD_PROCESS_OUTPUT, text, sizeof text, &got));
    int code = ackd_process_write(process, much, CAT_SIZE);
    TASK_CHECK(code == ACKD_E_CLOSED);
    ackd_process_close(&process);
    /* And one that goes away in the middle of the write. */
    ACKD_TRY(open_shell("head -c 1000 >/dev/null", &process));
    code = ackd_process_write(process, much, CAT_SIZE);
    free(much);
    TASK_CHECK(code == ACKD_E_CLOSED);
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "closed its input") != NULL);
    ackd_process_close_input(process);
    ackd_process_close_input(process);
    TASK_CHECK(ackd_process_write(process, "x", 1) == ACKD_E_CLOSED);
    return ACKD_OK;
}

/* libuv is done with the pipe meanwhile, and not with the child. */
static int write_again(void *arg)
{
    (void)arg;
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("cat; sleep 60", &process));
    ackd_process_close_input(process);
    for (int i = 0; i < 8; i++) {
        ACKD_TRY(ackd_delay(1));
        TASK_CHECK(ackd_process_write(process, "x", 1) == ACKD_E_CLOSED);
    }
    return ACKD_OK;
}

START_TEST(test_a_closed_input_is_closed_however_often_it_is_written)
{
    run(write_again, false);
    ck_assert_msg(world.code == 0, "%d %s", world.code, world.text);
}
END_TEST

START_TEST(test_a_closed_input_is_an_error_and_not_a_signal)
{
    run(closed_input, _i == 1);
    ck_assert_msg(world.code == 0, "%d %s", world.code, world.text);
}
END_TEST

static int wait_long(void *arg)
{
    int which = *(int *)arg;
    char byte[8];
    size_t got = 0;
    char *much = calloc(1, CAT_SIZE);
    ACKD_PROCESS(process);
    int code = open_shell("echo; sleep 60 & wait", &process);
    if (code == ACKD_OK)
        code = ackd_process_read(process, ACKD_PROCESS_OUTPUT, byte, 1, &got);
    if (code == ACKD_OK && ackd_process_id(process) <= 1)
        code = ackd_fail(ACKD_E_USER, "it has no number");
    if (code == ACKD_OK)
        code = which == 0   ? ackd_process_wait(process, NULL, NULL)
               : which == 1 ? ackd_process_read(process, ACKD_PROCESS_OUTPUT, byte, 8, &got)
                            : ackd_process_write(process, much, CAT_SIZE);
    memset(much, 1, CAT_SIZE);
    free(much);
    return code;
}

static int cancel_each(void *arg)
{
    (void)arg;
    for (int which = 0; which < 3; which++) {
        ACKD_SCOPE_SUPERVISED(scope);
        struct ackd_task *task = NULL;
        ACKD_TRY(ackd_spawn_task(&scope, wait_long, &which,
                                 (&(struct ackd_task_options){.name = "wait"}), &task));
        ACKD_TRY(ackd_delay(100));
        TASK_CHECK(ackd_task_state(task) == ACKD_TASK_AWAITING);
        ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        int code = ackd_await(task);
        ackd_task_unref(task);
        TASK_CHECK(code == ACKD_CANCELED);
        ACKD_TRY(ackd_scope_join(&scope));
    }
    return ACKD_OK;
}

START_TEST(test_every_await_can_be_cancelled_and_leaves_no_process)
{
    expect_done(cancel_each);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static int end_group(bool all)
{
    char byte;
    size_t got = 0;
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("echo; sleep 60 & wait", &process));
    ACKD_TRY(ackd_process_read(process, ACKD_PROCESS_OUTPUT, &byte, 1, &got));
    if (all)
        process_kill_all();
    else
        ACKD_TRY(ackd_process_kill(process, SIGKILL));
    /* The end comes only when sleep, which holds the pipe too, is gone. */
    ACKD_TRY(ackd_process_read(process, ACKD_PROCESS_OUTPUT, &byte, 1, &got));
    TASK_CHECK(got == 0);
    return ACKD_OK;
}

static int kill_group(void *arg)
{
    (void)arg;
    return end_group(false);
}

static int kill_all(void *arg)
{
    (void)arg;
    return end_group(true);
}

START_TEST(test_a_signal_to_a_group_reaches_the_children_of_the_child)
{
    expect_done(kill_group);
}
END_TEST

START_TEST(test_all_that_runs_can_be_killed_before_leaving)
{
    expect_done(kill_all);
}
END_TEST

static int inherits(void *arg)
{
    (void)arg;
    int left_open = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
    char text[256];
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\n\\t'; "
                        "echo; cd /proc/self/fd && echo *; echo $ONLY $HOME",
                        &process));
    ACKD_TRY(read_text(process, ACKD_PROCESS_OUTPUT, text, sizeof text));
    close(left_open);
    TASK_CHECK(strstr(text, "SigBlk:0000000000000000") != NULL);
    /* 32 and 33 are the C library's own, which ignores them in what posix_spawn starts. */
    const char *ignored = strstr(text, "SigIgn:");
    TASK_CHECK(ignored != NULL && (strtoull(ignored + 7, NULL, 16) & ~(3ULL << 31)) == 0);
    /* sh opens nothing itself; the glob has a descriptor of its own. */
    const char *line = strchr(text, '\n') + 1;
    TASK_CHECK(strncmp(line, "0 1 2", 5) == 0);
    TASK_CHECK(line[5] == '\n' || (line[5] == ' ' && line[7] == '\n'));
    return ACKD_OK;
}

START_TEST(test_a_child_gets_clean_signals_and_three_descriptors)
{
    run(inherits, _i == 1);
    ck_assert_msg(world.code == 0, "%d %s", world.code, world.text);
}
END_TEST

static int surroundings(void *arg)
{
    (void)arg;
    static const char *const environment[] = {"ONLY=this", "PATH=/usr/bin:/bin", NULL};
    static const char *const argv[] = {"sh", "-c", "pwd; env | grep -c =; cat; ps -o pgid= $$",
                                       NULL};
    const struct ackd_process_options options = {.file = "sh",
                                                 .argv = argv,
                                                 .environment = environment,
                                                 .directory = "/usr",
                                                 .output = ACKD_STDIO_PIPE};
    char text[256];
    ACKD_PROCESS(process);
    ACKD_TRY(ackd_process_open(&options, &process));
    ACKD_TRY(read_text(process, ACKD_PROCESS_OUTPUT, text, sizeof text));
    TASK_CHECK(strncmp(text, "/usr\n", 5) == 0);
    TASK_CHECK(ackd_process_write(process, "x", 1) == ACKD_E_INVAL);
    TASK_CHECK(ackd_process_read(process, ACKD_PROCESS_ERRORS, text, 1, &(size_t){0}) ==
               ACKD_E_INVAL);
    TASK_CHECK(ackd_process_read(process, ACKD_PROCESS_INPUT, text, 1, &(size_t){0}) ==
               ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_runs_in_the_directory_and_environment_that_it_is_given)
{
    expect_done(surroundings);
}
END_TEST

static int wait_in_vain(void *arg)
{
    return ackd_process_wait((struct ackd_process *)arg, NULL, NULL);
}

static int two_waiters(void *arg)
{
    (void)arg;
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("read x; exit 3", &process));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_in_vain, process));
    ACKD_TRY(ackd_yield());
    TASK_CHECK(ackd_process_wait(process, NULL, NULL) == ACKD_E_INVAL);
    ackd_process_close_input(process);
    ACKD_TRY(ackd_scope_join(&scope));
    return ACKD_OK;
}

START_TEST(test_a_second_waiter_is_refused)
{
    expect_done(two_waiters);
}
END_TEST

static int many(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < test_scale(40); i++) {
        ACKD_PROCESS(process);
        ACKD_TRY(open_shell("cat", &process));
        if (i % 2 == 0)
            ACKD_TRY(ackd_process_kill(process, SIGKILL));
    }
    return ACKD_OK;
}

START_TEST(test_closing_leaves_no_child_and_no_descriptor_behind)
{
    expect_done(many);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static int idle(void *arg)
{
    (void)arg;
    ACKD_PROCESS(process);
    ACKD_TRY(open_shell("sleep 0.3", &process));
    unsigned before = world.turns;
    ACKD_TRY(ackd_process_wait(process, NULL, NULL));
    TASK_CHECK(world.turns - before < 10);
    return ACKD_OK;
}

START_TEST(test_waiting_does_not_spin)
{
    expect_done(idle);
}
END_TEST

START_TEST(test_outside_of_tasks_nothing_is_started)
{
    struct ackd_process *process = NULL;
    const struct ackd_process_options options = {.file = "true"};
    ck_assert_int_eq(ackd_process_open(&options, &process), ACKD_E_NOT_IN_TASK);
    ck_assert_ptr_null(process);
    ackd_process_close(&process);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/process");
    TCase *tc = tcase_create("process");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_carries_a_megabyte_to_a_program_and_back, 0, 2);
    tcase_add_test(tc, test_tells_the_exit_status);
    tcase_add_test(tc, test_tells_the_signal_that_killed_it);
    tcase_add_test(tc, test_output_can_be_read_after_the_end);
    tcase_add_test(tc, test_a_program_that_is_not_there_is_named);
    tcase_add_loop_test(tc, test_a_closed_input_is_an_error_and_not_a_signal, 0, 2);
    tcase_add_test(tc, test_a_closed_input_is_closed_however_often_it_is_written);
    tcase_add_test(tc, test_every_await_can_be_cancelled_and_leaves_no_process);
    tcase_add_test(tc, test_a_signal_to_a_group_reaches_the_children_of_the_child);
    tcase_add_test(tc, test_all_that_runs_can_be_killed_before_leaving);
    tcase_add_loop_test(tc, test_a_child_gets_clean_signals_and_three_descriptors, 0, 2);
    tcase_add_test(tc, test_runs_in_the_directory_and_environment_that_it_is_given);
    tcase_add_test(tc, test_a_second_waiter_is_refused);
    tcase_add_test(tc, test_closing_leaves_no_child_and_no_descriptor_behind);
    tcase_add_test(tc, test_waiting_does_not_spin);
    tcase_add_test(tc, test_outside_of_tasks_nothing_is_started);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* Programs of their own: threads held by tasks, stops from anywhere, and nothing left behind. */
#include <config.h>
#define ACKD_ALLOW_BLOCKING /* threads of its own wait for loops */

#include <ackd/ackd.h>
#include <ackd/runtime.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "main.h"
#include "task/wait.h"

static struct ackd_runtime *runtime;
static char log_text[8192];
static atomic_uint log_length;

/* Lines may come from any loop; what does not fit is left out. */
static void log_keep(const struct log_record *record, void *arg)
{
    char line[1024];
    (void)arg;
    size_t length = log_format_logfmt(record, line, sizeof line - 1);
    line[length++] = '\n';
    unsigned at = atomic_fetch_add(&log_length, (unsigned)length);
    if (at + length < sizeof log_text)
        memcpy(log_text + at, line, length);
}

static void begin_with(const struct ackd_runtime_options *options)
{
    memset(log_text, 0, sizeof log_text);
    atomic_store(&log_length, 0);
    log_use(log_keep, NULL);
    ck_assert_int_eq(ackd_runtime_new(options, &runtime), ACKD_OK);
}

static void begin(unsigned loops)
{
    begin_with(&(struct ackd_runtime_options){.loops = loops});
}

static void end(void)
{
    ackd_runtime_free(&runtime);
    ck_assert_ptr_null(runtime);
    log_use(NULL, NULL);
}

static void sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static int add_one(void *arg)
{
    ACKD_TRY(ackd_delay(1));
    ++*(int *)arg;
    return ACKD_OK;
}

static int fail_for_seven(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_USER - 7, "no stock");
}

static int publish_nowhere(void *arg)
{
    (void)arg;
    return ackd_publish("", "queue", ackd_bytes("body"));
}

START_TEST(block_on_runs_a_task_and_returns_its_result)
{
    int number = 0;
    begin(1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ackd_block_on(runtime, add_one, &number), ACKD_OK);
    ck_assert_int_eq(number, 3);
    ck_assert_int_eq(ackd_block_on(runtime, fail_for_seven, NULL), ACKD_E_USER - 7);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "no stock");
    ck_assert_str_eq(ackd_error_task_name(ackd_error_current()), "fail_for_seven");
    ck_assert_int_eq(ackd_block_on(runtime, NULL, NULL), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_block_on(runtime, publish_nowhere, NULL), ACKD_E_NOT_OPEN);
    end();
}
END_TEST

static int await_twenty(void *arg)
{
    for (int i = 0; i < 20; i++)
        ACKD_TRY(add_one(arg));
    return ACKD_OK;
}

static void *block_in_a_thread(void *arg)
{
    return ackd_block_on(runtime, await_twenty, arg) == ACKD_OK ? arg : NULL;
}

START_TEST(many_threads_may_block_at_once)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    int numbers[THREADS] = {0};
    begin(2);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, block_in_a_thread, &numbers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_eq(result, &numbers[i]);
        ck_assert_int_eq(numbers[i], 20);
    }
    end();
}
END_TEST

static int codes_on_loop[4];

static void block_in_a_post(void *arg)
{
    codes_on_loop[1] = ackd_block_on(runtime, add_one, arg);
    codes_on_loop[2] = ackd_runtime_run(runtime);
}

static int block_in_a_job(void *arg, struct ackd_token token)
{
    (void)token;
    codes_on_loop[3] = ackd_block_on(runtime, add_one, arg);
    return ACKD_OK;
}

static int block_in_a_task(void *arg)
{
    struct ackd_loop *loop = ackd_loop_current();
    codes_on_loop[0] = ackd_block_on(runtime, add_one, arg);
    ACKD_TRY(ackd_post(loop, block_in_a_post, arg, NULL));
    ACKD_TRY(ackd_yield());
    ACKD_TRY(ackd_delay(5));
    return ackd_offload(block_in_a_job, arg);
}

START_TEST(rule_b1_a_loop_or_pool_thread_is_not_held)
{
    int number = 0;
    memset(codes_on_loop, 0, sizeof codes_on_loop);
    begin(1);
    ck_assert_int_eq(ackd_block_on(runtime, block_in_a_task, &number), ACKD_OK);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(codes_on_loop[i], ACKD_E_ON_LOOP);
    ck_assert_int_eq(number, 0);
    end();
}
END_TEST

START_TEST(rule_a2_the_thread_that_blocks_is_no_task)
{
    int number = 0;
    begin(1);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ackd_delay(1), ACKD_E_NOT_IN_TASK);
        ck_assert_int_eq(ackd_delay(0), ACKD_E_NOT_IN_TASK);
        ck_assert_int_eq(ackd_yield(), ACKD_E_NOT_IN_TASK);
        ck_assert_ptr_null(ackd_task_current());
        ck_assert_ptr_null(ackd_loop_current());
        ck_assert_int_eq(ackd_block_on(runtime, add_one, &number), ACKD_OK);
    }
    ck_assert_int_eq(number, 2);
    end();
}
END_TEST

static pthread_t thread_of_post;

static void note_thread(void *arg)
{
    thread_of_post = pthread_self();
    atomic_store((atomic_bool *)arg, true);
}

START_TEST(a_post_runs_on_the_loop_that_was_asked_for)
{
    atomic_bool ran = false;
    struct ackd_loop *loops[2], *none = NULL;
    int number = 0;
    begin(2);
    ck_assert_int_eq(ackd_runtime_loop(runtime, 0, &loops[0]), ACKD_OK);
    ck_assert_int_eq(ackd_runtime_loop(runtime, 1, &loops[1]), ACKD_OK);
    ck_assert_int_eq(ackd_runtime_loop(runtime, 2, &none), ACKD_E_INVAL);
    ck_assert_ptr_null(none);
    ck_assert_ptr_ne(loops[0], loops[1]);
    ck_assert_int_eq(ackd_post(loops[1], note_thread, &ran, NULL), ACKD_OK);
    ck_assert(!atomic_load(&ran)); /* it does not run yet */
    ck_assert_int_eq(ackd_block_on(runtime, add_one, &number), ACKD_OK);
    while (!atomic_load(&ran))
        sleep_ms(1);
    ck_assert(!pthread_equal(thread_of_post, pthread_self()));
    end();
}
END_TEST

/* A wait that only a call on the loop ends. */
static struct wait *gate;

static int gate_wait(const char *what)
{
    struct wait wait;
    wait_init(&wait, WAIT_TASK, what, ACKD_HERE);
    gate = &wait;
    int code = wait_park(&wait);
    gate = NULL;
    return code;
}

static void gate_open(void *arg)
{
    (void)arg;
    wait_finish(gate, ACKD_OK);
}

static int wait_for_nobody(void *arg)
{
    (void)arg;
    return gate_wait("nobody");
}

static int wait_for_nobody_in_a_child(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_for_nobody, arg));
    return ackd_scope_join(&scope);
}

START_TEST(rule_l5_a_deadlock_ends_with_the_list_of_who_waits)
{
    int number = 0;
    begin(2);
    ck_assert_int_eq(ackd_block_on(runtime, wait_for_nobody_in_a_child, NULL), ACKD_E_DEADLOCK);
    const char *text = ackd_error_text(ackd_error_current());
    ck_assert_msg(strstr(text, "'wait_for_nobody' awaiting task nobody") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "'wait_for_nobody_in_a_child' awaiting scope") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "test_runtime.c:") != NULL, "%s", text);
    ck_assert_int_eq(ackd_block_on(runtime, add_one, &number), ACKD_OK); /* the loop goes on */
    end();
}
END_TEST

static void *post_later(void *arg)
{
    sleep_ms(400);
    ck_assert_int_eq(ackd_post(arg, gate_open, NULL, NULL), ACKD_OK);
    return NULL;
}

static int wait_for_a_post(void *arg)
{
    (void)arg;
    return gate_wait("a post");
}

START_TEST(rule_l5_where_others_can_post_it_is_no_deadlock)
{
    pthread_t thread;
    struct ackd_loop *loop;
    begin(1);
    ck_assert_int_eq(ackd_runtime_loop(runtime, 0, &loop), ACKD_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, post_later, loop), 0);
    ck_assert_int_eq(ackd_block_on(runtime, wait_for_a_post, NULL), ACKD_OK);
    pthread_join(thread, NULL);
    end();
}
END_TEST

static int await_job(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    sleep_ms(400);
    return ACKD_OK;
}

static int offload_beside_a_waiter(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_for_a_post, arg));
    ACKD_TRY(ackd_offload(await_job, arg));
    gate_open(NULL);
    return ackd_scope_join(&scope);
}

START_TEST(rule_l5_a_job_of_the_pool_is_no_deadlock)
{
    begin(1);
    ck_assert_int_eq(ackd_block_on(runtime, offload_beside_a_waiter, NULL), ACKD_OK);
    end();
}
END_TEST

static int count_directory(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static int ask_for_a_local(void *arg);

START_TEST(rule_l4_a_thousand_runtimes_leave_nothing_behind)
{
    int number = 0;
    unsigned long cycles = test_scale(1000);
    begin(2);
    ck_assert_int_eq(ackd_block_on(runtime, ask_for_a_local, &number), ACKD_OK);
    end();
    int descriptors = count_directory("/proc/self/fd");
    int threads = count_directory("/proc/self/task"); /* sanitizers have one, too */
    for (unsigned long i = 0; i < cycles; i++) {
        begin(1 + i % 3);
        if (i % 4 != 0) /* others are never started */
            ck_assert_int_eq(ackd_block_on(runtime, ask_for_a_local, &number), ACKD_OK);
        end();
    }
    ck_assert_int_eq(count_directory("/proc/self/fd"), descriptors);
    ck_assert_int_eq(count_directory("/proc/self/task"), threads);
}
END_TEST

static atomic_int locals_alive;

static int create_local(void **ret_value)
{
    *ret_value = &locals_alive;
    atomic_fetch_add(&locals_alive, 1);
    return ACKD_OK;
}

static void destroy_local(void *value)
{
    ck_assert_int_eq(ackd_delay(1), ACKD_OK);
    atomic_fetch_sub((atomic_int *)value, 1);
}

static int ask_for_a_local(void *arg)
{
    void *local;
    ACKD_TRY(ackd_loop_local(&locals_alive, create_local, destroy_local, &local));
    ++*(int *)arg;
    return ACKD_OK;
}

START_TEST(what_is_local_to_a_loop_is_destroyed_at_its_end)
{
    int number = 0;
    begin(1);
    ck_assert_int_eq(ackd_block_on(runtime, ask_for_a_local, &number), ACKD_OK);
    ck_assert_int_eq(atomic_load(&locals_alive), 1);
    end();
    ck_assert_int_eq(atomic_load(&locals_alive), 0);
}
END_TEST

static atomic_int detached_code;

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    (void)task;
    (void)error;
    (void)arg;
    atomic_store(&detached_code, code);
    return ACKD_OK;
}

static int delay_an_hour(void *arg)
{
    (void)arg;
    return ackd_delay(3600000);
}

static int detach(void *arg)
{
    struct ackd_owner *owner = arg;
    ck_assert_ptr_eq(ackd_owner_current(), owner);
    return ackd_spawn_detached(owner, delay_an_hour, NULL,
                               &(struct ackd_task_options){.name = "detached"}, observe, NULL);
}

START_TEST(what_is_detached_ends_with_the_runtime)
{
    begin(1);
    atomic_store(&detached_code, ACKD_OK);
    ck_assert_int_eq(ackd_block_on(runtime, detach, ackd_runtime_owner(runtime)), ACKD_OK);
    ck_assert_int_eq(atomic_load(&detached_code), ACKD_OK);
    end();
    ck_assert_int_eq(atomic_load(&detached_code), ACKD_CANCELED);
}
END_TEST

static void stop_by_signal(int number)
{
    (void)number;
    ackd_runtime_stop(runtime);
}

START_TEST(a_stop_before_the_run_ends_it_at_once)
{
    begin(2);
    ackd_runtime_stop(runtime);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_E_INVAL); /* once */
    ck_assert_int_eq(ackd_block_on(runtime, add_one, NULL), ACKD_E_CLOSED);
    struct ackd_loop *loop;
    ck_assert_int_eq(ackd_runtime_loop(runtime, 0, &loop), ACKD_OK);
    ck_assert_int_eq(ackd_post(loop, gate_open, NULL, NULL), ACKD_E_CLOSED);
    end();
}
END_TEST

START_TEST(a_signal_handler_may_stop_it)
{
    struct sigaction action = {.sa_handler = stop_by_signal};
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    begin(2);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    end();
    signal(SIGALRM, SIG_DFL);
}
END_TEST

static void *stop_in_a_thread(void *arg)
{
    sleep_ms(20);
    ackd_runtime_stop(arg);
    return NULL;
}

static void *block_for_an_hour(void *arg)
{
    *(int *)arg = ackd_block_on(runtime, delay_an_hour, NULL);
    return arg;
}

START_TEST(a_stop_cancels_what_threads_are_held_by)
{
    pthread_t held, stopping;
    int code = ACKD_OK;
    begin(1);
    ck_assert_int_eq(pthread_create(&held, NULL, block_for_an_hour, &code), 0);
    ck_assert_int_eq(pthread_create(&stopping, NULL, stop_in_a_thread, runtime), 0);
    sleep_ms(10);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    pthread_join(held, NULL);
    pthread_join(stopping, NULL);
    ck_assert(code == ACKD_CANCELED || code == ACKD_E_CLOSED); /* it may come too late to begin */
    end();
}
END_TEST

START_TEST(options_out_of_bounds_are_refused)
{
    struct ackd_runtime *none = NULL;
    static const struct ackd_runtime_options wrong[] = {
        {.loops = 100000},
        {.cpu_threads = 1000000},
        {.tasks_max = 100000000, .stack_guard = ACKD_STACK_GUARD_MPROTECT, .loops = 1},
        {.stack_guard = (enum ackd_stack_guard)7},
        {.blocking = (enum ackd_blocking_policy)7},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(ackd_runtime_new(&wrong[i], &none), ACKD_E_INVAL);
        ck_assert_ptr_null(none);
        if (wrong[i].tasks_max > 0) {
            const char *text = ackd_error_text(ackd_error_current());
            ck_assert_msg(strstr(text, "sysctl vm.max_map_count=") != NULL, "%s", text);
        }
    }
    ackd_runtime_free(&none);
}
END_TEST

START_TEST(all_loops_together_stay_within_the_bound_of_the_kernel)
{
    struct ackd_runtime *none = NULL;
    struct ackd_runtime_options options = {
        .tasks_max = 20000, .stack_guard = ACKD_STACK_GUARD_MPROTECT, .loops = 1};
    if (ackd_runtime_new(&options, &none) != ACKD_OK)
        return; /* this kernel allows for less */
    ackd_runtime_free(&none);
    options.loops = 250;
    ck_assert_int_eq(ackd_runtime_new(&options, &none), ACKD_E_INVAL);
    ck_assert_ptr_null(none);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/runtime");
    TCase *tc = tcase_create("runtime");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, block_on_runs_a_task_and_returns_its_result);
    tcase_add_test(tc, many_threads_may_block_at_once);
    tcase_add_test(tc, rule_b1_a_loop_or_pool_thread_is_not_held);
    tcase_add_test(tc, rule_a2_the_thread_that_blocks_is_no_task);
    tcase_add_test(tc, a_post_runs_on_the_loop_that_was_asked_for);
    tcase_add_test(tc, rule_l5_a_deadlock_ends_with_the_list_of_who_waits);
    tcase_add_test(tc, rule_l5_where_others_can_post_it_is_no_deadlock);
    tcase_add_test(tc, rule_l5_a_job_of_the_pool_is_no_deadlock);
    tcase_add_test(tc, rule_l4_a_thousand_runtimes_leave_nothing_behind);
    tcase_add_test(tc, what_is_local_to_a_loop_is_destroyed_at_its_end);
    tcase_add_test(tc, what_is_detached_ends_with_the_runtime);
    tcase_add_test(tc, a_stop_before_the_run_ends_it_at_once);
    tcase_add_test(tc, a_signal_handler_may_stop_it);
    tcase_add_test(tc, a_stop_cancels_what_threads_are_held_by);
    tcase_add_test(tc, options_out_of_bounds_are_refused);
    tcase_add_test(tc, all_loops_together_stay_within_the_bound_of_the_kernel);
    suite_add_tcase(suite, tc);
    return suite;
}

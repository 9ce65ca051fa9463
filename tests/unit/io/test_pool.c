/* SPDX-License-Identifier: MIT */
#define ACKD_ALLOW_BLOCKING /* its jobs pause */
#include <config.h>

#include "io/pool.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/metric.h"
#include "io/system.h"
#include "main.h"
#include "stage.h"

static void sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* Jobs that hold their threads until it opens. */
static struct {
    atomic_uint begun;
    atomic_bool open;
} gate;

static int hold(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    atomic_fetch_add(&gate.begun, 1);
    while (!atomic_load(&gate.open))
        sleep_us(200);
    return ACKD_OK;
}

static int hold_thread(void *arg)
{
    return ackd_offload(hold, arg);
}

static int wait_until_begun(unsigned count)
{
    while (atomic_load(&gate.begun) < count)
        ACKD_TRY(ackd_delay(1));
    return ACKD_OK;
}

static void open_pool(unsigned threads, size_t queue)
{
    const struct pool_options options = {.threads = threads, .queue = queue};
    ck_assert_int_eq(pool_open(&options), 0);
}

static struct ackd_cpu_pool_counts counts(void)
{
    struct ackd_cpu_pool_counts now;
    ackd_cpu_pool_counts(&now);
    return now;
}

static int threads_now(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* The kernel lists a thread for a moment after it was joined. */
static int threads_soon(int wanted)
{
    int count = threads_now();
    for (int tries = 0; count != wanted && tries < 1000; tries++) {
        usleep(1000);
        count = threads_now();
    }
    return count;
}

START_TEST(rule_o2_more_threads_than_four_times_the_processors_are_refused)
{
    unsigned most = system_processors() * 4;
    ck_assert_int_eq(pool_open(&(struct pool_options){.threads = most + 1}), ACKD_E_INVAL);
    const char *text = ackd_error_text(ackd_error_current());
    char expected[64];
    snprintf(expected, sizeof expected, "'cpu-threads' is %u", most + 1);
    ck_assert_ptr_nonnull(strstr(text, expected));
    snprintf(expected, sizeof expected, "no faster by more than %u threads", most);
    ck_assert_ptr_nonnull(strstr(text, expected));
    ck_assert_uint_eq(counts().threads, 0);
    open_pool(most, 0);
    ck_assert_uint_eq(counts().threads, most);
    pool_close();
    ck_assert_int_eq(pool_open(NULL), 0);
    ck_assert_uint_eq(counts().threads, system_processors() * 2);
    pool_close();
}
END_TEST

static struct {
    atomic_uint running, most, done;
} crowd;

/* Stays until as many run as there are threads, at least the first time. */
static int crowd_in(void *arg, struct ackd_token token)
{
    unsigned threads = *(unsigned *)arg;
    (void)token;
    unsigned now = atomic_fetch_add(&crowd.running, 1) + 1;
    unsigned most = atomic_load(&crowd.most);
    while (most < now && !atomic_compare_exchange_weak(&crowd.most, &most, now))
        ;
    for (int i = 0; i < 50000 && atomic_load(&crowd.most) < threads; i++)
        sleep_us(100);
    sleep_us(100);
    atomic_fetch_sub(&crowd.running, 1);
    atomic_fetch_add(&crowd.done, 1);
    return ACKD_OK;
}

static int crowd_one(void *arg)
{
    return ackd_offload(crowd_in, arg);
}

static int crowd_all(void *arg)
{
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < 100; i++)
        ACKD_TRY(ackd_spawn(&scope, crowd_one, arg));
    return ackd_scope_join(&scope);
}

START_TEST(rule_o2_never_more_jobs_run_at_once_than_there_are_threads)
{
    unsigned threads = (unsigned)_i;
    open_pool(threads, 0);
    stage_expect(crowd_all, &threads);
    ck_assert_uint_eq(atomic_load(&crowd.most), threads);
    ck_assert_uint_eq(atomic_load(&crowd.done), 100);
    ck_assert_uint_eq(counts().completed, 100);
    ck_assert_uint_eq(counts().running + counts().queued, 0);
    pool_close();
}
END_TEST

static int do_nothing(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    return ACKD_OK;
}

static int offload_often(void *arg)
{
    for (unsigned i = 0; i < *(unsigned *)arg; i++)
        ACKD_TRY(ackd_offload(do_nothing, NULL));
    return ACKD_OK;
}

START_TEST(test_threads_start_as_they_are_needed_and_are_joined)
{
    unsigned times = 50;
    open_pool(4, 0);
    stage_expect(offload_often, &times);
    pool_close(); /* a sanitizer starts a thread of its own with the first */
    int before = threads_now();
    open_pool(4, 0);
    ck_assert_int_eq(threads_now(), before);
    stage_expect(offload_often, &times);
    ck_assert_int_eq(threads_now(), before + 1); /* one after the other */
    pool_close();
    ck_assert_int_eq(threads_soon(before), before);
    ck_assert_uint_eq(counts().completed, 50);
}
END_TEST

START_TEST(test_opens_and_closes_again_and_again)
{
    unsigned times = 3;
    for (unsigned i = 0; i < test_scale(50); i++) {
        open_pool(2, 0);
        stage_expect(offload_often, &times);
        pool_close();
    }
}
END_TEST

START_TEST(test_users_share_it_and_the_last_ends_it)
{
    unsigned times = 1;
    open_pool(1, 0);
    open_pool(3, 0);
    ck_assert_int_eq(pool_open(NULL), 0);
    ck_assert_uint_eq(counts().threads, 1);
    pool_close();
    pool_close();
    stage_expect(offload_often, &times);
    pool_close();
}
END_TEST

static int offload_without_pool(void *arg)
{
    (void)arg;
    TASK_CHECK(ackd_offload(do_nothing, NULL) == ACKD_E_NOT_OPEN);
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "'do_nothing' has no pool") != NULL);
    return ACKD_OK;
}

START_TEST(test_without_a_pool_a_job_is_refused)
{
    stage_expect(offload_without_pool, NULL);
}
END_TEST

static int tell_nice(void *arg, struct ackd_token token)
{
    (void)token;
    *(int *)arg = getpriority(PRIO_PROCESS, 0);
    return ACKD_OK;
}

static int compare_nice(void *arg)
{
    int own = getpriority(PRIO_PROCESS, 0);
    int expected = own + 10 > 19 ? 19 : own + 10;
    int pooled = -100, threaded = -100;
    (void)arg;
    ACKD_TRY(ackd_offload(tell_nice, &pooled));
    ACKD_TRY(ackd_thread(tell_nice, &threaded));
    TASK_CHECK(pooled == expected);
    TASK_CHECK(threaded == expected);
    TASK_CHECK(getpriority(PRIO_PROCESS, 0) == own);
    return ACKD_OK;
}

START_TEST(test_jobs_run_with_a_lower_priority_than_loops)
{
    open_pool(1, 0);
    stage_expect(compare_nice, NULL);
    pool_close();
}
END_TEST

/* In what order jobs of two loops were begun: 1000 of each, one thread. */
enum { TURNS_EACH = 1000 };

static struct {
    atomic_uint next;
    char loops[2 * TURNS_EACH];
    unsigned each;
    atomic_uint spawned;
} turns;

static int note_turn(void *arg, struct ackd_token token)
{
    (void)token;
    turns.loops[atomic_fetch_add(&turns.next, 1)] = *(const char *)arg;
    return ACKD_OK;
}

static int note_one(void *arg)
{
    atomic_fetch_add(&turns.spawned, 1);
    return ackd_offload(note_turn, arg);
}

static int note_each(void *arg)
{
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < turns.each; i++)
        ACKD_TRY(ackd_spawn(&scope, note_one, arg));
    return ackd_scope_join(&scope);
}

static int hold_all(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
    while (counts().queued < 2 * turns.each)
        ACKD_TRY(ackd_delay(1));
    atomic_store(&gate.open, true);
    return ackd_scope_join(&scope);
}

START_TEST(rule_o6_two_loops_take_turns)
{
    struct stage stages[3];
    static char names[] = "ab";
    turns.each = (unsigned)test_scale(TURNS_EACH);
    open_pool(1, 0);
    for (int i = 0; i < 3; i++)
        stage_open(&stages[i], "turns");
    stage_start(&stages[2], hold_all, NULL);
    while (atomic_load(&gate.begun) == 0)
        sleep_us(100);
    /* The first has queued all of its own before the second queues any. */
    stage_start(&stages[0], note_each, &names[0]);
    while (counts().queued < turns.each)
        sleep_us(100);
    stage_start(&stages[1], note_each, &names[1]);
    for (int i = 0; i < 3; i++) {
        stage_join(&stages[i]);
        ck_assert_int_eq(stages[i].code, ACKD_OK);
        stage_close(&stages[i]);
    }
    pool_close();
    unsigned seen[2] = {0, 0};
    ck_assert_uint_eq(atomic_load(&turns.next), 2 * turns.each);
    for (unsigned i = 0; i < 2 * turns.each; i++) {
        seen[turns.loops[i] == 'b']++;
        unsigned least = seen[0] < seen[1] ? seen[0] : seen[1];
        test_that(i + 1 - 2 * least <= 1 + i / 10); /* within 10 % */
    }
}
END_TEST

static struct {
    char lines[4096];
    size_t length;
} logged;

static void keep_line(const struct log_record *record, void *arg)
{
    (void)arg;
    char line[1024];
    log_format_logfmt(record, line, sizeof line);
    logged.length += (size_t)snprintf(logged.lines + logged.length,
                                      sizeof logged.lines - logged.length, "%s\n", line);
    ck_assert_uint_lt(logged.length, sizeof logged.lines);
}

static unsigned logged_times(const char *text)
{
    unsigned count = 0;
    for (const char *at = logged.lines; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static uint64_t idle_ticks, all_ticks, idle_step;
static atomic_int asked; /* looks at the processors */

static void tell_processors(uint64_t *ret_idle, uint64_t *ret_total)
{
    *ret_idle = idle_ticks += idle_step;
    *ret_total = all_ticks += 100;
}

/* Two episodes of a thread that is held while a job waits. */
static int starve(void *arg)
{
    for (unsigned episode = 1; episode <= 2; episode++) {
        ACKD_SCOPE(scope);
        atomic_store(&gate.open, false);
        ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
        ACKD_TRY(wait_until_begun(2 * episode - 1));
        ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
        uint64_t start_ns = stage_now_ns();
        while (stage_now_ns() - start_ns < 500 * NS_PER_MS &&
               (idle_step <= 50 || counts().starved < episode))
            ACKD_TRY(ackd_delay(5));
        ACKD_TRY(ackd_delay(250)); /* it is said once, however long it goes on */
        TASK_CHECK(counts().queued == 1 && counts().running == 1);
        TASK_CHECK(counts().oldest_queued_ns >= 100 * NS_PER_MS);
        TASK_CHECK(metric_sum(METRIC_cpu_jobs_queued, "") == 1);
        TASK_CHECK(metric_sum(METRIC_cpu_jobs_running, "") == 1);
        TASK_CHECK(metric_sum(METRIC_cpu_jobs_oldest_us, "") >= 100000);
        atomic_store(&gate.open, true);
        ACKD_TRY(ackd_scope_join(&scope));
        TASK_CHECK(counts().oldest_queued_ns == 0);
        TASK_CHECK(metric_sum(METRIC_cpu_jobs_queued, "") == 0);
        TASK_CHECK(metric_sum(METRIC_cpu_jobs_oldest_us, "") == 0);
    }
    return ACKD_OK;
}

/* 0: processors are busy; 1: they are idle. */
START_TEST(test_jobs_that_wait_while_processors_are_idle_are_said_once_for_each_episode)
{
    uint64_t before = metric_sum(METRIC_cpu_pool_starved, "");
    idle_step = _i == 1 ? 90 : 50;
    log_use(keep_line, NULL);
    const struct pool_options options = {.threads = 1, .processors = tell_processors};
    ck_assert_int_eq(pool_open(&options), 0);
    stage_expect(starve, NULL);
    unsigned expected = _i == 1 ? 2 : 0;
    ck_assert_uint_eq(counts().starved, expected);
    pool_close();
    log_use(NULL, NULL);
    ck_assert_uint_eq(metric_sum(METRIC_cpu_pool_starved, "") - before, expected);
    ck_assert_uint_eq(logged_times("event=cpu-pool-starved"), expected);
    ck_assert_uint_eq(logged_times("what runs on its 1 threads ('hold')"), expected);
}
END_TEST

/* A slow one: a loop that submits meanwhile does not wait for it. */
static void ask_processors(uint64_t *ret_idle, uint64_t *ret_total)
{
    (void)counts(); /* takes what a job takes */
    atomic_fetch_add(&asked, 1);
    *ret_idle = *ret_total = 0;
}

static int starve_until_asked(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
    ACKD_TRY(wait_until_begun(1));
    ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
    while (atomic_load(&asked) < 2)
        ACKD_TRY(ackd_delay(5));
    atomic_store(&gate.open, true);
    return ackd_scope_join(&scope);
}

START_TEST(test_no_job_waits_for_a_look_at_the_processors)
{
    const struct pool_options options = {.threads = 1, .processors = ask_processors};
    ck_assert_int_eq(pool_open(&options), 0);
    stage_expect(starve_until_asked, NULL);
    pool_close();
}
END_TEST

static void read_processors(uint64_t *ret_idle, uint64_t *ret_total)
{
    unsigned long long ticks[8];
    FILE *file = fopen("/proc/stat", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0],
                            &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                            &ticks[7]),
                     8);
    fclose(file);
    *ret_total = 0;
    for (int i = 0; i < 8; i++)
        *ret_total += ticks[i];
    *ret_idle = ticks[3] + ticks[4];
}

static uint64_t real_idle_percent;

/* The share of four of the pool's looks, or of a little more. */
static int starve_really(void *arg)
{
    uint64_t idle_before, total_before, idle, total;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
    ACKD_TRY(wait_until_begun(1));
    ACKD_TRY(ackd_spawn(&scope, hold_thread, arg));
    read_processors(&idle_before, &total_before);
    ACKD_TRY(ackd_delay(450));
    read_processors(&idle, &total);
    real_idle_percent = (idle - idle_before) * 100 / (total - total_before);
    atomic_store(&gate.open, true);
    return ackd_scope_join(&scope);
}

START_TEST(test_the_system_says_how_idle_its_processors_are)
{
    open_pool(1, 0);
    stage_expect(starve_really, NULL);
    /* In between it depends on how the idle time was spread. */
    if (real_idle_percent > 80)
        ck_assert_uint_eq(counts().starved, 1);
    if (real_idle_percent < 10)
        ck_assert_uint_eq(counts().starved, 0);
    pool_close();
}
END_TEST

static int spin(void *arg, struct ackd_token token)
{
    uint64_t start_ns = stage_now_ns();
    (void)token;
    while (stage_now_ns() - start_ns < *(unsigned *)arg * UINT64_C(1000))
        ;
    return ACKD_OK;
}

static int spin_often(void *arg)
{
    for (unsigned i = 0; i < 1200; i++)
        ACKD_TRY(ackd_offload(spin, arg));
    return ACKD_OK;
}

START_TEST(test_too_many_short_jobs_are_said_once)
{
    unsigned us = _i == 1 ? 0 : 60;
    uint64_t before = metric_sum(METRIC_cpu_jobs_run_us, "");
    log_use(keep_line, NULL);
    open_pool(1, 0);
    stage_expect(spin_often, &us);
    ck_assert_uint_eq(counts().completed, 1200);
    if (us > 0)
        ck_assert_uint_eq(counts().shorter_than_50us, 0);
    bool many = counts().shorter_than_50us > 600; /* on the slowest of machines there may be none */
    pool_close();
    log_use(NULL, NULL);
    ck_assert_uint_ge(metric_sum(METRIC_cpu_jobs_run_us, "") - before, us * 1200);
    if (many)
        ck_assert_uint_eq(logged_times("event=cpu-jobs-short"), 1);
    if (us > 0)
        ck_assert_uint_eq(logged_times("event=cpu-jobs-short"), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/pool");
    TCase *tc = tcase_create("pool");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, rule_o2_more_threads_than_four_times_the_processors_are_refused);
    tcase_add_loop_test(tc, rule_o2_never_more_jobs_run_at_once_than_there_are_threads, 1, 5);
    tcase_add_test(tc, test_threads_start_as_they_are_needed_and_are_joined);
    tcase_add_test(tc, test_opens_and_closes_again_and_again);
    tcase_add_test(tc, test_users_share_it_and_the_last_ends_it);
    tcase_add_test(tc, test_without_a_pool_a_job_is_refused);
    tcase_add_test(tc, test_jobs_run_with_a_lower_priority_than_loops);
    tcase_add_test(tc, rule_o6_two_loops_take_turns);
    tcase_add_loop_test(
        tc, test_jobs_that_wait_while_processors_are_idle_are_said_once_for_each_episode, 0, 2);
    tcase_add_test(tc, test_no_job_waits_for_a_look_at_the_processors);
    tcase_add_test(tc, test_the_system_says_how_idle_its_processors_are);
    tcase_add_loop_test(tc, test_too_many_short_jobs_are_said_once, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}

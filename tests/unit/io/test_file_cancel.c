/* SPDX-License-Identifier: MIT */
#undef _FORTIFY_SOURCE      /* it defines inline what is replaced below */
#define ACKD_ALLOW_BLOCKING /* threads of libuv pause */
#include <config.h>

#include <ackd/file.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "folder.h"
#include "io/pool.h"
#include "main.h"
#include "stage.h"

/* libuv's threads, held by work of another loop: requests queue behind it. */
static struct {
    uv_loop_t loop;
    uv_work_t work[4];
    sem_t held, release;
} threads;

static void hold_thread(uv_work_t *work)
{
    (void)work;
    sem_post(&threads.held);
    sem_wait(&threads.release);
}

static void hold_threads(void)
{
    uv_loop_init(&threads.loop);
    sem_init(&threads.held, 0, 0);
    sem_init(&threads.release, 0, 0);
    for (int i = 0; i < 4; i++)
        uv_queue_work(&threads.loop, &threads.work[i], hold_thread, NULL);
    for (int i = 0; i < 4; i++)
        sem_wait(&threads.held);
}

static void release_threads(void)
{
    for (int i = 0; i < 4; i++)
        sem_post(&threads.release);
    uv_run(&threads.loop, UV_RUN_DEFAULT);
    uv_loop_close(&threads.loop);
}

/* What libuv calls on its threads, to hold it there: these come before the C library's. */
static struct {
    atomic_bool on, entered, open;
    atomic_uint calls;
} door;

static void pass_door(void)
{
    atomic_fetch_add(&door.calls, 1);
    if (!atomic_load(&door.on))
        return;
    atomic_store(&door.entered, true);
    while (!atomic_load(&door.open))
        usleep(200);
}

ACKD_API ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset);
ACKD_API ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);

ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    pass_door();
    return syscall(SYS_pread64, fd, buffer, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    pass_door();
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

static void close_door(void)
{
    atomic_store(&door.entered, false);
    atomic_store(&door.open, false);
    atomic_store(&door.on, true);
}

static void open_door(void)
{
    atomic_store(&door.on, false);
    atomic_store(&door.open, true);
}

/* One of each call, on a file "there" with 3 MiB; what it returned. */
enum { EACH_COUNT = 11, EACH_SIZE = 3 * 1024 * 1024 };

static struct {
    int which;
    int code;
    struct ackd_file *file;
    char *bytes;
} each;

static int call_each(void *arg)
{
    struct ackd_file_info info;
    struct ackd_bytes bytes;
    const char *const *list;
    size_t count;
    (void)arg;
    ACKD_FILE(file);
    switch (each.which) {
    case 0:
        return each.code = ackd_file_open("made", ACKD_FILE_APPEND | ACKD_FILE_CREATE, 0600, &file);
    case 1:
        return each.code = ackd_file_read_from(each.file, 0, each.bytes, EACH_SIZE, &count);
    case 2:
        return each.code = ackd_file_write_to(each.file, 0, each.bytes, EACH_SIZE);
    case 3:
        return each.code = ackd_file_sync(each.file);
    case 4:
        return each.code = ackd_file_stat("there", &info);
    case 5:
        return each.code = ackd_file_read_whole("there", EACH_SIZE, &bytes);
    case 6:
        return each.code = ackd_file_replace("there", "new", 3, 0600);
    case 7:
        return each.code = ackd_file_remove("there");
    case 8:
        return each.code = ackd_file_rename("there", "made");
    case 9:
        return each.code = ackd_directory_make("made", 0700);
    default:
        return each.code = ackd_directory_list(".", 100, &list, &count);
    }
}

static int prepare_each(int which)
{
    each.which = which;
    each.code = 1;
    ACKD_TRY(ackd_file_open("there", ACKD_FILE_READ | ACKD_FILE_WRITE | ACKD_FILE_CREATE, 0600,
                            &each.file));
    each.bytes = malloc(EACH_SIZE);
    memset(each.bytes, 'o', EACH_SIZE);
    int code = ackd_file_write(each.file, each.bytes, EACH_SIZE);
    memset(each.bytes, 'n', EACH_SIZE);
    return code;
}

static int forget_each(int code)
{
    ackd_file_close(&each.file);
    free(each.bytes);
    return code;
}

static int unchanged(void)
{
    struct ackd_bytes bytes;
    struct ackd_file_info info;
    const char *const *list;
    size_t count = 0;
    ACKD_TRY(ackd_file_read_whole("there", EACH_SIZE, &bytes));
    TASK_CHECK(bytes.size == EACH_SIZE && memchr(bytes.data, 'n', EACH_SIZE) == NULL);
    TASK_CHECK(ackd_file_stat("made", &info) == ACKD_E_NOT_FOUND);
    ACKD_TRY(ackd_directory_list(".", 100, &list, &count));
    TASK_CHECK(count == 1);
    for (size_t i = 0; i < EACH_SIZE; i++)
        TASK_CHECK(each.bytes[i] == 'n');
    return ACKD_OK;
}

static int cancel_queued(void *arg)
{
    ACKD_TRY(prepare_each(*(int *)arg));
    hold_threads();
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *task;
    ACKD_TRY(ackd_spawn_task(&scope, call_each, NULL,
                             (&(struct ackd_task_options){.name = "queued"}), &task));
    ACKD_TRY(ackd_yield());
    bool waited = ackd_task_state(task) == ACKD_TASK_AWAITING;
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    int code = ackd_await(task); /* while libuv's threads are held */
    ackd_task_unref(task);
    release_threads();
    TASK_CHECK(waited);
    TASK_CHECK(code == ACKD_CANCELED && each.code == ACKD_CANCELED);
    ACKD_TRY(ackd_scope_join(&scope));
    return forget_each(unchanged());
}

START_TEST(rule_c22_a_queued_request_is_taken_back_and_never_happens)
{
    int before = folder_descriptors();
    stage_expect(cancel_queued, &_i);
    ck_assert_int_le(folder_descriptors(), before + 4); /* of the other loop's, which libuv keeps */
}
END_TEST

static int cancelled_before(void *arg)
{
    ACKD_TRY(prepare_each(*(int *)arg));
    unsigned calls = atomic_load(&door.calls);
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *task;
    ACKD_TRY(ackd_spawn_task(&scope, call_each, NULL, (&(struct ackd_task_options){.name = "late"}),
                             &task));
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    int code = ackd_await(task);
    ackd_task_unref(task);
    TASK_CHECK(code == ACKD_CANCELED);
    TASK_CHECK(atomic_load(&door.calls) == calls);
    ACKD_TRY(ackd_scope_join(&scope));
    return forget_each(unchanged());
}

START_TEST(rule_c16_a_cancelled_task_asks_for_nothing)
{
    stage_expect(cancelled_before, &_i);
}
END_TEST

/* A read, and a write of three pieces, are held inside the system's call. */
static int cancel_under_way(void *arg)
{
    bool writes = *(int *)arg == 1;
    ACKD_TRY(prepare_each(writes ? 2 : 1));
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *task;
    close_door();
    ACKD_TRY(ackd_spawn_task(&scope, call_each, NULL,
                             (&(struct ackd_task_options){.name = "under way"}), &task));
    while (!atomic_load(&door.entered))
        ACKD_TRY(ackd_delay(1));
    unsigned calls = atomic_load(&door.calls);
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    ACKD_TRY(ackd_delay(50));
    TASK_CHECK(ackd_task_state(task) == ACKD_TASK_AWAITING); /* it waits for the end */
    open_door();
    int code = ackd_await(task);
    ackd_task_unref(task);
    ACKD_TRY(ackd_scope_join(&scope));
    TASK_CHECK(atomic_load(&door.calls) == calls); /* of the pieces, one */
    /* A read that came back is read; a write is not whole. */
    TASK_CHECK(code == (writes ? ACKD_CANCELED : ACKD_OK));
    TASK_CHECK(each.bytes[0] == (writes ? 'n' : 'o'));
    memset(each.bytes, '-', EACH_SIZE);
    ACKD_TRY(ackd_delay(20));
    for (size_t i = 0; i < EACH_SIZE; i++)
        TASK_CHECK(each.bytes[i] == '-');
    return forget_each(ACKD_OK);
}

START_TEST(rule_c21_a_request_under_way_is_awaited_to_its_end)
{
    stage_expect(cancel_under_way, &_i);
}
END_TEST

static int pass_ns(uint64_t ns)
{
    uint64_t start_ns = stage_now_ns();
    while (stage_now_ns() - start_ns < ns)
        ACKD_TRY(ackd_yield());
    return ACKD_OK;
}

/* At whatever moment, and a little after the end: the file is old or new, and there is no other. */
static int cancel_replace(void *arg)
{
    uint32_t random = 7;
    unsigned long cancelled = 0, count = test_scale(300);
    (void)arg;
    each.which = 6;
    uint64_t whole_ns = stage_now_ns();
    ACKD_TRY(call_each(NULL));
    whole_ns = stage_now_ns() - whole_ns;
    for (unsigned long i = 0; i < count; i++) {
        const char *const *list;
        size_t names;
        ACKD_TRY(folder_put("there", "old"));
        ACKD_SCOPE_SUPERVISED(scope);
        struct ackd_task *task;
        ACKD_TRY(ackd_spawn_task(&scope, call_each, NULL,
                                 (&(struct ackd_task_options){.name = "replace"}), &task));
        random = random * 1664525 + 1013904223;
        ACKD_TRY(pass_ns(whole_ns * (random >> 24) / 128)); /* up to twice as long */
        ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        int code = ackd_await(task);
        ackd_task_unref(task);
        ACKD_TRY(ackd_scope_join(&scope));
        TASK_CHECK(code == ACKD_OK || code == ACKD_CANCELED);
        ACKD_TRY(folder_expect("there", code == ACKD_OK ? "new" : "old"));
        ACKD_TRY(ackd_directory_list(".", 10, &list, &names));
        TASK_CHECK(names == 1);
        cancelled += code == ACKD_CANCELED;
    }
    printf("# %lu of %lu cancelled\n", cancelled, count);
    TASK_CHECK(count < 100 || (cancelled > 0 && cancelled < count));
    return ACKD_OK;
}

START_TEST(test_cancelled_at_each_moment_a_file_is_old_or_new)
{
    int before = folder_descriptors();
    stage_expect(cancel_replace, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

static atomic_uint held_jobs;
static atomic_bool let_jobs_go;

static int hold_job(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    atomic_fetch_add(&held_jobs, 1);
    while (!atomic_load(&let_jobs_go))
        ;
    return ACKD_OK;
}

static int hold_job_thread(void *arg)
{
    return ackd_offload(hold_job, arg);
}

static int compare_ns(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

enum { STATS = 51 };

static int stat_beside_jobs(void *arg)
{
    uint64_t took_ns[STATS];
    (void)arg;
    ACKD_SCOPE(scope);
    for (int i = 0; i < 16; i++)
        ACKD_TRY(ackd_spawn(&scope, hold_job_thread, NULL));
    while (atomic_load(&held_jobs) < 4)
        ACKD_TRY(ackd_delay(1));
    for (int i = 0; i < STATS; i++) {
        struct ackd_file_info info;
        uint64_t start_ns = stage_now_ns();
        ACKD_TRY(ackd_file_stat(".", &info));
        took_ns[i] = stage_now_ns() - start_ns;
    }
    /* Had they shared threads, no stat had come back at all. */
    TASK_CHECK(atomic_load(&held_jobs) == 4);
    atomic_store(&let_jobs_go, true);
    qsort(took_ns, STATS, sizeof took_ns[0], compare_ns);
    printf("# stat p50 %llu us, longest %llu us\n", (unsigned long long)took_ns[STATS / 2] / 1000,
           (unsigned long long)took_ns[STATS - 1] / 1000);
    TASK_CHECK(took_ns[STATS / 2] < 100 * NS_PER_MS); /* the rule says 10; others may compute too */
    return ackd_scope_join(&scope);
}

START_TEST(rule_o5_jobs_that_fill_the_pool_do_not_delay_files)
{
    ck_assert_int_eq(pool_open(&(struct pool_options){.threads = 4}), 0);
    stage_expect(stat_beside_jobs, NULL);
    pool_close();
}
END_TEST

static int read_in_vain(void *arg)
{
    char byte;
    size_t got;
    return ackd_file_read(arg, &byte, 1, &got);
}

static int close_under_a_call(void *arg)
{
    (void)arg;
    struct ackd_file *file = NULL;
    ACKD_TRY(folder_put("there", "x"));
    ACKD_TRY(ackd_file_open("there", ACKD_FILE_READ, 0, &file));
    hold_threads();
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, read_in_vain, file));
    ACKD_TRY(ackd_yield());
    ackd_file_close(&file); /* the other task's call goes on with it */
    release_threads();
    return ackd_scope_join(&scope);
}

START_TEST(test_a_file_that_is_let_go_within_a_call_lives_to_its_end)
{
    int before = folder_descriptors();
    stage_expect(close_under_a_call, NULL);
    ck_assert_int_le(folder_descriptors(), before + 4);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/file_cancel");
    TCase *tc = tcase_create("file");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, folder_enter, folder_leave);
    tcase_add_loop_test(tc, rule_c22_a_queued_request_is_taken_back_and_never_happens, 0,
                        EACH_COUNT);
    tcase_add_loop_test(tc, rule_c16_a_cancelled_task_asks_for_nothing, 0, EACH_COUNT);
    tcase_add_loop_test(tc, rule_c21_a_request_under_way_is_awaited_to_its_end, 0, 2);
    tcase_add_test(tc, test_cancelled_at_each_moment_a_file_is_old_or_new);
    tcase_add_test(tc, rule_o5_jobs_that_fill_the_pool_do_not_delay_files);
    tcase_add_test(tc, test_a_file_that_is_let_go_within_a_call_lives_to_its_end);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/file.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "main.h"
#include "stage.h"
#include "task/sanitizer.h"

static int write_and_read(void *arg)
{
    char buffer[16] = "";
    size_t got = 0;
    (void)arg;
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open("a", ACKD_FILE_READ | ACKD_FILE_WRITE | ACKD_FILE_CREATE, 0640, &file));
    ACKD_TRY(ackd_file_write(file, "hello, ", 7));
    ACKD_TRY(ackd_file_write(file, "world", 5));
    ACKD_TRY(ackd_file_write_to(file, 0, "J", 1));
    ACKD_TRY(ackd_file_sync(file));
    ACKD_TRY(ackd_file_read(file, buffer, sizeof buffer, &got));
    TASK_CHECK(got == 0); /* it is where the last write ended */
    ACKD_TRY(ackd_file_read_from(file, 7, buffer, 3, &got));
    TASK_CHECK(got == 3 && memcmp(buffer, "wor", 3) == 0);
    ACKD_TRY(ackd_file_read_from(file, 12, buffer, 3, &got));
    TASK_CHECK(got == 0);
    ackd_file_close(&file);
    TASK_CHECK(file == NULL);
    ackd_file_close(&file);
    ACKD_TRY(ackd_file_open("a", ACKD_FILE_READ, 0, &file));
    ACKD_TRY(ackd_file_read(file, buffer, 5, &got));
    TASK_CHECK(got == 5 && memcmp(buffer, "Jello", 5) == 0);
    ACKD_TRY(ackd_file_read(file, buffer, sizeof buffer, &got));
    TASK_CHECK(got == 7 && memcmp(buffer, ", world", 7) == 0);
    TASK_CHECK(ackd_file_write(file, "x", 1) == ACKD_E_INVAL);
    ackd_file_close(&file);
    ACKD_TRY(ackd_file_open("a", ACKD_FILE_APPEND, 0, &file));
    ACKD_TRY(ackd_file_write_to(file, 0, "!", 1));
    ACKD_TRY(ackd_file_write(file, "!", 1));
    TASK_CHECK(ackd_file_read(file, buffer, 1, &got) == ACKD_E_INVAL);
    ACKD_TRY(folder_expect("a", "Jello, world!!"));
    ACKD_TRY(folder_put("a", "short"));
    ACKD_TRY(folder_expect("a", "short"));
    struct stat found;
    TASK_CHECK(stat("a", &found) == 0 && (found.st_mode & 0777) == 0640);
    return ACKD_OK;
}

START_TEST(test_writes_and_reads)
{
    int before = folder_descriptors();
    stage_expect(write_and_read, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

enum { LARGE = 5 * 1024 * 1024 + 17 };

static int write_large(void *arg)
{
    unsigned char *bytes = malloc(LARGE);
    struct ackd_bytes whole;
    (void)arg;
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 509);
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open("large", ACKD_FILE_WRITE | ACKD_FILE_CREATE, 0600, &file));
    int code = ackd_file_write(file, bytes, LARGE);
    if (code == ACKD_OK)
        code = ackd_file_write_to(file, LARGE, bytes, LARGE);
    if (code == ACKD_OK)
        code = ackd_file_read_whole("large", 2 * LARGE, &whole);
    bool same = code == ACKD_OK && whole.size == 2 * LARGE &&
                memcmp(whole.data, bytes, LARGE) == 0 &&
                memcmp((const char *)whole.data + LARGE, bytes, LARGE) == 0;
    free(bytes);
    TASK_CHECK(code != ACKD_OK || same);
    return code;
}

START_TEST(test_writes_and_reads_more_than_a_piece)
{
    stage_expect(write_large, NULL);
}
END_TEST

static int refusals(void *arg)
{
    struct ackd_file *file = NULL;
    struct ackd_bytes bytes;
    struct ackd_file_info info;
    char byte;
    size_t got;
    (void)arg;
    TASK_CHECK(ackd_file_open("missing", ACKD_FILE_READ, 0, &file) == ACKD_E_NOT_FOUND);
    const struct ackd_error *error = ackd_error_current();
    TASK_CHECK(strcmp(ackd_error_text(error), "cannot open 'missing': no such file or directory") ==
               0);
    TASK_CHECK(strcmp(ackd_error_function(error), __func__) == 0);
    TASK_CHECK(ackd_file_read_whole("missing", 10, &bytes) == ACKD_E_NOT_FOUND);
    TASK_CHECK(ackd_file_stat("missing/x", &info) == ACKD_E_NOT_FOUND);
    TASK_CHECK(ackd_file_remove("missing") == ACKD_E_NOT_FOUND);
    TASK_CHECK(ackd_file_rename("missing", "there") == ACKD_E_NOT_FOUND);
    TASK_CHECK(ackd_file_replace("missing/x", "", 0, 0600) == ACKD_E_NOT_FOUND);
    TASK_CHECK(ackd_file_open("", ACKD_FILE_READ, 0, &file) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_open(NULL, ACKD_FILE_READ, 0, &file) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_open("x", 0, 0, &file) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_open("x", ACKD_FILE_CREATE, 0, &file) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_open("x", ACKD_FILE_READ | ACKD_FILE_TRUNCATE, 0, &file) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_open("x", ACKD_FILE_READ | 64, 0, &file) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_open(".", ACKD_FILE_WRITE, 0, &file) == ACKD_E_OS);
    TASK_CHECK(ackd_error_errno(ackd_error_current()) == EISDIR);
    ACKD_TRY(folder_put("there", "x"));
    TASK_CHECK(ackd_file_open("there", ACKD_FILE_WRITE | ACKD_FILE_EXCLUSIVE, 0600, &file) ==
               ACKD_E_OS);
    TASK_CHECK(ackd_error_errno(ackd_error_current()) == EEXIST);
    TASK_CHECK(file == NULL);
    TASK_CHECK(ackd_file_read(file, &byte, 1, &got) == ACKD_E_INVAL);
    TASK_CHECK(ackd_file_sync(file) == ACKD_E_INVAL);
    ACKD_TRY(ackd_file_open("there", ACKD_FILE_READ, 0, &file));
    int code = ackd_file_read_from(file, UINT64_MAX - 1, &byte, 1, &got);
    ackd_file_close(&file);
    TASK_CHECK(code == ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_what_is_refused_is_said)
{
    int before = folder_descriptors();
    stage_expect(refusals, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

static int no_permission(void *arg)
{
    struct ackd_file *file = NULL;
    (void)arg;
    ACKD_TRY(folder_put("secret", "x"));
    TASK_CHECK(chmod("secret", 0) == 0);
    if (access("secret", R_OK) == 0)
        return ACKD_OK; /* root may do all */
    TASK_CHECK(ackd_file_open("secret", ACKD_FILE_READ, 0, &file) == ACKD_E_OS);
    TASK_CHECK(ackd_error_errno(ackd_error_current()) == EACCES);
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "permission denied"));
    TASK_CHECK(chmod(".", 0500) == 0);
    int code = ackd_file_replace("secret", "y", 1, 0600);
    TASK_CHECK(chmod(".", 0700) == 0);
    TASK_CHECK(code == ACKD_E_OS && ackd_error_errno(ackd_error_current()) == EACCES);
    return ACKD_OK;
}

START_TEST(test_what_is_not_permitted_is_said)
{
    stage_expect(no_permission, NULL);
}
END_TEST

static int full_disk(void *arg)
{
    static char bytes[3 * 1024 * 1024];
    (void)arg;
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open("/dev/full", ACKD_FILE_WRITE, 0, &file));
    for (size_t size = 1; size <= sizeof bytes; size *= 3) {
        TASK_CHECK(ackd_file_write(file, bytes, size) == ACKD_E_OS);
        TASK_CHECK(ackd_error_errno(ackd_error_current()) == ENOSPC);
        TASK_CHECK(strcmp(ackd_error_text(ackd_error_current()),
                          "cannot write '/dev/full': no space left on device") == 0);
    }
    return ACKD_OK;
}

START_TEST(test_a_full_disk_is_said)
{
    stage_expect(full_disk, NULL);
}
END_TEST

static int fifo(void *arg)
{
    struct ackd_file *file = NULL;
    struct ackd_bytes bytes;
    (void)arg;
    TASK_CHECK(mkfifo("fifo", 0600) == 0);
    static const unsigned flags[] = {ACKD_FILE_READ, ACKD_FILE_WRITE,
                                     ACKD_FILE_READ | ACKD_FILE_WRITE, ACKD_FILE_APPEND};
    for (int i = 0; i < 4; i++) {
        TASK_CHECK(ackd_file_open("fifo", flags[i], 0, &file) == ACKD_E_INVAL);
        TASK_CHECK(file == NULL);
        TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "'fifo' is a FIFO"));
    }
    TASK_CHECK(ackd_file_read_whole("fifo", 10, &bytes) == ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_a_fifo_is_refused_and_not_waited_for)
{
    int before = folder_descriptors();
    stage_expect(fifo, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

static int read_wholes(void *arg)
{
    struct ackd_bytes bytes;
    (void)arg;
    ACKD_TRY(folder_put("empty", ""));
    ACKD_TRY(ackd_file_read_whole("empty", 0, &bytes));
    TASK_CHECK(bytes.size == 0 && *(const char *)bytes.data == '\0');
    ACKD_TRY(folder_put("ten", "0123456789"));
    ACKD_TRY(ackd_file_read_whole("ten", 10, &bytes));
    TASK_CHECK(bytes.size == 10 && strcmp(bytes.data, "0123456789") == 0);
    TASK_CHECK(ackd_file_read_whole("ten", 9, &bytes) == ACKD_E_TOO_LARGE);
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "'ten' has 10 bytes, more than 9"));
    ACKD_TRY(ackd_file_read_whole("ten", SIZE_MAX, &bytes));
    /* The system knows no size for these. */
    ACKD_TRY(ackd_file_read_whole("/proc/self/status", 1 << 20, &bytes));
    TASK_CHECK(bytes.size > 100 && strncmp(bytes.data, "Name:", 5) == 0);
    TASK_CHECK(((const char *)bytes.data)[bytes.size - 1] == '\n');
    TASK_CHECK(ackd_file_read_whole("/proc/self/status", 100, &bytes) == ACKD_E_TOO_LARGE);
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "has more than 100 bytes"));
    TASK_CHECK(ackd_file_read_whole("/dev/zero", 100000, &bytes) == ACKD_E_TOO_LARGE);
    TASK_CHECK(ackd_file_read_whole(".", 100, &bytes) == ACKD_E_OS ||
               ackd_error_code(ackd_error_current()) == ACKD_E_TOO_LARGE);
    return ACKD_OK;
}

START_TEST(test_a_whole_file_has_a_limit)
{
    int before = folder_descriptors();
    stage_expect(read_wholes, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

static int replace(void *arg)
{
    struct ackd_file_info info;
    const char *const *names;
    size_t count = 0;
    char tail[300];
    (void)arg;
    umask(027);
    ACKD_TRY(ackd_file_replace("new", "one", 3, 0666));
    ACKD_TRY(folder_expect("new", "one"));
    ACKD_TRY(ackd_file_stat("new", &info));
    TASK_CHECK(info.mode == 0640 && info.size == 3 && info.kind == ACKD_FILE_REGULAR);
    ACKD_TRY(ackd_directory_make("sub", 0700));
    ACKD_TRY(ackd_file_replace("sub/new", "two", 3, 0600));
    ACKD_TRY(ackd_file_replace("sub/new", "three", 5, 0600));
    ACKD_TRY(folder_expect("sub/new", "three"));
    /* A link is replaced; what it leads to stays. */
    TASK_CHECK(symlink("new", "link") == 0);
    ACKD_TRY(ackd_file_replace("link", "four", 4, 0600));
    ACKD_TRY(folder_expect("new", "one"));
    ACKD_TRY(folder_expect("link", "four"));
    /* The longest name that there can be. */
    memset(tail, 'n', sizeof tail);
    tail[255] = '\0';
    ACKD_TRY(ackd_file_replace(tail, "", 0, 0600));
    ACKD_TRY(folder_expect(tail, ""));
    ACKD_TRY(ackd_file_remove(tail));
    /* What cannot be replaced leaves nothing behind. */
    TASK_CHECK(ackd_file_replace("sub", "five", 4, 0600) == ACKD_E_OS);
    const struct ackd_error *error = ackd_error_current();
    TASK_CHECK(ackd_error_errno(error) == EISDIR);
    TASK_CHECK(strcmp(ackd_error_text(error), "'sub' was not replaced") == 0);
    ACKD_TRY(ackd_directory_list(".", 10, &names, &count));
    TASK_CHECK(count == 3 && names[3] == NULL);
    ACKD_TRY(ackd_directory_list("sub", 1, &names, &count));
    TASK_CHECK(count == 1 && strcmp(names[0], "new") == 0);
    return ACKD_OK;
}

START_TEST(test_a_file_is_replaced_as_a_whole)
{
    int before = folder_descriptors();
    stage_expect(replace, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

/* A file whose name is taken again and again is whole each time that it is read. */
static atomic_bool replacing;

static int replace_often(void *arg)
{
    (void)arg;
    char *bytes = malloc(200000);
    int code = ACKD_OK;
    for (unsigned i = 0; i < test_scale(100) && code == ACKD_OK; i++) {
        memset(bytes, 'a' + (int)(i % 26), 200000);
        code = ackd_file_replace("often", bytes, 200000 - i, 0600);
    }
    free(bytes);
    atomic_store(&replacing, false);
    return code;
}

static int read_often(void *arg)
{
    (void)arg;
    while (atomic_load(&replacing)) {
        ACKD_FILE(file);
        char *bytes = malloc(200000);
        size_t size = 0, got = 1;
        int code = ackd_file_open("often", ACKD_FILE_READ, 0, &file);
        while (code == ACKD_OK && got > 0) {
            code = ackd_file_read(file, bytes + size, 200000 - size, &got);
            size += got;
            if (size == 200000)
                break;
        }
        bool same = code == ACKD_OK && size > 199000;
        for (size_t i = 1; same && i < size; i++)
            same = bytes[i] == bytes[0];
        free(bytes);
        TASK_CHECK(same);
    }
    return ACKD_OK;
}

static int replace_and_read(void *arg)
{
    ACKD_SCOPE(scope);
    static char first[200000];
    (void)arg;
    memset(first, 'z', sizeof first);
    ACKD_TRY(ackd_file_replace("often", first, sizeof first, 0600));
    atomic_store(&replacing, true);
    ACKD_TRY(ackd_spawn(&scope, read_often, NULL));
    ACKD_TRY(ackd_spawn(&scope, read_often, NULL));
    ACKD_TRY(ackd_spawn(&scope, replace_often, NULL));
    return ackd_scope_join(&scope);
}

START_TEST(test_whoever_reads_a_file_that_is_replaced_reads_one_of_them)
{
    stage_expect(replace_and_read, NULL);
}
END_TEST

static int names(void *arg)
{
    struct ackd_file_info info;
    const char *const *list;
    size_t count = 1;
    (void)arg;
    ACKD_TRY(ackd_directory_make("many", 0755));
    ACKD_TRY(ackd_directory_list("many", 0, &list, &count));
    TASK_CHECK(count == 0 && list[0] == NULL);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%d", i);
        ACKD_TRY(folder_put(name, "x"));
    }
    ACKD_TRY(ackd_directory_list("many", 300, &list, &count));
    TASK_CHECK(count == 300 && list[300] == NULL);
    bool seen[300] = {false};
    for (size_t i = 0; i < count; i++) {
        TASK_CHECK(!seen[atoi(list[i])]);
        seen[atoi(list[i])] = true;
    }
    TASK_CHECK(ackd_directory_list("many", 299, &list, &count) == ACKD_E_TOO_LARGE);
    TASK_CHECK(ackd_directory_list("none", 299, &list, &count) == ACKD_E_NOT_FOUND);
    TASK_CHECK(ackd_directory_list("many/1", 299, &list, &count) == ACKD_E_OS);
    TASK_CHECK(ackd_directory_remove("many") == ACKD_E_OS);
    TASK_CHECK(ackd_error_errno(ackd_error_current()) == ENOTEMPTY);
    ACKD_TRY(ackd_file_rename("many/1", "many/one"));
    ACKD_TRY(ackd_file_remove("many/one"));
    TASK_CHECK(ackd_file_stat("many/one", &info) == ACKD_E_NOT_FOUND);
    ACKD_TRY(ackd_file_stat("many", &info));
    TASK_CHECK(info.kind == ACKD_FILE_DIRECTORY);
    ACKD_TRY(ackd_file_stat("/dev/null", &info));
    TASK_CHECK(info.kind == ACKD_FILE_OTHER);
    TASK_CHECK(ackd_directory_make("many", 0755) == ACKD_E_OS);
    ACKD_TRY(ackd_directory_make("few", 0755));
    ACKD_TRY(ackd_directory_remove("few"));
    return ACKD_OK;
}

START_TEST(test_names_are_listed_changed_and_removed)
{
    int before = folder_descriptors();
    stage_expect(names, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL && fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident;
}

static int read_a_million(void *arg)
{
    char buffer[64];
    size_t got;
    (void)arg;
    ACKD_TRY(folder_put("small", "0123456789"));
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open("small", ACKD_FILE_READ, 0, &file));
    long before = 0;
    unsigned long count = test_scale(200000);
    for (unsigned long i = 0; i < count; i++) {
        ACKD_TRY(ackd_file_read_from(file, 2, buffer, sizeof buffer, &got));
        if (got != 8 || buffer[0] != '2')
            return ackd_fail(ACKD_E_USER, "read %zu bytes", got);
        if (i == count / 10)
            before = resident_pages();
    }
    TASK_CHECK(SANITIZER_THREAD || resident_pages() - before < 256); /* a MiB */
    return ACKD_OK;
}

START_TEST(test_many_small_reads_keep_memory_flat)
{
    stage_expect(read_a_million, NULL);
}
END_TEST

static int open_many(void *arg)
{
    (void)arg;
    for (unsigned long i = 0; i < test_scale(5000); i++) {
        ACKD_FILE(file);
        ACKD_TRY(ackd_file_open("/dev/null", ACKD_FILE_READ, 0, &file));
    }
    return ACKD_OK;
}

START_TEST(test_files_that_are_closed_do_not_pile_up)
{
    int before = folder_descriptors();
    stage_expect(open_many, NULL);
    ck_assert_int_le(folder_descriptors(), before);
}
END_TEST

static struct ackd_file *of_another;

static int use_wrongly(void *arg)
{
    char byte;
    size_t got;
    (void)arg;
    TASK_CHECK(ackd_file_read(of_another, &byte, 1, &got) == ACKD_E_WRONG_LOOP);
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), "'/dev/zero' belongs to another"));
    TASK_CHECK(ackd_file_sync(of_another) == ACKD_E_WRONG_LOOP);
    return ACKD_OK;
}

static int lend(void *arg)
{
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open("/dev/zero", ACKD_FILE_READ, 0, &file));
    of_another = file;
    stage_start(arg, use_wrongly, NULL);
    stage_join(arg);
    return ACKD_OK;
}

START_TEST(test_a_file_of_another_loop_is_refused)
{
    struct stage other;
    stage_open(&other, "other");
    stage_expect(lend, &other);
    ck_assert_msg(other.code == ACKD_OK, "%s", other.text);
    stage_close(&other);
}
END_TEST

START_TEST(rule_a1_outside_of_tasks_nothing_is_asked_for)
{
    struct ackd_file *file = NULL;
    struct ackd_file_info info;
    struct ackd_bytes bytes;
    char byte;
    size_t got;
    ck_assert_int_eq(ackd_file_open("made", ACKD_FILE_APPEND | ACKD_FILE_CREATE, 0600, &file),
                     ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_file_stat("/", &info), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_file_read_whole("/proc/self/status", 1, &bytes), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_file_replace("made", "", 0, 0600), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_file_read(file, &byte, 1, &got), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_file_write(file, "x", 1), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_directory_make("made", 0700), ACKD_E_NOT_IN_TASK);
    ck_assert_int_ne(access("made", F_OK), 0);
    ackd_file_close(&file);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/file");
    TCase *tc = tcase_create("file");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, folder_enter, folder_leave);
    tcase_add_test(tc, test_writes_and_reads);
    tcase_add_test(tc, test_writes_and_reads_more_than_a_piece);
    tcase_add_test(tc, test_what_is_refused_is_said);
    tcase_add_test(tc, test_what_is_not_permitted_is_said);
    tcase_add_test(tc, test_a_full_disk_is_said);
    tcase_add_test(tc, test_a_fifo_is_refused_and_not_waited_for);
    tcase_add_test(tc, test_a_whole_file_has_a_limit);
    tcase_add_test(tc, test_a_file_is_replaced_as_a_whole);
    tcase_add_test(tc, test_whoever_reads_a_file_that_is_replaced_reads_one_of_them);
    tcase_add_test(tc, test_names_are_listed_changed_and_removed);
    tcase_add_test(tc, test_many_small_reads_keep_memory_flat);
    tcase_add_test(tc, test_files_that_are_closed_do_not_pile_up);
    tcase_add_test(tc, test_a_file_of_another_loop_is_refused);
    tcase_add_test(tc, rule_a1_outside_of_tasks_nothing_is_asked_for);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "plugin/copy.h"

#include <ackd/error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "place.h"

static struct place place;

static void setup(void)
{
    place_init(&place);
}

static void teardown(void)
{
    place_fini(&place);
}

static struct image image_of(char *text)
{
    struct image image = {
        .bytes = (uint8_t *)text, .size = strlen(text), .key = "0123456789abcdef"};
    return image;
}

static void expect_bytes(const char *path, const char *text)
{
    char bytes[64] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes - 1), (ssize_t)strlen(text));
    ck_assert_str_eq(bytes, text);
    close(fd);
}

START_TEST(test_makes_the_directory_and_a_file_for_us_alone)
{
    char text[] = "bytes";
    char *path = NULL;
    struct stat status;
    struct image image = image_of(text);
    ck_assert_int_eq(copy_file(place.cache, "shop", &image, &path), ACKD_OK);
    ck_assert_str_eq(strrchr(path, '/'), "/shop-0123456789abcdef.so");
    expect_bytes(path, "bytes");
    ck_assert_int_eq(stat(place.cache, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0500);
    ck_assert_uint_eq(place_count(place.cache), 1);
    free(path);
}
END_TEST

START_TEST(test_C1_the_same_bytes_are_the_same_file_and_others_a_new_one)
{
    char text[] = "bytes";
    char *path = NULL;
    struct stat first, again, changed;
    struct image image = image_of(text);
    ck_assert_int_eq(copy_file(place.cache, "shop", &image, &path), ACKD_OK);
    ck_assert_int_eq(stat(path, &first), 0);
    free(path);
    ck_assert_int_eq(copy_file(place.cache, "shop", &image, &path), ACKD_OK);
    ck_assert_int_eq(stat(path, &again), 0);
    ck_assert_uint_eq(first.st_ino, again.st_ino);
    int mapped = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    text[0] = 'B';
    ck_assert_int_eq(copy_file(place.cache, "shop", &image, &path), ACKD_OK);
    ck_assert_int_eq(stat(path, &changed), 0);
    ck_assert_uint_ne(first.st_ino, changed.st_ino);
    expect_bytes(path, "Bytes");
    char before[6] = {0};
    ck_assert_int_eq(read(mapped, before, 5), 5); /* whoever has the old one keeps it as it was */
    ck_assert_str_eq(before, "bytes");
    close(mapped);
    free(path);
}
END_TEST

START_TEST(test_C2_a_sweep_leaves_what_is_in_use)
{
    char text[] = "bytes";
    char *path = NULL;
    struct image image = image_of(text);
    ck_assert_int_eq(copy_file(place.cache, "shop", &image, &path), ACKD_OK);
    copy_sweep(place.cache);
    ck_assert_int_eq(access(path, F_OK), 0);
    free(path);
}
END_TEST

START_TEST(test_C2_a_sweep_removes_what_an_ended_process_left)
{
    char text[] = "bytes";
    char *path = NULL;
    struct image image = image_of(text);
    pid_t child = fork();
    if (child == 0)
        _exit(copy_file(place.cache, "shop", &image, &path) == ACKD_OK ? 0 : 1);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(place_count(place.cache), 1);
    copy_sweep(place.cache);
    ck_assert_uint_eq(place_count(place.cache), 0);
}
END_TEST

START_TEST(test_a_sweep_leaves_files_that_are_not_copies)
{
    static const char *const names[] = {"http.so",      "http-client.so",
                                        "a-1234567.so", "-0123456789abcdef.so",
                                        "notes",        "copy-0123456789.so.bak"};
    char file[PLACE_PATH];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        place_write(&place, names[i], "x", 1, file);
    place_write(&place, "http-0123456789abcdef.so", "x", 1, file);
    place_write(&place, "copying-a1B2c3", "x", 1, file);
    copy_sweep(place.directory);
    ck_assert_uint_eq(place_count(place.directory), sizeof names / sizeof *names);
    copy_sweep("/nowhere/at/all");
}
END_TEST

START_TEST(test_a_directory_that_others_may_write_to_is_not_used)
{
    char text[] = "bytes";
    char *path = NULL;
    struct image image = image_of(text);
    ck_assert_int_eq(mkdir(place.cache, 0700), 0);
    ck_assert_int_eq(chmod(place.cache, 0777), 0);
    ck_assert_int_eq(copy_file(place.cache, "shop", &image, &path), ACKD_E_OS);
    ck_assert_ptr_null(path);
    ck_assert_uint_eq(place_count(place.cache), 0);
}
END_TEST

START_TEST(test_a_copy_in_memory_can_be_read_by_its_path)
{
    char text[] = "bytes";
    char *path = NULL;
    struct image image = image_of(text);
    ck_assert_int_eq(copy_memory("shop", &image, &path), ACKD_OK);
    expect_bytes(path, "bytes");
    free(path);
}
END_TEST

START_TEST(test_C3_makers_and_sweepers_side_by_side_never_lose_a_copy_in_use)
{
    enum { PROCESSES = 4, ROUNDS = 60 };
    char text[] = "bytes";
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        for (int round = 0; children[i] == 0 && round < ROUNDS; round++) {
            pid_t one = fork(); /* holds its copy until it ends */
            if (one == 0) {
                char *path = NULL;
                struct image image = image_of(text);
                int code = copy_file(place.cache, "shop", &image, &path);
                copy_sweep(place.cache);
                _exit(code == ACKD_OK && access(path, F_OK) == 0 ? 0 : 1);
            }
            int status = 0;
            waitpid(one, &status, 0);
            copy_sweep(place.cache);
            if (status != 0 || round == ROUNDS - 1)
                _exit(status != 0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    copy_sweep(place.cache);
    ck_assert_uint_eq(place_count(place.cache), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plugin/copy");
    TCase *tc = tcase_create("copy");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_makes_the_directory_and_a_file_for_us_alone);
    tcase_add_test(tc, test_C1_the_same_bytes_are_the_same_file_and_others_a_new_one);
    tcase_add_test(tc, test_C2_a_sweep_leaves_what_is_in_use);
    tcase_add_test(tc, test_C2_a_sweep_removes_what_an_ended_process_left);
    tcase_add_test(tc, test_a_sweep_leaves_files_that_are_not_copies);
    tcase_add_test(tc, test_a_directory_that_others_may_write_to_is_not_used);
    tcase_add_test(tc, test_a_copy_in_memory_can_be_read_by_its_path);
    tcase_add_test(tc, test_C3_makers_and_sweepers_side_by_side_never_lose_a_copy_in_use);
    suite_add_tcase(suite, tc);
    return suite;
}

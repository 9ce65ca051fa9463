/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "plugin/image.h"

#include <ackd/error.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "main.h"
#include "place.h"

static struct place place;
static char file[PLACE_PATH];

static void setup(void)
{
    place_init(&place);
}

static void teardown(void)
{
    place_fini(&place);
}

static void refused(const char *word)
{
    struct image image = {0};
    ck_assert_int_eq(image_read(file, "it", &image), ACKD_E_PLUGIN);
    const char *text = ackd_error_text(ackd_error_current());
    ck_assert_msg(strstr(text, word) != NULL, "%s", text);
    ck_assert_ptr_null(image.bytes);
}

static void accepted(void)
{
    struct image image = {0};
    ck_assert_msg(image_read(file, "it", &image) == ACKD_OK, "%s",
                  ackd_error_text(ackd_error_current()));
    image_fini(&image);
}

START_TEST(test_reads_the_bytes_and_a_key)
{
    struct image image = {0};
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(image_read(file, "it", &image), ACKD_OK);
    ck_assert_uint_gt(image.size, 1000);
    ck_assert_uint_ge(strlen(image.key), 16);
    ck_assert_uint_eq(strspn(image.key, "0123456789abcdef"), strlen(image.key));
    if (image.build_id[0] != '\0')
        ck_assert_str_eq(image.key, image.build_id);
    image_fini(&image);
    ck_assert_ptr_null(image.bytes);
}
END_TEST

START_TEST(test_without_a_build_id_the_key_is_of_the_bytes)
{
    static char bytes[4 << 20];
    struct image image = {0};
    struct image other = {0};
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(image_read(file, "it", &image), ACKD_OK);
    memcpy(bytes, image.bytes, image.size);
    ElfW(Ehdr) header;
    memcpy(&header, bytes, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) *segment = (void *)(bytes + header.e_phoff + i * sizeof *segment);
        if (segment->p_type == PT_NOTE)
            segment->p_type = PT_NULL;
    }
    place_write(&place, "other.so", bytes, image.size, file);
    ck_assert_int_eq(image_read(file, "it", &other), ACKD_OK);
    ck_assert_str_eq(other.build_id, "");
    ck_assert_uint_eq(strlen(other.key), 16);
    ck_assert_str_ne(other.key, image.key);
    image_fini(&image);
    image_fini(&other);
}
END_TEST

START_TEST(test_P4_what_others_may_write_to_is_refused)
{
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(chmod(file, 0757), 0);
    refused("chmod go-w");
    ck_assert_int_eq(chmod(file, 0755), 0);
    accepted();
    ck_assert_int_eq(chmod(place.directory, 0777), 0);
    refused("its directory");
    ck_assert_int_eq(chmod(place.directory, 01777), 0); /* sticky: like /tmp */
    accepted();
}
END_TEST

START_TEST(test_P4_a_group_may_write_only_if_it_is_ours_alone)
{
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(chmod(file, 0775), 0);
    if (geteuid() == 0)
        refused("chmod go-w");
    else
        accepted();
}
END_TEST

START_TEST(test_P4_another_owner_is_refused)
{
    place_put(&place, "good", "good", file);
    if (geteuid() != 0)
        return; /* only root can give a file away */
    ck_assert_int_eq(chown(file, 4711, 0), 0);
    refused("belongs to user 4711");
    ck_assert_int_eq(chown(file, 0, 0), 0);
    ck_assert_int_eq(chown(place.directory, 4711, 0), 0);
    refused("its directory belongs");
}
END_TEST

START_TEST(test_P4_set_user_id_is_refused)
{
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(chmod(file, 04755), 0);
    refused("set-user-id");
}
END_TEST

START_TEST(test_what_is_no_shared_object_is_refused)
{
    place_write(&place, "empty.so", "", 0, file);
    refused("not a shared object");
    place_write(&place, "text.so", "#!/bin/sh\n", 10, file);
    refused("not a shared object");
    strcpy(file, place.directory);
    refused("not a file");
}
END_TEST

START_TEST(test_a_program_is_refused)
{
    static char bytes[4 << 20];
    FILE *in = fopen("/bin/true", "r");
    if (in == NULL)
        return;
    size_t size = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    place_write(&place, "true.so", bytes, size, file);
    refused("link it with -shared");
}
END_TEST

START_TEST(test_a_file_that_is_cut_short_is_refused)
{
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(truncate(file, 3000), 0);
    refused("cut short");
    ck_assert_int_eq(truncate(file, 70), 0);
    refused("cut short");
    ck_assert_int_eq(truncate(file, 10), 0);
    refused("not a shared object");
}
END_TEST

/* Whatever the headers say, no byte beyond the file is read: for the sanitizers to find. */
START_TEST(test_broken_headers_are_harmless)
{
    static char whole[4 << 20];
    struct random random = {.state = 4711};
    struct image image = {0};
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(image_read(file, "it", &image), ACKD_OK);
    size_t size = image.size;
    memcpy(whole, image.bytes, size);
    image_fini(&image);
    unsigned long rounds = test_scale(2000);
    for (unsigned long i = 0; i < rounds; i++) {
        char broken[1024];
        memcpy(broken, whole, sizeof broken);
        for (uint64_t k = random_below(&random, 4) + 1; k > 0; k--)
            broken[random_below(&random, sizeof broken)] = (char)random_next(&random);
        FILE *out = fopen(file, "r+");
        ck_assert_ptr_nonnull(out);
        ck_assert_uint_eq(fwrite(broken, 1, sizeof broken, out), sizeof broken);
        fclose(out);
        if (image_read(file, "it", &image) == ACKD_OK)
            image_fini(&image);
    }
    ck_assert_uint_gt(size, 1024);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plugin/image");
    TCase *tc = tcase_create("image");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_reads_the_bytes_and_a_key);
    tcase_add_test(tc, test_without_a_build_id_the_key_is_of_the_bytes);
    tcase_add_test(tc, test_P4_what_others_may_write_to_is_refused);
    tcase_add_test(tc, test_P4_a_group_may_write_only_if_it_is_ours_alone);
    tcase_add_test(tc, test_P4_another_owner_is_refused);
    tcase_add_test(tc, test_P4_set_user_id_is_refused);
    tcase_add_test(tc, test_what_is_no_shared_object_is_refused);
    tcase_add_test(tc, test_a_program_is_refused);
    tcase_add_test(tc, test_a_file_that_is_cut_short_is_refused);
    tcase_add_test(tc, test_broken_headers_are_harmless);
    suite_add_tcase(suite, tc);
    return suite;
}

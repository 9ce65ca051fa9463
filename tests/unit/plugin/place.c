/* SPDX-License-Identifier: MIT */
/* place - made by mkdtemp, emptied again; Check runs each test in a process of its own. */
#include <config.h>

#include "place.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void place_init(struct place *place)
{
    const char *base = getenv("TMPDIR");
    char made[PLACE_PATH];
    snprintf(made, sizeof made, "%s/ackd-plugin-XXXXXX", base == NULL ? "/tmp" : base);
    ck_assert_ptr_nonnull(mkdtemp(made));
    char *real = realpath(made, NULL);
    ck_assert_ptr_nonnull(real);
    ck_assert_uint_lt(strlen(real), PLACE_PATH - 64);
    memcpy(place->directory, real, strlen(real) + 1);
    strcpy(stpcpy(place->cache, real), "/cache");
    free(real);
}

static void place_empty(const char *directory)
{
    char path[PLACE_PATH * 2];
    DIR *entries = opendir(directory);
    if (entries == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        unlink(path);
    }
    closedir(entries);
    rmdir(directory);
}

void place_fini(struct place *place)
{
    chmod(place->cache, 0700);
    place_empty(place->cache);
    place_empty(place->directory);
}

void place_write(const struct place *place, const char *as, const void *bytes, size_t size,
                 char *ret_file)
{
    snprintf(ret_file, PLACE_PATH, "%.400s/%.100s", place->directory, as);
    unlink(ret_file);
    FILE *file = fopen(ret_file, "wx");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(ret_file, 0644), 0);
}

void place_put(const struct place *place, const char *name, const char *as, char *ret_file)
{
    static char bytes[4 << 20];
    char path[PLACE_PATH];
    snprintf(path, sizeof path, "%s/%s.so", FIXTURES, name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "no fixture %s", path);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    ck_assert_uint_lt(size, sizeof bytes);
    fclose(file);
    snprintf(path, sizeof path, "%s.so", as);
    place_write(place, path, bytes, size, ret_file);
    ck_assert_int_eq(chmod(ret_file, 0755), 0);
}

size_t place_count(const char *directory)
{
    size_t count = 0;
    DIR *entries = opendir(directory);
    if (entries == NULL)
        return 0;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

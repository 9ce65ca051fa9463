/* SPDX-License-Identifier: MIT */
/* place - a directory of a test's own, with fixtures in it as the test wants them. */
#ifndef ACKD_TESTS_PLACE_H
#define ACKD_TESTS_PLACE_H

#include <stddef.h>
#include <sys/stat.h>

enum { PLACE_PATH = 512 };

struct place {
    char directory[PLACE_PATH]; /* mode 0700, its real path */
    char cache[PLACE_PATH];     /* in it; not made */
};

void place_init(struct place *place);
void place_fini(struct place *place);
/* Copy the fixture @name there as @as.so, mode 0755, and write its path to @ret_file. */
void place_put(const struct place *place, const char *name, const char *as, char *ret_file);
/* Write @size bytes to a new file of that name, mode 0644. */
void place_write(const struct place *place, const char *as, const void *bytes, size_t size,
                 char *ret_file);
/* How many files there are in @directory. */
size_t place_count(const char *directory);

#endif

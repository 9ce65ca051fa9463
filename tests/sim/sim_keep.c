/* SPDX-License-Identifier: MIT */
/* sim_keep - io/keep in memory: files that outlive the daemons of a simulation, and never fail. */
#include <config.h>

#include "io/keep.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { KEEP_FILES = 16, KEEP_PATH_SIZE = 256 };

static struct keep {
    char path[KEEP_PATH_SIZE];
    char text[KEEP_TEXT_SIZE];
} keep_files[KEEP_FILES];

static struct keep *keep_find(const char *path)
{
    struct keep *file = keep_files;
    while (file < keep_files + KEEP_FILES && *file->path != '\0' && strcmp(file->path, path) != 0)
        file++;
    ackd_assert(file < keep_files + KEEP_FILES);
    return file;
}

int keep_read(const char *path, char *text)
{
    const struct keep *file = keep_find(path);
    if (*file->text == '\0')
        return ackd_fail(ACKD_E_NOT_FOUND, "'%s' is not there", path);
    strcpy(text, file->text);
    return ACKD_OK;
}

int keep_new(const char *path, struct keep **ret_keep)
{
    struct keep *file = keep_find(path);
    ackd_assert(strlen(path) < KEEP_PATH_SIZE);
    strcpy(file->path, path);
    *ret_keep = file;
    return ACKD_OK;
}

void keep_free(struct keep **keep)
{
    *keep = NULL;
}

void keep_put(struct keep *keep, const char *text)
{
    ackd_assert(strlen(text) < KEEP_TEXT_SIZE);
    strcpy(keep->text, text);
}

int keep_error(struct keep *keep)
{
    (void)keep;
    return 0;
}

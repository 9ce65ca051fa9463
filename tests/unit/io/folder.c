/* SPDX-License-Identifier: MIT */
/* folder - see the header. */
#define ACKD_ALLOW_BLOCKING /* outside of tasks */
#include <config.h>

#include "folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main.h"
#include "stage.h"

static char folder_path[] = "/tmp/ackd-file-XXXXXX";

void folder_enter(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder_path));
    ck_assert_int_eq(chdir(folder_path), 0);
    /* libuv keeps two descriptors from its first loop on. */
    struct stage stage;
    stage_open(&stage, "first");
    stage_close(&stage);
}

void folder_leave(void)
{
    char command[64];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder_path);
    ck_assert_int_eq(system(command), 0);
}

int folder_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int folder_put(const char *path, const char *text)
{
    ACKD_FILE(file);
    ACKD_TRY(
        ackd_file_open(path, ACKD_FILE_WRITE | ACKD_FILE_CREATE | ACKD_FILE_TRUNCATE, 0644, &file));
    return ackd_file_write(file, text, strlen(text));
}

int folder_expect(const char *path, const char *text)
{
    struct ackd_bytes bytes;
    ACKD_TRY(ackd_file_read_whole(path, 1 << 20, &bytes));
    if (bytes.size != strlen(text) || memcmp(bytes.data, text, bytes.size + 1) != 0)
        return ackd_fail(ACKD_E_USER, "'%s' has '%.*s' and not '%s'", path, (int)bytes.size,
                         (const char *)bytes.data, text);
    return ACKD_OK;
}

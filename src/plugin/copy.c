/* SPDX-License-Identifier: MIT */
/* copy - files made under a name of their own, locked, and then given the name they are known by.
 */
#include <config.h>

#include "plugin/copy.h"

#include <ackd/error.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"

#define COPY_NEW "copying-XXXXXX"
enum { COPY_KEY_MIN = 8 }; /* digits of a key, so that a sweep leaves other files alone */

/* Nobody else may put a file there, and what is there may be executed. */
static int copy_directory(const char *cache)
{
    struct stat status;
    struct statvfs mounted;
    if (mkdir(cache, 0700) != 0 && errno != EEXIST)
        return ackd_fail(ACKD_E_OS, "%s cannot be made: %s", cache, strerror(errno));
    if (stat(cache, &status) != 0 || statvfs(cache, &mounted) != 0)
        return ackd_fail(ACKD_E_OS, "%s: %s", cache, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return ackd_fail(ACKD_E_OS, "%s is not a directory", cache);
    if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return ackd_fail(ACKD_E_OS, "others may write to %s", cache);
    if ((mounted.f_flag & ST_NOEXEC) != 0)
        return ackd_fail(ACKD_E_OS, "%s is mounted noexec", cache);
    return ACKD_OK;
}

static int copy_write(int fd, const struct image *image, const char *path)
{
    for (size_t at = 0; at < image->size;) {
        ssize_t count = write(fd, image->bytes + at, image->size - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return ackd_fail(ACKD_E_OS, "%s: %s", path, count == 0 ? "full" : strerror(errno));
        at += (size_t)count;
    }
    return ACKD_OK;
}

static bool copy_same_bytes(int fd, const struct image *image)
{
    uint8_t bytes[2048];
    size_t at = 0;
    for (;;) {
        ssize_t count = pread(fd, bytes, sizeof bytes, (off_t)at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == 0 && at == image->size;
        if ((size_t)count > image->size - at ||
            memcmp(bytes, image->bytes + at, (size_t)count) != 0)
            return false;
        at += (size_t)count;
    }
}

/* Lock the copy that an earlier start or another process made. -1 if there is none to be used. */
static int copy_reuse(const char *path, const struct image *image)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
        flock(fd, LOCK_SH | LOCK_NB) == 0 && copy_same_bytes(fd, image))
        return fd;
    close(fd);
    return -1;
}

/* Fill and lock the file that @fd is, then give it its name. */
static int copy_publish(int fd, const char *made, const char *path, const struct image *image)
{
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 || fchmod(fd, 0500) != 0) /* C2 */
        return ackd_fail(ACKD_E_OS, "%s: %s", made, strerror(errno));
    ACKD_TRY(copy_write(fd, image, made));
    if (rename(made, path) != 0) /* C1 */
        return ackd_fail(ACKD_E_OS, "%s: %s", path, strerror(errno));
    return ACKD_OK;
}

/* The descriptor that is written to goes before the file is mapped: with it, it could be changed.
 */
static int copy_make(const char *cache, const char *path, const struct image *image)
{
    char *made = NULL;
    if (asprintf(&made, "%s/%s", cache, COPY_NEW) < 0)
        return ackd_fail(ACKD_E_NOMEM, "a path");
    int fd = mkostemp(made, O_CLOEXEC);
    int code = fd < 0 ? ackd_fail(ACKD_E_OS, "%s cannot be written to: %s", cache, strerror(errno))
                      : copy_publish(fd, made, path, image);
    if (fd >= 0 && code != ACKD_OK)
        unlink(made);
    if (fd >= 0)
        close(fd);
    free(made);
    return code;
}

/* Under the lock of the directory: the descriptor that holds the copy is never closed (C2). */
static int copy_hold(const char *cache, const char *path, const struct image *image)
{
    if (copy_reuse(path, image) >= 0)
        return ACKD_OK;
    ACKD_TRY(copy_make(cache, path, image));
    if (copy_reuse(path, image) >= 0)
        return ACKD_OK;
    return ackd_fail(ACKD_E_OS, "%s is not as it was written", path);
}

/* Open and lock the directory (C3): -1 if that cannot be. */
static int copy_lock(const char *cache, int how)
{
    int fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, how) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int copy_file(const char *cache, const char *name, const struct image *image, char **ret_path)
{
    ackd_assert(strchr(name, '/') == NULL);
    char *path = NULL;
    ACKD_TRY(copy_directory(cache));
    if (asprintf(&path, "%s/%s-%s.so", cache, name, image->key) < 0)
        return ackd_fail(ACKD_E_NOMEM, "a path");
    int lock = copy_lock(cache, LOCK_EX);
    int code = lock < 0 ? ackd_fail(ACKD_E_OS, "%s cannot be locked: %s", cache, strerror(errno))
                        : copy_hold(cache, path, image);
    if (lock >= 0)
        close(lock);
    if (code != ACKD_OK)
        free(path);
    else
        *ret_path = path;
    return code;
}

/* The call by its number: its declaration is in a header that belongs to the stacks of tasks. */
int copy_memory(const char *name, const struct image *image, char **ret_path)
{
    int fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC);
    if (fd < 0)
        return ackd_fail(ACKD_E_OS, "memfd_create: %s", strerror(errno));
    int code = copy_write(fd, image, name);
    if (code == ACKD_OK && asprintf(ret_path, "/proc/self/fd/%d", fd) < 0)
        code = ackd_fail(ACKD_E_NOMEM, "a path");
    if (code != ACKD_OK)
        close(fd);
    return code;
}

/* <name>-<key>.so, or one that was being made when its process ended. */
static bool copy_is_ours(const char *file)
{
    size_t length = strlen(file);
    if (length == strlen(COPY_NEW) && strncmp(file, COPY_NEW, strlen(COPY_NEW) - 6) == 0)
        return true;
    if (length < 3 || strcmp(file + length - 3, ".so") != 0)
        return false;
    const char *dash = strrchr(file, '-');
    if (dash == NULL || dash == file)
        return false;
    size_t digits = strspn(dash + 1, "0123456789abcdef");
    return digits >= COPY_KEY_MIN && dash + 1 + digits == file + length - 3;
}

static void copy_sweep_one(int directory, const char *file)
{
    struct stat status;
    int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) /* C2 */
        unlinkat(directory, file, 0);
    close(fd);
}

void copy_sweep(const char *cache)
{
    int lock = copy_lock(cache, LOCK_EX | LOCK_NB); /* another sweeps, or will do at its start */
    DIR *directory = lock < 0 ? NULL : fdopendir(lock);
    if (directory == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (copy_is_ours(entry->d_name))
            copy_sweep_one(dirfd(directory), entry->d_name);
    }
    closedir(directory);
}

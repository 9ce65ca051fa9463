/* SPDX-License-Identifier: MIT */
/* keep - see the header. Written beside it, synced, renamed, and the folder synced. */
#include <config.h>

#include "io/keep.h"

#include <ackd/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/thread.h"

struct keep {
    char *path;
    char *beside; /* where it is written to first */
    char *folder;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    char text[KEEP_TEXT_SIZE];
    bool put;
    bool end;
    int error;
};

int keep_read(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ackd_fail(errno == ENOENT ? ACKD_E_NOT_FOUND : ACKD_E_OS, "cannot read '%s': %s",
                         path, strerror(errno));
    ssize_t size = read(fd, text, KEEP_TEXT_SIZE);
    int error = errno;
    (void)close(fd);
    if (size < 0)
        return ackd_fail(ACKD_E_OS, "cannot read '%s': %s", path, strerror(error));
    if (size == KEEP_TEXT_SIZE)
        return ackd_fail(ACKD_E_TOO_LARGE, "'%s' has more than %d bytes", path, KEEP_TEXT_SIZE - 1);
    text[size] = '\0';
    return ACKD_OK;
}

/* Whether it was done; else errno says why not. */
static bool keep_write_to(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno != EINTR)
            return false;
        text += written < 0 ? 0 : written;
        size -= written < 0 ? 0 : (size_t)written;
    }
    return fsync(fd) == 0;
}

static bool keep_sync_folder(const struct keep *keep)
{
    int fd = open(keep->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return done;
}

/* E1. Returns 0 or the errno. */
static int keep_write(const struct keep *keep, const char *text)
{
    int fd = open(keep->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    bool done = keep_write_to(fd, text);
    int error = errno;
    (void)close(fd);
    if (!done)
        return error;
    return rename(keep->beside, keep->path) == 0 && keep_sync_folder(keep) ? 0 : errno;
}

/* Wait until there is something to do; false: there is nothing any more. Under the lock. */
static bool keep_wait(struct keep *keep)
{
    while (!keep->put && !keep->end)
        pthread_cond_wait(&keep->changed, &keep->lock);
    return keep->put;
}

/* Let a while go by, unless the end comes. Under the lock. */
static void keep_rest(struct keep *keep)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += KEEP_EVERY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!keep->end && pthread_cond_timedwait(&keep->changed, &keep->lock, &until) == 0)
        ;
}

static void *keep_run(void *arg)
{
    struct keep *keep = arg;
    char text[KEEP_TEXT_SIZE];
    pthread_mutex_lock(&keep->lock);
    while (keep_wait(keep)) {
        strcpy(text, keep->text);
        keep->put = false;
        pthread_mutex_unlock(&keep->lock);
        int error = keep_write(keep, text);
        pthread_mutex_lock(&keep->lock);
        keep->error = error;
        keep_rest(keep);
    }
    pthread_mutex_unlock(&keep->lock);
    return NULL;
}

static void keep_release(struct keep *keep)
{
    pthread_cond_destroy(&keep->changed);
    pthread_mutex_destroy(&keep->lock);
    free(keep->path);
    free(keep->beside);
    free(keep->folder);
    free(keep);
}

static int keep_name(struct keep *keep, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - path);
    keep->path = strdup(path);
    keep->folder = slash == NULL ? strdup(".") : strndup(path, folder == 0 ? 1 : folder);
    if (keep->path == NULL || keep->folder == NULL || asprintf(&keep->beside, "%s.new", path) < 0) {
        keep->beside = NULL;
        return ackd_fail(ACKD_E_NOMEM, "the file '%s'", path);
    }
    return ACKD_OK;
}

/* It can be written beside: told now rather than when something is to be stored. */
static int keep_prove(const struct keep *keep)
{
    int fd = open(keep->beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return ackd_fail(ACKD_E_OS, "cannot write to '%s': %s", keep->folder, strerror(errno));
    (void)close(fd);
    return ACKD_OK;
}

int keep_new(const char *path, struct keep **ret_keep)
{
    struct keep *keep = calloc(1, sizeof *keep);
    if (keep == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the file '%s'", path);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&keep->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&keep->lock, NULL);
    int code = keep_name(keep, path);
    if (code == ACKD_OK)
        code = keep_prove(keep);
    if (code == ACKD_OK)
        code = thread_start("ackd-keep", keep_run, keep, &keep->thread);
    if (code != ACKD_OK) {
        keep_release(keep);
        return code;
    }
    *ret_keep = keep;
    return ACKD_OK;
}

void keep_free(struct keep **keep)
{
    struct keep *freed = *keep;
    if (freed == NULL)
        return;
    *keep = NULL;
    pthread_mutex_lock(&freed->lock);
    freed->end = true;
    pthread_cond_signal(&freed->changed);
    pthread_mutex_unlock(&freed->lock);
    pthread_join(freed->thread, NULL);
    keep_release(freed);
}

void keep_put(struct keep *keep, const char *text)
{
    ackd_assert(strlen(text) < KEEP_TEXT_SIZE);
    pthread_mutex_lock(&keep->lock);
    strcpy(keep->text, text);
    if (!keep->put)
        pthread_cond_signal(&keep->changed);
    keep->put = true;
    pthread_mutex_unlock(&keep->lock);
}

int keep_error(struct keep *keep)
{
    pthread_mutex_lock(&keep->lock);
    int error = keep->error;
    pthread_mutex_unlock(&keep->lock);
    return error;
}

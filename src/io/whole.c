/* SPDX-License-Identifier: MIT */
/*
 * whole - files that are read, or replaced, as a whole. It must not know what is in them.
 *
 *   W1  The name is always that of the old file or of the new one, each whole. Before the rename
 *       whatever goes wrong takes the new one away; after it nothing is undone, and cancellation
 *       is not looked at.
 */
#include <config.h>

#include <ackd/error.h>
#include <ackd/file.h>
#include <ackd/memory.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/file.h"

enum {
    WHOLE_ROOM_FIRST = 4096, /* where the system knows no size: /proc */
    WHOLE_TRIES = 100,       /* to find a name that is free */
    WHOLE_NAME_MAX = 200     /* of the name that is kept in the new one's; the rest is ours */
};

/* Bytes that gather in the task's memory, with room for one more. */
struct whole {
    char *data;
    size_t size, room, size_max;
};

static int whole_grow(struct whole *whole, const char *path, size_t wanted)
{
    if (whole->size > whole->size_max)
        return ackd_fail(ACKD_E_TOO_LARGE, "'%s' has more than %zu bytes", path, whole->size_max);
    size_t room = wanted < whole->size_max ? wanted + 1 : whole->size_max + 1;
    char *data = ackd_alloc(room);
    if (data == NULL)
        return ackd_error_code(ackd_error_current());
    if (whole->size > 0)
        memcpy(data, whole->data, whole->size);
    whole->data = data;
    whole->room = room;
    return ACKD_OK;
}

static int whole_read(struct whole *whole, const char *path, size_t expected, const char *place,
                      int line, const char *function)
{
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open_at(path, ACKD_FILE_READ, 0, &file, place, line, function));
    ACKD_TRY(whole_grow(whole, path, expected));
    for (size_t got = 1; got > 0;) {
        if (whole->size == whole->room)
            ACKD_TRY(whole_grow(whole, path, whole->size * 2));
        ACKD_TRY(ackd_file_read_at(file, ACKD_FILE_ON, whole->data + whole->size,
                                   whole->room - whole->size, &got, place, line, function));
        whole->size += got;
    }
    return ACKD_OK;
}

int ackd_file_read_whole_at(const char *path, size_t size_max, struct ackd_bytes *ret_bytes,
                            const char *file, int line, const char *function)
{
    struct ackd_file_info info;
    struct whole whole = {.size_max = size_max < SSIZE_MAX ? size_max : SSIZE_MAX - 1};
    ACKD_TRY(ackd_file_stat_at(path, &info, file, line, function));
    if (info.size > whole.size_max)
        return ackd_fail_at(ACKD_E_TOO_LARGE, file, line, function,
                            "'%s' has %llu bytes, more than %zu", path,
                            (unsigned long long)info.size, whole.size_max);
    ACKD_TRY(whole_read(&whole, path, info.size == 0 ? WHOLE_ROOM_FIRST : info.size, file, line,
                        function));
    whole.data[whole.size] = '\0';
    *ret_bytes = (struct ackd_bytes){whole.data, whole.size};
    return ACKD_OK;
}

/* Of the file that is to take the place of @path: in the same directory, hidden, and of this
 * process and try alone. Freed by the caller; NULL: out of memory. */
static char *whole_name(const char *path)
{
    static atomic_uint number;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t size = strlen(path) + 64;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%.*s.%.*s.%ld-%u.new", (int)(name - path), path, WHOLE_NAME_MAX, name,
                 (long)getpid(), atomic_fetch_add(&number, 1));
    return text;
}

/* What a process before us with our number left behind is in nobody's way. */
static int whole_create(const char *path, unsigned mode, char **ret_name, struct ackd_file **ret,
                        const struct file_caller *caller)
{
    int code = ACKD_E_OS;
    for (int i = 0; i < WHOLE_TRIES; i++) {
        char *name = whole_name(path);
        if (name == NULL)
            return ackd_fail(ACKD_E_NOMEM, "the name of a new file");
        code = ackd_file_open_at(name, ACKD_FILE_WRITE | ACKD_FILE_EXCLUSIVE, mode, ret,
                                 caller->file, caller->line, caller->function);
        if (code == ACKD_OK) {
            *ret_name = name;
            return ACKD_OK;
        }
        free(name);
        if (code != ACKD_E_OS || ackd_error_errno(ackd_error_current()) != EEXIST)
            return code;
    }
    return code;
}

static int whole_fill(struct ackd_file *file, const void *data, size_t size,
                      const struct file_caller *caller)
{
    ACKD_TRY(ackd_file_write_at(file, ACKD_FILE_ON, data, size, caller->file, caller->line,
                                caller->function));
    return ackd_file_sync_at(file, caller->file, caller->line, caller->function);
}

/* Cancelled or not, and without a word: what led here is what is told. */
static void whole_discard(const char *name, const struct file_caller *caller)
{
    struct file_caller to_end = file_caller_to_end(caller);
    struct file_request request;
    file_request_init(&request, &to_end);
    int status = uv_fs_unlink(caller->uv, &request.fs, name, file_request_done);
    ssize_t result = file_request_await(&request, status);
    (void)result;
    file_request_fini(&request);
}

/* Make the rename last. Not all file systems can; those say so with EINVAL. */
static int whole_sync_directory(const struct file_caller *caller)
{
    struct file_caller to_end = file_caller_to_end(caller);
    const char *slash = strrchr(caller->path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - caller->path) + 1;
    char *directory = length == 0 ? strdup(".") : strndup(caller->path, length);
    if (directory == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the directory of '%s'", caller->path);
    to_end.path = directory;
    int fd = -1;
    int code = file_open_fd(&to_end, O_RDONLY | O_DIRECTORY, 0, "open", &fd);
    if (code == ACKD_OK)
        code = file_sync_fd(&to_end, fd);
    if (fd >= 0)
        close(fd);
    free(directory);
    return code == ACKD_E_OS && ackd_error_errno(ackd_error_current()) == EINVAL ? ACKD_OK : code;
}

static int whole_replace(const char *path, const void *data, size_t size, unsigned mode,
                         const struct file_caller *caller)
{
    char *name;
    ACKD_FILE(file);
    ACKD_TRY(whole_create(path, mode, &name, &file, caller));
    int code = whole_fill(file, data, size, caller);
    if (code == ACKD_OK)
        code = ackd_file_rename_at(name, path, caller->file, caller->line, caller->function);
    if (code != ACKD_OK) {
        const struct ackd_error *why = code == ACKD_CANCELED ? NULL : error_take();
        whole_discard(name, caller);
        if (why != NULL)
            (void)error_give(why);
    }
    free(name);
    return code == ACKD_OK ? whole_sync_directory(caller) : code;
}

int ackd_file_replace_at(const char *path, const void *data, size_t size, unsigned mode,
                         const char *file, int line, const char *function)
{
    struct file_caller caller;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    int code = whole_replace(path, data, size, mode, &caller);
    if (code == ACKD_OK || code == ACKD_CANCELED)
        return code;
    return ackd_wrap_at(code, file, line, function, "'%s' was not replaced", path);
}

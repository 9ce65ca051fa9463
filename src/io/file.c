/* SPDX-License-Identifier: MIT */
/*
 * file - requests, and the open files of <ackd/file.h>. It must not know what is in them.
 *
 *   F2  The memory goes, and the descriptor is closed, when the handler has let go and no task is
 *       inside a call.
 *   F3  Nothing here waits for another process: what could, is opened without blocking, and a FIFO
 *       not at all. So a request under way takes as long as a disk does.
 */
#include <config.h>

#include "io/file.h"

#include <ackd/error.h>
#include <ackd/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/loop_uv.h"
#include "task/refusal.h"

#define FILE_MAGIC UINT32_C(0x66696c65)

enum { FILE_PIECE = 1024 * 1024 };

struct ackd_file {
    uint32_t magic;
    struct loop *loop; /* borrowed */
    int fd;
    bool reads, writes;
    bool released;   /* by ackd_file_close */
    unsigned users;  /* tasks inside a call */
    uv_fs_t closing; /* of the descriptor */
    char path[];
};

int file_caller_init(struct file_caller *caller, const char *path, const char *file, int line,
                     const char *function)
{
    ACKD_TRY(wait_check(file, line, function));
    struct loop *loop = loop_current();
    if (loop == NULL)
        return refusal_at(ACKD_E_NOT_IN_TASK, NULL, file, line, function,
                          "this thread runs no loop");
    if (path == NULL || path[0] == '\0')
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "a file without a path");
    *caller = (struct file_caller){loop_uv(loop), path, file, function, line, false};
    return ACKD_OK;
}

struct file_caller file_caller_to_end(const struct file_caller *caller)
{
    struct file_caller again = *caller;
    again.to_end = true;
    return again;
}

void file_request_init(struct file_request *request, const struct file_caller *caller)
{
    wait_init(&request->wait, WAIT_FILE, caller->path, caller->file, caller->line,
              caller->function);
    request->to_end = caller->to_end;
    request->fs.data = request;
}

void file_request_done(uv_fs_t *fs)
{
    struct file_request *request = fs->data;
    wait_finish(&request->wait, ACKD_OK);
}

ssize_t file_request_await(struct file_request *request, int status)
{
    if (status < 0)
        return request->fs.result = status;
    int code = ACKD_CANCELED;
    if (!request->to_end) {
        code = wait_park(&request->wait);
        /* One under way refuses; one taken back is told by the loop, at its next round. */
        if (code == ACKD_CANCELED)
            (void)uv_cancel((uv_req_t *)&request->fs);
    }
    if (code == ACKD_CANCELED)
        code = wait_park_to_end(&request->wait); /* F1 */
    ackd_assert(code == ACKD_OK);
    return request->fs.result;
}

void file_request_fini(struct file_request *request)
{
    uv_fs_req_cleanup(&request->fs);
}

int file_judge(const struct file_caller *caller, ssize_t result, const char *verb)
{
    if (result >= 0)
        return ACKD_OK;
    if (result == UV_ECANCELED)
        return ACKD_CANCELED;
    errno = (int)-result;
    return ackd_fail_at(result == UV_ENOENT ? ACKD_E_NOT_FOUND : ACKD_E_OS, caller->file,
                        caller->line, caller->function, "cannot %s '%s': %s", verb, caller->path,
                        uv_strerror((int)result));
}

int file_open_fd(const struct file_caller *caller, int flags, unsigned mode, const char *verb,
                 int *ret_fd)
{
    struct file_request request;
    file_request_init(&request, caller);
    int status = uv_fs_open(caller->uv, &request.fs, caller->path, flags | O_NONBLOCK | O_NOCTTY,
                            (int)mode, file_request_done); /* F3 */
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    ACKD_TRY(file_judge(caller, result, verb));
    *ret_fd = (int)result;
    return ACKD_OK;
}

int file_sync_fd(const struct file_caller *caller, int fd)
{
    struct file_request request;
    file_request_init(&request, caller);
    int status = uv_fs_fsync(caller->uv, &request.fs, fd, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    return file_judge(caller, result, "sync");
}

static void file_closed(uv_fs_t *closing)
{
    struct ackd_file *file = closing->data;
    uv_fs_req_cleanup(closing);
    free(file);
}

/* F2 */
static void file_free_if_done(struct ackd_file *file)
{
    if (!file->released || file->users > 0)
        return;
    file->magic = 0;
    if (file->fd < 0) {
        free(file);
        return;
    }
    file->closing.data = file;
    int status = uv_fs_close(loop_uv(file->loop), &file->closing, file->fd, file_closed);
    ackd_assert(status == 0);
}

void ackd_file_close(struct ackd_file **file)
{
    struct ackd_file *old = *file;
    if (old == NULL)
        return;
    *file = NULL;
    ackd_assert(old->magic == FILE_MAGIC);
    ackd_assert(old->loop == loop_current());
    ackd_assert(!old->released);
    old->released = true;
    file_free_if_done(old);
}

static int file_fail_blocking(const struct file_caller *caller)
{
    return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                        "'%s' is a FIFO or a socket: reading it would wait for its other end and "
                        "hold a thread that all files share",
                        caller->path);
}

/* It was opened: that cannot be lost any more, so this is done to the end. */
static int file_look(const struct file_caller *caller, int fd)
{
    struct file_caller to_end = file_caller_to_end(caller);
    struct file_request request;
    file_request_init(&request, &to_end);
    int status = uv_fs_fstat(caller->uv, &request.fs, fd, file_request_done);
    ssize_t result = file_request_await(&request, status);
    bool blocks = result >= 0 && S_ISFIFO(request.fs.statbuf.st_mode);
    file_request_fini(&request);
    return blocks ? file_fail_blocking(caller) : file_judge(caller, result, "look at");
}

static int file_flags(const struct file_caller *caller, unsigned flags, int *ret_flags)
{
    const unsigned all = ACKD_FILE_READ | ACKD_FILE_WRITE | ACKD_FILE_APPEND | ACKD_FILE_CREATE |
                         ACKD_FILE_EXCLUSIVE | ACKD_FILE_TRUNCATE;
    bool reads = (flags & ACKD_FILE_READ) != 0;
    bool writes = (flags & (ACKD_FILE_WRITE | ACKD_FILE_APPEND)) != 0;
    if ((flags & ~all) != 0 || (!reads && !writes) ||
        (!writes && (flags & (ACKD_FILE_CREATE | ACKD_FILE_EXCLUSIVE | ACKD_FILE_TRUNCATE)) != 0))
        return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                            "'%s' with the flags 0x%x: it needs ACKD_FILE_READ, ACKD_FILE_WRITE or "
                            "ACKD_FILE_APPEND, and to be made or truncated one of the last two",
                            caller->path, flags);
    *ret_flags = (reads && writes ? O_RDWR
                  : writes        ? O_WRONLY
                                  : O_RDONLY) |
                 ((flags & ACKD_FILE_APPEND) != 0 ? O_APPEND : 0) |
                 ((flags & (ACKD_FILE_CREATE | ACKD_FILE_EXCLUSIVE)) != 0 ? O_CREAT : 0) |
                 ((flags & ACKD_FILE_EXCLUSIVE) != 0 ? O_EXCL : 0) |
                 ((flags & ACKD_FILE_TRUNCATE) != 0 ? O_TRUNC : 0);
    return ACKD_OK;
}

static int file_open(struct ackd_file *file, const struct file_caller *caller, int flags,
                     unsigned mode)
{
    int code = file_open_fd(caller, flags, mode, "open", &file->fd);
    /* A FIFO that nobody reads cannot be opened to be written without waiting; nor a socket. */
    if (code == ACKD_E_OS && ackd_error_errno(ackd_error_current()) == ENXIO)
        return file_fail_blocking(caller);
    return code == ACKD_OK ? file_look(caller, file->fd) : code;
}

int ackd_file_open_at(const char *path, unsigned flags, unsigned mode, struct ackd_file **ret_file,
                      const char *file, int line, const char *function)
{
    struct file_caller caller;
    int system_flags = 0;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    ACKD_TRY(file_flags(&caller, flags, &system_flags));
    size_t size = strlen(path) + 1;
    struct ackd_file *opened = calloc(1, sizeof *opened + size);
    if (opened == NULL)
        return ackd_fail_at(ACKD_E_NOMEM, file, line, function, "the file '%s'", path);
    opened->magic = FILE_MAGIC;
    opened->loop = loop_current();
    opened->fd = -1;
    opened->reads = (flags & ACKD_FILE_READ) != 0;
    opened->writes = (flags & (ACKD_FILE_WRITE | ACKD_FILE_APPEND)) != 0;
    memcpy(opened->path, path, size);
    int code = file_open(opened, &caller, system_flags, mode);
    if (code != ACKD_OK)
        ackd_file_close(&opened);
    else
        *ret_file = opened;
    return code;
}

/* Whether it can be used here, and so; then it has one more user. */
static int file_enter(struct ackd_file *file, bool may, const char *what,
                      struct file_caller *ret_caller, const char *place_file, int line,
                      const char *function)
{
    ACKD_TRY(wait_check(place_file, line, function));
    if (file == NULL || file->magic != FILE_MAGIC)
        return ackd_fail_at(ACKD_E_INVAL, place_file, line, function, "the file is not open");
    if (file->loop != loop_current())
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, place_file, line, function,
                          "the file '%s' belongs to another loop", file->path);
    if (!may)
        return ackd_fail_at(ACKD_E_INVAL, place_file, line, function,
                            "'%s' was not opened to be %s", file->path, what);
    *ret_caller =
        (struct file_caller){loop_uv(file->loop), file->path, place_file, function, line, false};
    file->users++;
    return ACKD_OK;
}

static int file_leave(struct ackd_file *file, int code)
{
    file->users--;
    file_free_if_done(file);
    return code;
}

static int file_check_offset(const struct file_caller *caller, uint64_t offset, size_t size)
{
    if (offset == ACKD_FILE_ON || (offset <= INT64_MAX && size <= INT64_MAX - offset))
        return ACKD_OK;
    return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                        "no file has a byte %llu", (unsigned long long)offset);
}

static int file_read(const struct ackd_file *file, const struct file_caller *caller,
                     uint64_t offset, void *buffer, size_t size, size_t *ret_size)
{
    size_t piece = size < FILE_PIECE ? size : FILE_PIECE;
    uv_buf_t bytes = uv_buf_init(buffer, (unsigned)piece);
    ACKD_TRY(file_check_offset(caller, offset, piece));
    struct file_request request;
    file_request_init(&request, caller);
    int status = uv_fs_read(caller->uv, &request.fs, file->fd, &bytes, 1,
                            offset == ACKD_FILE_ON ? -1 : (int64_t)offset, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    ACKD_TRY(file_judge(caller, result, "read"));
    *ret_size = (size_t)result;
    return ACKD_OK;
}

int ackd_file_read_at(struct ackd_file *file, uint64_t offset, void *buffer, size_t size,
                      size_t *ret_size, const char *place_file, int line, const char *function)
{
    struct file_caller caller;
    ACKD_TRY(
        file_enter(file, file != NULL && file->reads, "read", &caller, place_file, line, function));
    return file_leave(file, file_read(file, &caller, offset, buffer, size, ret_size));
}

/* One piece of it, or less. */
static int file_write_piece(const struct ackd_file *file, const struct file_caller *caller,
                            uint64_t offset, const char *data, size_t size, size_t *ret_size)
{
    size_t piece = size < FILE_PIECE ? size : FILE_PIECE;
    uv_buf_t bytes = uv_buf_init((char *)(uintptr_t)data, (unsigned)piece);
    struct file_request request;
    file_request_init(&request, caller);
    int status = uv_fs_write(caller->uv, &request.fs, file->fd, &bytes, 1,
                             offset == ACKD_FILE_ON ? -1 : (int64_t)offset, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    /* A file that takes nothing, and says no more, would be written to for ever. */
    ACKD_TRY(file_judge(caller, result == 0 ? UV_EIO : result, "write"));
    *ret_size = (size_t)result;
    return ACKD_OK;
}

static int file_write(const struct ackd_file *file, const struct file_caller *caller,
                      uint64_t offset, const char *data, size_t size)
{
    ACKD_TRY(file_check_offset(caller, offset, size));
    for (size_t done = 0; done < size;) {
        size_t piece = 0;
        if (done > 0)
            ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
        ACKD_TRY(file_write_piece(file, caller,
                                  offset == ACKD_FILE_ON ? ACKD_FILE_ON : offset + done,
                                  data + done, size - done, &piece));
        done += piece;
    }
    return ACKD_OK;
}

int ackd_file_write_at(struct ackd_file *file, uint64_t offset, const void *data, size_t size,
                       const char *place_file, int line, const char *function)
{
    struct file_caller caller;
    ACKD_TRY(file_enter(file, file != NULL && file->writes, "written", &caller, place_file, line,
                        function));
    return file_leave(file, file_write(file, &caller, offset, data, size));
}

int ackd_file_sync_at(struct ackd_file *file, const char *place_file, int line,
                      const char *function)
{
    struct file_caller caller;
    ACKD_TRY(file_enter(file, true, "synced", &caller, place_file, line, function));
    return file_leave(file, file_sync_fd(&caller, file->fd));
}

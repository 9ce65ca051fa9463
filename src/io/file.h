/* SPDX-License-Identifier: MIT */
/*
 * file - one request to libuv's threads, awaited. Private to io.
 *
 *     struct file_request request;
 *     file_request_init(&request, &caller);
 *     int status = uv_fs_fsync(caller.uv, &request.fs, fd, file_request_done);
 *     ssize_t result = file_request_await(&request, status);
 *     ... what libuv has put into the request is good up to here ...
 *     file_request_fini(&request);
 *
 *   F1  A request is left only when libuv has let go of it: it never happened, or is over.
 */
#ifndef ACKD_IO_FILE_H
#define ACKD_IO_FILE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "task/wait.h"

/* Whose call it is, for the awaits and errors that it may become. */
struct file_caller {
    uv_loop_t *uv;
    const char *path;
    const char *file;
    const char *function;
    int line;
    bool to_end; /* it must be done, cancelled or not: cleaning up */
};

struct file_request {
    uv_fs_t fs;
    struct wait wait;
    bool to_end;
};

/* Whether the caller may await, on which loop, and with a path. ACKD_E_INVAL for NULL and "". */
ACKD_MUST_CHECK int file_caller_init(struct file_caller *caller, const char *path, const char *file,
                                     int line, const char *function);
/* The same caller, for what must be done. */
struct file_caller file_caller_to_end(const struct file_caller *caller);

void file_request_init(struct file_request *request, const struct file_caller *caller);
void file_request_done(uv_fs_t *fs);
/*
 * @status: what starting it returned. Returns what the system did: negative, one of libuv's codes;
 * UV_ECANCELED: it was taken back, because the task was cancelled.
 */
ACKD_SUSPENDS ssize_t file_request_await(struct file_request *request, int status);
void file_request_fini(struct file_request *request);

/*
 * ACKD_OK for a @result that is not negative; ACKD_CANCELED; else "cannot @verb 'path': ..." with
 * ACKD_E_NOT_FOUND or ACKD_E_OS.
 */
ACKD_MUST_CHECK int file_judge(const struct file_caller *caller, ssize_t result, const char *verb);

/* open(2), fsync(2). */
ACKD_SUSPENDS int file_open_fd(const struct file_caller *caller, int flags, unsigned mode,
                               const char *verb, int *ret_fd);
ACKD_SUSPENDS int file_sync_fd(const struct file_caller *caller, int fd);

#endif

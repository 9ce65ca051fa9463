/* SPDX-License-Identifier: MIT */
/*
 * uv - libuv beneath tasks: for libraries that are made for it. Not part of <ackd/ackd.h>.
 *
 * A loop of ackd is a libuv loop, so whatever works on one works beside tasks. Its callbacks run
 * outside of tasks and cannot await (ACKD_E_NOT_IN_TASK); a promise carries what they bring to the
 * task that waits, and gives the wait its name:
 *
 *     static void found(uv_fs_t *request)
 *     {
 *         struct ackd_promise *promise = request->data;
 *         if (request->result < 0)
 *             ackd_promise_fail(promise, ackd_fail(ACKD_E_OS, "%s", uv_strerror(request->result)));
 *         else
 *             ackd_promise_resolve(promise, NULL);
 *         ackd_promise_unref(promise);
 *         uv_fs_req_cleanup(request);
 *         free(request);
 *     }
 *
 *     int await_file(const char *path)
 *     {
 *         struct ackd_promise *promise;
 *         ACKD_TRY(ackd_promise_new("a file", &promise));
 *         uv_fs_t *request = calloc(1, sizeof *request);
 *         request->data = ackd_promise_ref(promise);
 *         uv_fs_stat(ackd_uv_loop(), request, path, found);
 *         int code = ackd_promise_await(promise, NULL);
 *         ackd_promise_unref(promise);
 *         return code;
 *     }
 *
 * A cancelled task does not wait for the callback, so what the callback touches must not be on the
 * task's stack. Handles must be closed before their loop ends. Nobody but ackd runs or stops it.
 */
#ifndef ACKD_UV_H
#define ACKD_UV_H

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

struct uv_loop_s; /* <uv.h> calls it uv_loop_t */

/* The loop of this thread, in tasks and in its callbacks; NULL elsewhere. */
ACKD_API struct uv_loop_s *ackd_uv_loop(void);

ACKD_END_DECLS

#endif

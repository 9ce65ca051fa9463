/* SPDX-License-Identifier: MIT */
/* transfer - the loops around read and write. It must not know what is at the other end. */
#include <config.h>

#include "io/transfer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/loop_uv.h"

static int transfer_fail(const struct watch *watch, const char *doing,
                         const struct watch_caller *caller)
{
    int os_code = errno;
    if (os_code == EPIPE && watch->kind == WAIT_PIPE)
        return ackd_fail_at(ACKD_E_CLOSED, caller->file, caller->line, caller->function,
                            "'%s' closed its input before it read all", caller->what);
    if (os_code == EPIPE || os_code == ECONNRESET || os_code == ECONNABORTED)
        return ackd_fail_at(ACKD_E_DISCONNECTED, caller->file, caller->line, caller->function,
                            "%s %s: the peer ended the connection", doing, caller->what);
    if (os_code == ETIMEDOUT)
        return ackd_fail_at(ACKD_E_DISCONNECTED, caller->file, caller->line, caller->function,
                            "%s %s: the peer does not answer any more", doing, caller->what);
    return ackd_fail_at(ACKD_E_OS, caller->file, caller->line, caller->function, "%s '%s': %s",
                        doing, caller->what, strerror(os_code));
}

static int transfer_read_inside(struct watch *watch, char *buffer, size_t size, bool exactly,
                                size_t *ret_size, const struct watch_caller *caller)
{
    do {
        ssize_t got = read(watch->fd, buffer + *ret_size, size - *ret_size);
        if (got == 0 && exactly && *ret_size < size)
            return ackd_fail_at(ACKD_E_DISCONNECTED, caller->file, caller->line, caller->function,
                                "%s ended after %zu of %zu bytes", caller->what, *ret_size, size);
        if (got >= 0)
            *ret_size += (size_t)got;
        if (got >= 0 && (!exactly || *ret_size == size))
            return ACKD_OK;
        if (got >= 0 || errno == EINTR)
            ACKD_TRY(watch_again(watch, caller));
        else if (errno == EAGAIN)
            ACKD_TRY(watch_await(watch, WATCH_READ, caller));
        else
            return transfer_fail(watch, "reading from", caller);
    } while (true);
}

int transfer_read(struct watch *watch, void *buffer, size_t size, bool exactly, size_t *ret_size,
                  const struct watch_caller *caller)
{
    *ret_size = 0;
    int code = watch_enter(watch, WATCH_READ, caller);
    if (code != ACKD_OK)
        return code;
    code = transfer_read_inside(watch, buffer, size, exactly, ret_size, caller);
    return watch_leave(watch, WATCH_READ, code);
}

static ssize_t transfer_try_write(const struct watch *watch, const char *data, size_t size)
{
    if (watch->kind == WAIT_SOCKET)
        return send(watch->fd, data, size, MSG_NOSIGNAL);
    return write(watch->fd, data, size);
}

static int transfer_write_inside(struct watch *watch, const char *data, size_t size,
                                 const struct watch_caller *caller)
{
    while (size > 0) {
        ssize_t written = transfer_try_write(watch, data, size);
        if (written == (ssize_t)size)
            return ACKD_OK;
        if (written >= 0) {
            data += written;
            size -= (size_t)written;
        }
        if (written >= 0 || errno == EINTR)
            ACKD_TRY(watch_again(watch, caller));
        else if (errno == EAGAIN)
            ACKD_TRY(watch_await(watch, WATCH_WRITE, caller));
        else
            return transfer_fail(watch, "writing to", caller);
    }
    return ACKD_OK;
}

int transfer_write(struct watch *watch, const void *data, size_t size,
                   const struct watch_caller *caller)
{
    int code = watch_enter(watch, WATCH_WRITE, caller);
    if (code != ACKD_OK)
        return code;
    code = transfer_write_inside(watch, data, size, caller);
    return watch_leave(watch, WATCH_WRITE, code);
}

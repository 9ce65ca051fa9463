/* SPDX-License-Identifier: MIT */
/* pipe - making one, and closing our end. It must not know processes. */
#include <config.h>

#include "io/pipe.h"

#include <ackd/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int pipe_open(struct watch *pipe, struct loop *loop, bool reads, void (*closed)(void *arg),
              void *arg, int *ret_other)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ackd_fail(ACKD_E_OS, "cannot make a pipe: %s", strerror(errno));
    int ours = reads ? ends[0] : ends[1];
    int other = reads ? ends[1] : ends[0];
    /* This also makes our end, and only ours, non-blocking. */
    int code = watch_open(pipe, loop, ours, WAIT_PIPE, closed, arg);
    if (code != ACKD_OK) {
        close(ours);
        close(other);
        return code;
    }
    *ret_other = other;
    return ACKD_OK;
}

void pipe_close(struct watch *pipe)
{
    int fd = watch_close(pipe);
    if (fd >= 0)
        close(fd);
}

/* SPDX-License-Identifier: MIT */
/* watch - one uv_poll for two directions. It must not know what is read or written. */
#include <config.h>

#include "io/watch.h"

#include "base/assert.h"
#include "io/loop_uv.h"
#include "task/refusal.h"

static const int watch_events[WATCH_DIRECTIONS] = {UV_READABLE, UV_WRITABLE};

int watch_find_loop(struct loop **ret_loop, const struct watch_caller *caller)
{
    struct loop *loop = loop_current();
    if (ackd_task_current() == NULL || loop == NULL)
        return refusal_at(
            ACKD_E_NOT_IN_TASK, caller->site, caller->file, caller->line, caller->function,
            "only a task can use '%s': not a callback, not another thread", caller->what);
    *ret_loop = loop;
    return ACKD_OK;
}

int watch_check_loop(const struct loop *loop, const struct watch_caller *caller)
{
    struct loop *here;
    ACKD_TRY(watch_find_loop(&here, caller));
    if (loop == here)
        return ACKD_OK;
    return refusal_at(ACKD_E_WRONG_LOOP, caller->site, caller->file, caller->line, caller->function,
                      "'%s' belongs to another loop: use it in tasks of the one that opened it",
                      caller->what);
}

/* H2 */
static void watch_finish(struct watch *watch)
{
    if (watch->fd >= 0 || watch->polled || watch->users > 0 || watch->finished)
        return;
    watch->finished = true;
    watch->closed(watch->arg);
}

static void watch_handle_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    watch->polled = false;
    watch_finish(watch);
}

int watch_open(struct watch *watch, struct loop *loop, int fd, enum wait_kind kind,
               void (*closed)(void *arg), void *arg)
{
    ackd_assert(closed != NULL);
    *watch = (struct watch){.fd = -1};
    if (fd < 0)
        return loop_fail_os(-EBADF, "there is no descriptor %d", fd);
    ACKD_TRY(loop_claim(loop, fd));
    int status = uv_poll_init(loop_uv(loop), &watch->poll, fd);
    if (status != 0) {
        loop_disclaim(loop, fd);
        return loop_fail_os(status, "cannot watch the descriptor %d: %s", fd,
                            status == UV_EPERM ? "it is a file, and always ready"
                                               : uv_strerror(status));
    }
    /* Whether anything is to come is seen by the tasks that wait, not by what libuv watches. */
    uv_unref((uv_handle_t *)&watch->poll);
    watch->poll.data = watch;
    watch->fd = fd;
    watch->kind = kind;
    watch->polled = true;
    watch->loop = loop;
    watch->closed = closed;
    watch->arg = arg;
    return ACKD_OK;
}

static void watch_wake(const struct watch *watch, enum watch_direction direction)
{
    if (watch->waits[direction] != NULL)
        wait_finish(watch->waits[direction], ACKD_OK);
}

int watch_close(struct watch *watch)
{
    int fd = watch->fd;
    if (fd < 0)
        return -1;
    ackd_assert(watch->loop == loop_current() || loop_current() == NULL);
    watch->fd = -1;
    watch->armed = 0;
    loop_disclaim(watch->loop, fd);
    uv_close((uv_handle_t *)&watch->poll, watch_handle_closed);
    watch_wake(watch, WATCH_READ);
    watch_wake(watch, WATCH_WRITE);
    return fd;
}

static void watch_ready(uv_poll_t *poll, int status, int events);

/* Have libuv watch for @events and nothing else. */
static int watch_arm(struct watch *watch, int events)
{
    if (events == watch->armed)
        return 0;
    int status =
        events == 0 ? uv_poll_stop(&watch->poll) : uv_poll_start(&watch->poll, events, watch_ready);
    watch->armed = status == 0 ? events : 0;
    return status;
}

static void watch_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int unwanted = 0;
    if (status < 0) {
        /* libuv has stopped; the system call that is tried again will tell why. */
        watch->armed = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    for (enum watch_direction way = WATCH_READ; way < WATCH_DIRECTIONS; way++) {
        if ((events & watch_events[way]) == 0)
            continue;
        watch_wake(watch, way);
        if (watch->waits[way] == NULL)
            unwanted |= watch_events[way];
    }
    (void)watch_arm(watch, watch->armed & ~unwanted);
}

static int watch_begin(struct watch *watch, enum watch_direction direction,
                       const struct watch_caller *caller)
{
    static const char *const names[WATCH_DIRECTIONS] = {"reads from", "writes to"};
    ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
    if (watch->fd < 0)
        return ackd_fail_at(ACKD_E_CLOSED, caller->file, caller->line, caller->function,
                            "'%s' is closed", caller->what);
    if (watch->inside[direction])
        return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                            "another task %s '%s' and has not ended", names[direction],
                            caller->what);
    watch->inside[direction] = true; /* H1 */
    return ACKD_OK;
}

int watch_enter(struct watch *watch, enum watch_direction direction,
                const struct watch_caller *caller)
{
    watch->users++; /* before it may yield, and the watch be closed meanwhile */
    int code = watch_begin(watch, direction, caller);
    if (code == ACKD_OK)
        return code;
    watch->users--;
    watch_finish(watch);
    return code;
}

int watch_leave(struct watch *watch, enum watch_direction direction, int code)
{
    ackd_assert(watch->inside[direction]);
    ackd_assert(watch->users > 0);
    watch->inside[direction] = false;
    watch->users--;
    watch_finish(watch);
    return code;
}

int watch_again(const struct watch *watch, const struct watch_caller *caller)
{
    ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
    if (watch->fd >= 0)
        return ACKD_OK;
    return ackd_fail_at(ACKD_E_CLOSED, caller->file, caller->line, caller->function,
                        "'%s' was closed meanwhile", caller->what);
}

int watch_await(struct watch *watch, enum watch_direction direction,
                const struct watch_caller *caller)
{
    struct wait wait;
    ackd_assert(watch->inside[direction]);
    wait_init(&wait, watch->kind, caller->what, caller->file, caller->line, caller->function);
    int status = watch_arm(watch, watch->armed | watch_events[direction]);
    if (status != 0)
        return loop_fail_os(status, "cannot watch '%s': %s", caller->what, uv_strerror(status));
    watch->waits[direction] = &wait;
    int code = wait_park(&wait);
    watch->waits[direction] = NULL;
    return code == ACKD_OK ? watch_again(watch, caller) : code;
}

/* SPDX-License-Identifier: MIT */
/* signal - signals that tasks await, of <ackd/signal.h>. It must not know what they mean. */
#include <config.h>

#include <ackd/error.h>
#include <ackd/signal.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "io/loop_uv.h"
#include "io/probe.h"
#include "io/system.h"
#include "io/watch.h"

#define SIGNAL_MAGIC UINT32_C(0x7369676e)

enum { SIGNAL_NAME_SIZE = 24 };

struct ackd_signal {
    uint32_t magic;
    int number;
    bool came; /* and nobody has been told */
    bool closed;
    bool handled; /* by libuv: the handle is there, or being closed */
    unsigned users;
    struct wait *wait; /* of the task that is parked */
    struct loop *loop;
    uv_signal_t handle;
    char name[SIGNAL_NAME_SIZE]; /* "signal 10" */
};

static void signal_free_if_done(struct ackd_signal *signal)
{
    if (!signal->closed || signal->handled || signal->users > 0)
        return;
    signal->magic = 0;
    free(signal);
}

static void signal_handle_closed(uv_handle_t *handle)
{
    struct ackd_signal *signal = OBJECT_CAST(ackd_signal, SIGNAL_MAGIC, handle->data);
    signal->handled = false;
    signal_free_if_done(signal);
}

static void signal_came(uv_signal_t *handle, int number)
{
    struct ackd_signal *signal = OBJECT_CAST(ackd_signal, SIGNAL_MAGIC, handle->data);
    (void)number;
    signal->came = true;
    if (signal->wait != NULL)
        wait_finish(signal->wait, ACKD_OK);
}

/* Why nobody may have it; NULL if he may. */
static const char *signal_refusal(int number)
{
    /* libuv would put its own handler in the place of the one that looks. */
    if (probe_takes(number))
        return "the watchdog looks into loops with it; 'signal' of 'stall' names another";
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
        return "nobody can take it";
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
        return "it tells of a fault";
    case SIGCHLD:
    case SIGURG:
    case SIGPIPE:
        return "the runtime lives on it";
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
    case SIGQUIT:
        return signals_are_taken() ? "the host handles it; await what it cancels" : NULL;
    default:
        return number > 0 && number <= SIGRTMAX ? NULL : "there is no such signal";
    }
}

int ackd_signal_open(int number, struct ackd_signal **ret_signal)
{
    const struct watch_caller caller = {"a signal", __FILE__, __func__, __LINE__,
                                        __builtin_return_address(0)};
    struct loop *loop;
    ACKD_TRY(watch_find_loop(&loop, &caller));
    const char *refusal = signal_refusal(number);
    if (refusal != NULL)
        return ackd_fail(ACKD_E_INVAL, "signal %d is not for a task: %s", number, refusal);
    struct ackd_signal *signal = calloc(1, sizeof *signal);
    if (signal == NULL)
        return ackd_fail(ACKD_E_NOMEM, "signal %d", number);
    int status = uv_signal_init(loop_uv(loop), &signal->handle);
    if (status != 0) {
        free(signal);
        return loop_fail_os(status, "cannot take signals: %s", uv_strerror(status));
    }
    uv_unref((uv_handle_t *)&signal->handle);
    signal->magic = SIGNAL_MAGIC;
    signal->number = number;
    signal->handled = true;
    signal->loop = loop;
    signal->handle.data = signal;
    snprintf(signal->name, sizeof signal->name, "signal %d", number);
    status = uv_signal_start(&signal->handle, signal_came, number);
    if (status != 0) {
        ackd_signal_close(&signal);
        return loop_fail_os(status, "cannot take signal %d: %s", number, uv_strerror(status));
    }
    *ret_signal = signal;
    return ACKD_OK;
}

void ackd_signal_close(struct ackd_signal **signal)
{
    struct ackd_signal *old = *signal;
    if (old == NULL)
        return;
    *signal = NULL;
    ackd_assert(old->magic == SIGNAL_MAGIC);
    ackd_assert(old->loop == loop_current());
    ackd_assert(!old->closed);
    old->closed = true;
    uv_close((uv_handle_t *)&old->handle, signal_handle_closed);
    if (old->wait != NULL)
        wait_finish(old->wait, ACKD_OK);
}

static int signal_await(struct ackd_signal *signal, const struct watch_caller *caller)
{
    ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
    if (signal->wait != NULL)
        return ackd_fail_at(ACKD_E_INVAL, caller->file, caller->line, caller->function,
                            "another task waits for %s here: open it once more", signal->name);
    struct wait wait;
    wait_init(&wait, WAIT_SIGNAL, signal->name, caller->file, caller->line, caller->function);
    while (!signal->came) {
        if (signal->closed)
            return ackd_fail_at(ACKD_E_CLOSED, caller->file, caller->line, caller->function,
                                "%s was closed", signal->name);
        signal->wait = &wait;
        int code = wait_park(&wait);
        signal->wait = NULL;
        if (code != ACKD_OK)
            return code;
    }
    signal->came = false;
    return ACKD_OK;
}

int ackd_signal_await_at(struct ackd_signal *signal, const char *file, int line,
                         const char *function)
{
    if (signal == NULL || signal->magic != SIGNAL_MAGIC)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "the signal is not open");
    const struct watch_caller caller = {signal->name, file, function, line, NULL};
    ACKD_TRY(watch_check_loop(signal->loop, &caller));
    signal->users++;
    int code = signal_await(signal, &caller);
    signal->users--;
    signal_free_if_done(signal);
    return code;
}

/* SPDX-License-Identifier: MIT */
/*
 * signals - the four that stop, reload and dump, as calls on the main loop. It must not know what
 * they lead to.
 */
#include <config.h>

#include <ackd/error.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "io/loop_uv.h"
#include "io/system.h"

#define SIGNALS_MAGIC UINT32_C(0x73696773)

static const int signals_numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

enum { SIGNALS_COUNT = sizeof signals_numbers / sizeof signals_numbers[0] };

struct signals {
    uint32_t magic;
    bool taken; /* all of them */
    int open;   /* handles not yet closed; freed with the last */
    void (*received)(int number, void *arg);
    void *arg;
    uv_signal_t handles[SIGNALS_COUNT];
};

static atomic_int signals_opened;

bool signals_are_taken(void)
{
    return atomic_load(&signals_opened) > 0;
}

static void signals_received(uv_signal_t *handle, int number)
{
    struct signals *signals = OBJECT_CAST(signals, SIGNALS_MAGIC, handle->data);
    signals->received(number, signals->arg);
}

static void signals_closed(uv_handle_t *handle)
{
    struct signals *signals = OBJECT_CAST(signals, SIGNALS_MAGIC, handle->data);
    if (--signals->open > 0)
        return;
    signals->magic = 0;
    free(signals);
}

/* system_prepare blocked them, so that one which came before now waited for its handler. */
static void signals_unblock(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    for (int i = 0; i < SIGNALS_COUNT; i++)
        sigaddset(&mask, signals_numbers[i]);
    int status = pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    ackd_assert(status == 0);
}

int signals_open(struct loop *loop, void (*received)(int number, void *arg), void *arg,
                 struct signals **ret_signals)
{
    struct signals *signals = calloc(1, sizeof *signals);
    if (signals == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the signals");
    signals->magic = SIGNALS_MAGIC;
    signals->received = received;
    signals->arg = arg;
    int status = 0;
    for (int i = 0; i < SIGNALS_COUNT && status == 0; i++) {
        status = uv_signal_init(loop_uv(loop), &signals->handles[i]);
        if (status != 0)
            break;
        signals->open++;
        signals->handles[i].data = signals;
        status = uv_signal_start(&signals->handles[i], signals_received, signals_numbers[i]);
    }
    if (status != 0) {
        if (signals->open == 0)
            free(signals);
        else
            signals_close(&signals);
        return loop_fail_os(status, "cannot take signals: %s", uv_strerror(status));
    }
    signals_unblock();
    atomic_fetch_add(&signals_opened, 1);
    signals->taken = true;
    *ret_signals = signals;
    return ACKD_OK;
}

void signals_close(struct signals **signals)
{
    struct signals *old = *signals;
    if (old == NULL)
        return;
    *signals = NULL;
    if (old->taken)
        atomic_fetch_sub(&signals_opened, 1);
    for (int i = 0, count = old->open; i < count; i++)
        uv_close((uv_handle_t *)&old->handles[i], signals_closed);
}

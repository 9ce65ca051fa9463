/* SPDX-License-Identifier: MIT */
/* thread - starting one with the signal mask it shall have. It must not know what it runs. */
#include <config.h>

#include "io/thread.h"

#include <ackd/error.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { THREAD_NAME_SIZE = 16 }; /* the kernel's bound, with the terminator */

/* All signals but those that tell of a fault of the thread itself. */
static void thread_block_mask(sigset_t *mask)
{
    sigfillset(mask);
    sigdelset(mask, SIGSEGV);
    sigdelset(mask, SIGBUS);
    sigdelset(mask, SIGFPE);
    sigdelset(mask, SIGILL);
    sigdelset(mask, SIGABRT);
}

/* The mask is inherited, so that there is no moment at which the new thread would take a signal. */
static int thread_create(pthread_t *thread, bool detached, void *(*run)(void *arg), void *arg)
{
    pthread_attr_t attributes;
    int status = pthread_attr_init(&attributes);
    if (status != 0)
        return status;
    if (detached)
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t blocked, before;
    thread_block_mask(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    status = pthread_create(thread, &attributes, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

static void thread_name(pthread_t thread, const char *name)
{
    char cut[THREAD_NAME_SIZE];
    snprintf(cut, sizeof cut, "%s", name);
    (void)pthread_setname_np(thread, cut);
}

int thread_start(const char *name, void *(*run)(void *arg), void *arg, pthread_t *ret_thread)
{
    pthread_t thread;
    int status = thread_create(&thread, ret_thread == NULL, run, arg);
    if (status != 0) {
        errno = status;
        return ackd_fail(ACKD_E_OS, "cannot start the thread '%s': %s", name, strerror(status));
    }
    if (ret_thread != NULL) {
        thread_name(thread, name);
        *ret_thread = thread;
    }
    return ACKD_OK;
}

void thread_set_name(const char *name)
{
    thread_name(pthread_self(), name);
}

/* SPDX-License-Identifier: MIT */
/* system - signal dispositions, a seed and a name. It must not know what they are for. */
#include <config.h>

#include "io/system.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

/* What we were started to ignore, our children would ignore too: libuv resets the classic ones. */
static void system_reset_realtime(void)
{
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
            action.sa_handler = SIG_DFL;
            sigaction(number, &action, NULL);
        }
    }
}

void system_prepare(void)
{
    system_reset_realtime();
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    int status = sigaction(SIGPIPE, &ignore, NULL);
    ackd_assert(status == 0);
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGQUIT);
    status = pthread_sigmask(SIG_BLOCK, &ours, NULL);
    ackd_assert(status == 0);
    /* The end of a child is told to the loop that started it by a signal that some thread must
     * take; whoever started us may have blocked it. */
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    status = pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    ackd_assert(status == 0);
}

unsigned system_processors(void)
{
    cpu_set_t ours;
    if (sched_getaffinity(0, sizeof ours, &ours) == 0)
        return (unsigned)CPU_COUNT(&ours);
    /* There are more than the set has room for. */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (unsigned)online;
}

uint64_t system_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed)
        return seed;
    /* So early after boot that the kernel has none: jitter is still better than none. */
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_nsec * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)now.tv_sec ^
           (uint64_t)getpid() << 32;
}

void system_hostname(char *name, size_t size)
{
    ackd_assert(size > 0);
    if (gethostname(name, size) != 0)
        snprintf(name, size, "localhost");
    name[size - 1] = '\0';
}

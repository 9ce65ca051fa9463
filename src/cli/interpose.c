/* SPDX-License-Identifier: MIT */
/*
 * interpose - calls that block, in front of those of the C library.
 *
 * The dynamic linker binds a name to the program first, then to its libraries: what a handler, or a
 * library that it uses, calls by these names comes here. One question to libackd, and it goes on to
 * the next of that name. A call that cannot block, with a timeout of zero or a flag that says so, is
 * not asked about.
 *
 * Nothing is here where a sanitizer of clang is in the program itself: its own functions of these
 * names would be passed by.
 */
#include <config.h>

/* Its inline functions would be the ones defined here. */
#undef _FORTIFY_SOURCE

#define ACKD_ALLOW_BLOCKING
#include "io/blocking.h"

#if !(defined __clang__ && defined SANITIZED)

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INTERPOSE ACKD_API

/* The function of that name after ours. */
static void *interpose_next(_Atomic(void *) *known, const char *name)
{
    void *next = atomic_load_explicit(known, memory_order_relaxed);
    if (__builtin_expect(next == NULL, 0)) {
        next = dlsym(RTLD_NEXT, name);
        if (next == NULL)
            abort(); /* no C library without it */
        atomic_store_explicit(known, next, memory_order_relaxed);
    }
    return next;
}

#define INTERPOSE_NEXT(name)                \
    static _Atomic(void *) interpose_known; \
    __typeof__(name) *next = (__typeof__(name) *)interpose_next(&interpose_known, #name)

#define INTERPOSE_REFUSES(name) ackd_blocking_refuses(#name, __builtin_return_address(0))

static int interpose_fail(int code)
{
    errno = EDEADLK;
    return code;
}

static bool interpose_is_zero(const struct timespec *timeout)
{
    return timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
}

INTERPOSE unsigned int sleep(unsigned int seconds)
{
    INTERPOSE_NEXT(sleep);
    if (INTERPOSE_REFUSES(sleep))
        return (unsigned int)interpose_fail((int)seconds);
    return next(seconds);
}

INTERPOSE int usleep(useconds_t microseconds)
{
    INTERPOSE_NEXT(usleep);
    if (INTERPOSE_REFUSES(usleep))
        return interpose_fail(-1);
    return next(microseconds);
}

INTERPOSE int nanosleep(const struct timespec *duration, struct timespec *left)
{
    INTERPOSE_NEXT(nanosleep);
    if (INTERPOSE_REFUSES(nanosleep))
        return interpose_fail(-1);
    return next(duration, left);
}

INTERPOSE int clock_nanosleep(clockid_t clock, int flags, const struct timespec *duration,
                              struct timespec *left)
{
    INTERPOSE_NEXT(clock_nanosleep);
    if (INTERPOSE_REFUSES(clock_nanosleep))
        return EDEADLK;
    return next(clock, flags, duration, left);
}

INTERPOSE int poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
    INTERPOSE_NEXT(poll);
    if (timeout_ms != 0 && INTERPOSE_REFUSES(poll))
        return interpose_fail(-1);
    return next(polled, count, timeout_ms);
}

/* What poll() is in code that was compiled with checks of sizes. */
int __poll_chk(struct pollfd *polled, nfds_t count, int timeout_ms, size_t size);

INTERPOSE int __poll_chk(struct pollfd *polled, nfds_t count, int timeout_ms, size_t size)
{
    INTERPOSE_NEXT(__poll_chk);
    if (timeout_ms != 0 && INTERPOSE_REFUSES(__poll_chk))
        return interpose_fail(-1);
    return next(polled, count, timeout_ms, size);
}

INTERPOSE int ppoll(struct pollfd *polled, nfds_t count, const struct timespec *timeout,
                    const sigset_t *mask)
{
    INTERPOSE_NEXT(ppoll);
    if (!interpose_is_zero(timeout) && INTERPOSE_REFUSES(ppoll))
        return interpose_fail(-1);
    return next(polled, count, timeout, mask);
}

INTERPOSE int select(int count, fd_set *reads, fd_set *writes, fd_set *excepts,
                     struct timeval *timeout)
{
    INTERPOSE_NEXT(select);
    if (!(timeout != NULL && timeout->tv_sec == 0 && timeout->tv_usec == 0) &&
        INTERPOSE_REFUSES(select))
        return interpose_fail(-1);
    return next(count, reads, writes, excepts, timeout);
}

INTERPOSE int pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts,
                      const struct timespec *timeout, const sigset_t *mask)
{
    INTERPOSE_NEXT(pselect);
    if (!interpose_is_zero(timeout) && INTERPOSE_REFUSES(pselect))
        return interpose_fail(-1);
    return next(count, reads, writes, excepts, timeout, mask);
}

INTERPOSE int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    INTERPOSE_NEXT(epoll_wait);
    if (timeout_ms != 0 && INTERPOSE_REFUSES(epoll_wait))
        return interpose_fail(-1);
    return next(fd, events, count, timeout_ms);
}

INTERPOSE int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                          struct addrinfo **ret_first)
{
    INTERPOSE_NEXT(getaddrinfo);
    if (INTERPOSE_REFUSES(getaddrinfo))
        return interpose_fail(EAI_SYSTEM);
    return next(name, service, hints, ret_first);
}

INTERPOSE struct hostent *gethostbyname(const char *name)
{
    INTERPOSE_NEXT(gethostbyname);
    if (INTERPOSE_REFUSES(gethostbyname)) {
        h_errno = NETDB_INTERNAL;
        errno = EDEADLK;
        return NULL;
    }
    return next(name);
}

/* Without a command it only tells whether there is a shell. */

INTERPOSE int system(const char *command)
{
    INTERPOSE_NEXT(system);
    if (command != NULL && INTERPOSE_REFUSES(system))
        return interpose_fail(-1);
    return next(command);
}

INTERPOSE pid_t wait(int *status)
{
    INTERPOSE_NEXT(wait);
    if (INTERPOSE_REFUSES(wait))
        return interpose_fail(-1);
    return next(status);
}

INTERPOSE pid_t waitpid(pid_t process, int *status, int options)
{
    INTERPOSE_NEXT(waitpid);
    if ((options & WNOHANG) == 0 && INTERPOSE_REFUSES(waitpid))
        return interpose_fail(-1);
    return next(process, status, options);
}

INTERPOSE int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    INTERPOSE_NEXT(waitid);
    if ((options & WNOHANG) == 0 && INTERPOSE_REFUSES(waitid))
        return interpose_fail(-1);
    return next(type, id, info, options);
}

INTERPOSE pid_t wait4(pid_t process, int *status, int options, struct rusage *usage)
{
    INTERPOSE_NEXT(wait4);
    if ((options & WNOHANG) == 0 && INTERPOSE_REFUSES(wait4))
        return interpose_fail(-1);
    return next(process, status, options, usage);
}

INTERPOSE int fsync(int fd)
{
    INTERPOSE_NEXT(fsync);
    if (INTERPOSE_REFUSES(fsync))
        return interpose_fail(-1);
    return next(fd);
}

INTERPOSE int fdatasync(int fd)
{
    INTERPOSE_NEXT(fdatasync);
    if (INTERPOSE_REFUSES(fdatasync))
        return interpose_fail(-1);
    return next(fd);
}

INTERPOSE int flock(int fd, int operation)
{
    INTERPOSE_NEXT(flock);
    if ((operation & (LOCK_NB | LOCK_UN)) == 0 && INTERPOSE_REFUSES(flock))
        return interpose_fail(-1);
    return next(fd, operation);
}

INTERPOSE int pthread_join(pthread_t thread, void **result)
{
    INTERPOSE_NEXT(pthread_join);
    if (INTERPOSE_REFUSES(pthread_join))
        return EDEADLK;
    return next(thread, result);
}

INTERPOSE int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    INTERPOSE_NEXT(pthread_cond_wait);
    (void)INTERPOSE_REFUSES(pthread_cond_wait);
    return next(condition, mutex);
}

INTERPOSE int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                     const struct timespec *until)
{
    INTERPOSE_NEXT(pthread_cond_timedwait);
    (void)INTERPOSE_REFUSES(pthread_cond_timedwait);
    return next(condition, mutex, until);
}

/* It blocks only where the count is zero, which trying tells. */
INTERPOSE int sem_wait(sem_t *semaphore)
{
    INTERPOSE_NEXT(sem_wait);
    if (sem_trywait(semaphore) == 0)
        return 0;
    if (INTERPOSE_REFUSES(sem_wait))
        return interpose_fail(-1);
    return next(semaphore);
}

#endif

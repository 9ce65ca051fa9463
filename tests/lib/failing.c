/* SPDX-License-Identifier: MIT */
/*
 * failing - one call of a program fails, as if the system had refused: preloaded into it.
 *
 *     FAILING_CALL=writev FAILING_AT=3 [FAILING_ERRNO=EPIPE] LD_PRELOAD=.../failing.so PROGRAM
 *
 * FAILING_CALL is a name of the table below, or "memory" for malloc, calloc, realloc and its kin
 * together. FAILING_AT counts from 1; with 0 none fails. FAILING_LOG: a file to which a line
 * "CALL COUNT" for each is appended when the process ends, so that a first run tells how far to count.
 * Children are left alone: what they do does not count.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#pragma GCC visibility push(default) /* the point of it: these stand in front of the library's */

/* CALL(name, the errno that it fails with unless another one is asked for) */
#define CALLS(CALL)              \
    CALL(memory, ENOMEM)         \
    CALL(accept4, EMFILE)        \
    CALL(connect, ECONNREFUSED)  \
    CALL(epoll_create1, EMFILE)  \
    CALL(epoll_ctl, ENOMEM)      \
    CALL(eventfd, EMFILE)        \
    CALL(getrandom, ENOSYS)      \
    CALL(getsockopt, ENOBUFS)    \
    CALL(mmap, ENOMEM)           \
    CALL(mprotect, ENOMEM)       \
    CALL(open, EMFILE)           \
    CALL(pipe2, EMFILE)          \
    CALL(pthread_create, EAGAIN) \
    CALL(read, EIO)              \
    CALL(readv, ECONNRESET)      \
    CALL(recvmsg, ECONNRESET)    \
    CALL(send, EPIPE)            \
    CALL(sendmsg, EPIPE)         \
    CALL(setsockopt, ENOBUFS)    \
    CALL(shutdown, ENOTCONN)     \
    CALL(socket, EMFILE)         \
    CALL(timerfd_create, EMFILE) \
    CALL(write, EPIPE)           \
    CALL(writev, EPIPE)

enum call {
#define CALL(name, fault) CALL_##name,
    CALLS(CALL)
#undef CALL
        CALL_COUNT
};

static const char *const names[] = {
#define CALL(name, fault) #name,
    CALLS(CALL)
#undef CALL
};

static const int faults[] = {
#define CALL(name, fault) fault,
    CALLS(CALL)
#undef CALL
};

static atomic_ulong counts[CALL_COUNT];
/* Eventfds and pipes: to read and write them cannot fail. Numbers are not used again in a run of a second. */
enum { INNER = 1024 };
static atomic_bool inner[INNER];
static enum call failing = CALL_COUNT;
static unsigned long failing_at;
static int failing_errno;
static pid_t failing_pid;

static const struct {
    const char *name;
    int number;
} errors[] = {{"EPIPE", EPIPE},   {"ENOSPC", ENOSPC},         {"EINTR", EINTR},
              {"EAGAIN", EAGAIN}, {"ECONNRESET", ECONNRESET}, {"ENFILE", ENFILE}};

__attribute__((constructor)) static void begin(void)
{
    const char *call = getenv("FAILING_CALL");
    const char *at = getenv("FAILING_AT");
    const char *error = getenv("FAILING_ERRNO");
    failing_pid = getpid();
    for (int i = 0; call != NULL && at != NULL && i < CALL_COUNT; i++) {
        if (strcmp(call, names[i]) == 0) {
            failing = i;
            failing_errno = faults[i];
        }
    }
    for (size_t i = 0; error != NULL && i < sizeof errors / sizeof errors[0]; i++) {
        if (strcmp(error, errors[i].name) == 0)
            failing_errno = errors[i].number;
    }
    failing_at = at == NULL ? 0 : strtoul(at, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
    const char *log = getenv("FAILING_LOG");
    if (log == NULL || getpid() != failing_pid)
        return;
    failing_at = 0;
    FILE *file = fopen(log, "ae");
    if (file == NULL)
        return;
    for (int i = 0; i < CALL_COUNT; i++)
        fprintf(file, "%s %lu\n", names[i], atomic_load(&counts[i]));
    fclose(file);
}

/* Whether this call is the one. */
static int fails(enum call call)
{
    unsigned long count = atomic_fetch_add(&counts[call], 1) + 1;
    if (call != failing || count != failing_at || getpid() != failing_pid)
        return 0;
    errno = failing_errno;
    return 1;
}

static void mark_inner(int fd)
{
    if (fd >= 0 && fd < INNER)
        atomic_store(&inner[fd], true);
}

static int is_inner(int fd)
{
    return fd >= 0 && fd < INNER && atomic_load(&inner[fd]);
}

/* The next definition of @name behind this one. Never asked for within malloc: dlsym allocates. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FORWARD(name, ...)                             \
    do {                                               \
        static _Atomic(void *) real_##name;            \
        void *real = atomic_load(&real_##name);        \
        if (fails(CALL_##name))                        \
            return -1;                                 \
        if (real == NULL) {                            \
            real = (void *)REAL(name);                 \
            atomic_store(&real_##name, real);          \
        }                                              \
        return ((__typeof__(&name))real)(__VA_ARGS__); \
    } while (0)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    return fails(CALL_memory) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(CALL_memory) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(CALL_memory) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(CALL_memory) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    if (fails(CALL_memory))
        return ENOMEM;
    *ret = __libc_memalign(alignment, size);
    return *ret == NULL ? ENOMEM : 0;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    static _Atomic(void *) known;
    void *real = atomic_load(&known);
    if (fails(CALL_mmap))
        return MAP_FAILED;
    if (real == NULL) {
        real = (void *)REAL(mmap);
        atomic_store(&known, real);
    }
    return ((__typeof__(&mmap))real)(at, size, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *arg)
{
    static _Atomic(void *) known;
    void *real = atomic_load(&known);
    if (fails(CALL_pthread_create))
        return failing_errno;
    if (real == NULL) {
        real = (void *)REAL(pthread_create);
        atomic_store(&known, real);
    }
    return ((__typeof__(&pthread_create))real)(thread, attributes, run, arg);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    FORWARD(open, path, flags, mode);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    FORWARD(accept4, fd, address, size, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    FORWARD(connect, fd, address, size);
}

int epoll_create1(int flags)
{
    FORWARD(epoll_create1, flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    FORWARD(epoll_ctl, epoll, operation, fd, event);
}

int eventfd(unsigned count, int flags);
static int event_open(unsigned count, int flags)
{
    FORWARD(eventfd, count, flags);
}

int eventfd(unsigned count, int flags)
{
    int fd = event_open(count, flags);
    mark_inner(fd);
    return fd;
}

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    FORWARD(getrandom, bytes, size, flags);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    FORWARD(getsockopt, fd, level, name, value, size);
}

int mprotect(void *at, size_t size, int protection)
{
    FORWARD(mprotect, at, size, protection);
}

static int pipe_open(int fds[2], int flags)
{
    FORWARD(pipe2, fds, flags);
}

int pipe2(int fds[2], int flags)
{
    int code = pipe_open(fds, flags);
    if (code == 0) {
        mark_inner(fds[0]);
        mark_inner(fds[1]);
    }
    return code;
}

ssize_t read(int fd, void *bytes, size_t size)
{
    if (is_inner(fd))
        return syscall(SYS_read, fd, bytes, size);
    FORWARD(read, fd, bytes, size);
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    FORWARD(readv, fd, parts, count);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    FORWARD(recvmsg, fd, message, flags);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    FORWARD(send, fd, bytes, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    FORWARD(sendmsg, fd, message, flags);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    FORWARD(setsockopt, fd, level, name, value, size);
}

int shutdown(int fd, int how)
{
    FORWARD(shutdown, fd, how);
}

int socket(int domain, int type, int protocol)
{
    FORWARD(socket, domain, type, protocol);
}

int timerfd_create(int clock, int flags)
{
    FORWARD(timerfd_create, clock, flags);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (is_inner(fd))
        return syscall(SYS_write, fd, bytes, size);
    FORWARD(write, fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    FORWARD(writev, fd, parts, count);
}

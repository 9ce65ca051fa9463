/* SPDX-License-Identifier: MIT */
/*
 * blocking - calls that stop the whole loop, refused where they are compiled.
 *
 * While a task waits inside of the kernel, no other task of its loop runs: not one message. A call
 * that can never be right on a loop is therefore a compile error in code that includes this header,
 * whether it or the system's own header comes first: sleep, usleep, nanosleep, system, wait and
 * getaddrinfo. Others, as fsync, flock or a lock, may be right for once; they are looked at while
 * the program runs, and the watchdog names whatever holds a loop.
 *
 *     ACKD_BLOCKING(usleep(50));       permits one call, here and while it runs: the watchdog
 *                                      alone still looks at how long it takes
 *     #define ACKD_ALLOW_BLOCKING      before the first include of ackd permits the file: code
 *                                      that runs by ackd_offload or on a thread of its own
 *
 * Taking the address of such a function is permitted, for tables and for fakes of tests. The
 * compiler may see through a pointer that can have one value only. In C++ a name in ACKD_BLOCKING
 * is written without '::'.
 */
#ifndef ACKD_BLOCKING_H
#define ACKD_BLOCKING_H

#include <netdb.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

/* Whom the running thread permitted a call before. */
struct ackd_blocking {
    const void *opaque;
};

/* What ACKD_BLOCKING stands for. Between the two the running task may block; they nest. */
ACKD_API struct ackd_blocking ackd_blocking_begin(void);
ACKD_API void ackd_blocking_end(struct ackd_blocking *blocking);

/* In strict C the headers of the system do not tell of them. */
struct addrinfo;
struct timespec;

/* The same functions under names that are not refused. */
unsigned int ackd_blocking_sleep(unsigned int seconds) __asm__("sleep");
int ackd_blocking_usleep(unsigned int microseconds) __asm__("usleep");
int ackd_blocking_nanosleep(const struct timespec *duration,
                            struct timespec *ret_left) __asm__("nanosleep");
int ackd_blocking_system(const char *command) __asm__("system");
pid_t ackd_blocking_wait(int *ret_status) __asm__("wait");
int ackd_blocking_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                              struct addrinfo **ret_first) __asm__("getaddrinfo");

/* A name inside the block hides the one that is refused. */
#define ACKD_BLOCKING_AS(type, name, ...) \
    __attribute__((unused)) type (*const name)(__VA_ARGS__) = ackd_blocking_##name
#define ACKD_BLOCKING(expression)                                                               \
    __extension__({                                                                             \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"")           \
            __attribute__((cleanup(ackd_blocking_end),                                          \
                           unused)) struct ackd_blocking ackd_blocking_permitted =              \
                ackd_blocking_begin();                                                          \
        ACKD_BLOCKING_AS(unsigned int, sleep, unsigned int);                                    \
        ACKD_BLOCKING_AS(int, usleep, unsigned int);                                            \
        ACKD_BLOCKING_AS(int, nanosleep, const struct timespec *, struct timespec *);           \
        ACKD_BLOCKING_AS(int, system, const char *);                                            \
        ACKD_BLOCKING_AS(pid_t, wait, int *);                                                   \
        ACKD_BLOCKING_AS(int, getaddrinfo, const char *, const char *, const struct addrinfo *, \
                         struct addrinfo **);                                                   \
        _Pragma("GCC diagnostic pop")(expression);                                              \
    })

#ifndef ACKD_ALLOW_BLOCKING

/*
 * gcc refuses the call that is left after optimization. clang takes that attribute only in the
 * first declaration, which is the system's; its other one refuses a use of the name at all, its
 * address too, unless the condition depends on a parameter.
 */
#if defined __clang__
#define ACKD_REFUSED(parameter, instead) \
    __attribute__((diagnose_if(sizeof(parameter) > 0, "ackd: " instead, "error")))
#else
#define ACKD_REFUSED(parameter, instead) __attribute__((error("ackd: " instead)))
#endif

#pragma GCC diagnostic push
#if defined __clang__
#pragma clang diagnostic ignored "-Wgcc-compat"
#endif
#pragma GCC diagnostic ignored "-Wredundant-decls"

unsigned int sleep(unsigned int seconds)
    ACKD_REFUSED(seconds, "sleep() blocks the whole loop; use ackd_delay()");
int usleep(unsigned int microseconds)
    ACKD_REFUSED(microseconds, "usleep() blocks the whole loop; use ackd_delay()");
int nanosleep(const struct timespec *duration, struct timespec *ret_left)
    ACKD_REFUSED(duration, "nanosleep() blocks the whole loop; use ackd_delay()");
int system(const char *command)
    ACKD_REFUSED(command, "system() blocks the whole loop; use ackd_process_open()");
pid_t wait(int *ret_status)
    ACKD_REFUSED(ret_status, "wait() blocks the whole loop; use ackd_process_wait()");
int getaddrinfo(const char *__restrict name, const char *__restrict service,
                const struct addrinfo *__restrict hints, struct addrinfo **__restrict ret_first)
    ACKD_REFUSED(name, "getaddrinfo() blocks the whole loop; use ackd_resolve()");

#pragma GCC diagnostic pop

#undef ACKD_REFUSED

#endif

ACKD_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/* probe - /proc, clocks and a signal. It must not know what makes somebody look. */
#include <config.h>

#include "io/probe.h"

#include <ackd/error.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/timer.h"
#include "task/progress.h"

enum { PROBE_STACK_SIZE = 64 * 1024, PROBE_STEP_NS = 50000 };

/* ASKED by the looker; WRITING and DONE by the handler; IDLE again by the looker. */
enum probe_state { PROBE_IDLE, PROBE_ASKED, PROBE_WRITING, PROBE_DONE };

struct probe {
    pthread_t thread;
    clockid_t clock;
    int syscall_fd, wchan_fd, schedstat_fd; /* of /proc; -1: not there */
    struct progress *progress;
    _Atomic enum probe_state state;
    struct probe_sample sample;
    void *stack; /* for the handler; NULL: the thread had one, or the task's must do */
};

static _Thread_local struct probe *probe_own __attribute__((tls_model("initial-exec")));

static pthread_mutex_t probe_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned probe_users;
static atomic_int probe_signal;
static struct sigaction probe_previous;

/* Where the interrupted instruction is; NULL where the layout is not known. */
static const void *probe_interrupted(const void *context)
{
    const ucontext_t *at = context;
#if defined __x86_64__
    return (const void *)(uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined __aarch64__
    return (const void *)(uintptr_t)at->uc_mcontext.pc;
#else
    (void)at;
    return NULL;
#endif
}

/* Leave out the handler itself and what called it. */
static void probe_trim(struct probe_sample *sample, const void *interrupted)
{
    int first = 0;
    while (first < sample->count && sample->frames[first] != interrupted)
        first++;
    sample->exact = first < sample->count;
    if (!sample->exact)
        first = sample->count < 2 ? sample->count : 2;
    sample->count -= first;
    for (int i = 0; i < sample->count; i++)
        sample->frames[i] = sample->frames[first + i];
}

static void probe_pass_on(int number, siginfo_t *info, void *context)
{
    if (probe_previous.sa_flags & SA_SIGINFO)
        probe_previous.sa_sigaction(number, info, context);
    else if (probe_previous.sa_handler != SIG_DFL && probe_previous.sa_handler != SIG_IGN)
        probe_previous.sa_handler(number);
}

static void probe_handle(int number, siginfo_t *info, void *context)
{
    struct probe *probe = probe_own;
    enum probe_state asked = PROBE_ASKED;
    int os_code = errno;
    if (probe == NULL || !atomic_compare_exchange_strong(&probe->state, &asked, PROBE_WRITING)) {
        /* A look that was given up may still arrive: it is ours, and nobody's. */
        if (info->si_code != SI_TKILL || info->si_pid != getpid())
            probe_pass_on(number, info, context);
        errno = os_code;
        return;
    }
    subject_take(&probe->sample.subject);
    probe->sample.dispatches =
        atomic_load_explicit(&probe->progress->dispatches, memory_order_relaxed);
    probe->sample.rounds = atomic_load_explicit(&probe->progress->rounds, memory_order_relaxed);
    probe->sample.count = backtrace(probe->sample.frames, PROBE_FRAMES);
    probe_trim(&probe->sample, probe_interrupted(context));
    atomic_store_explicit(&probe->state, PROBE_DONE, memory_order_release);
    errno = os_code;
}

int probe_use_signal(int signal)
{
    pthread_mutex_lock(&probe_lock);
    int status = 0;
    if (probe_users > 0 && signal != atomic_load(&probe_signal)) {
        status = EBUSY;
    } else if (probe_users == 0) {
        /* The first call loads a library, which must not happen in a signal handler. */
        void *warm[2];
        backtrace(warm, 2);
        struct sigaction action = {.sa_sigaction = probe_handle,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
        sigfillset(&action.sa_mask);
        sigdelset(&action.sa_mask, SIGSEGV);
        sigdelset(&action.sa_mask, SIGBUS);
        status = sigaction(signal, &action, &probe_previous) == 0 ? 0 : errno;
    }
    if (status == 0) {
        probe_users++;
        atomic_store(&probe_signal, signal);
    }
    pthread_mutex_unlock(&probe_lock);
    if (status != 0)
        return ackd_fail(ACKD_E_INVAL, "cannot use signal %d to look into threads: %s", signal,
                         strerror(status));
    return ACKD_OK;
}

void probe_stop_signal(void)
{
    pthread_mutex_lock(&probe_lock);
    ackd_assert(probe_users > 0);
    if (--probe_users == 0)
        sigaction(atomic_load(&probe_signal), &probe_previous, NULL);
    pthread_mutex_unlock(&probe_lock);
}

bool probe_takes(int signal)
{
    pthread_mutex_lock(&probe_lock);
    bool takes = probe_users > 0 && signal == atomic_load(&probe_signal);
    pthread_mutex_unlock(&probe_lock);
    return takes;
}

static int probe_open_file(long thread, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld/%s", thread, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void probe_close_file(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The content, terminated; "" where there is none. */
static size_t probe_read(int fd, char *text, size_t size)
{
    ssize_t length = fd < 0 ? -1 : pread(fd, text, size - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* Tasks have small stacks: the handler gets its own, unless there is one for handlers. */
static void *probe_make_stack(void)
{
    stack_t before;
    if (sigaltstack(NULL, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0)
        return NULL;
    stack_t own = {.ss_sp = malloc(PROBE_STACK_SIZE), .ss_size = PROBE_STACK_SIZE};
    if (own.ss_sp != NULL && sigaltstack(&own, NULL) == 0)
        return own.ss_sp;
    free(own.ss_sp);
    return NULL;
}

struct probe *probe_open(struct progress *progress)
{
    struct probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL)
        return NULL;
    long thread = syscall(SYS_gettid);
    probe->progress = progress;
    probe->thread = pthread_self();
    if (pthread_getcpuclockid(probe->thread, &probe->clock) != 0)
        probe->clock = CLOCK_MONOTONIC;
    probe->syscall_fd = probe_open_file(thread, "syscall");
    probe->wchan_fd = probe_open_file(thread, "wchan");
    probe->schedstat_fd = probe_open_file(thread, "schedstat");
    probe->stack = probe_make_stack();
    probe_own = probe;
    sigset_t looks;
    sigemptyset(&looks);
    sigaddset(&looks, atomic_load(&probe_signal));
    (void)pthread_sigmask(SIG_UNBLOCK, &looks, NULL);
    return probe;
}

void probe_close(struct probe **probe)
{
    struct probe *closed = *probe;
    *probe = NULL;
    ackd_assert(probe_own == closed);
    ackd_assert(atomic_load(&closed->state) == PROBE_IDLE);
    probe_own = NULL;
    if (closed->stack != NULL) {
        stack_t now;
        if (sigaltstack(NULL, &now) == 0 && now.ss_sp == closed->stack) {
            stack_t none = {.ss_flags = SS_DISABLE};
            sigaltstack(&none, NULL);
        }
        free(closed->stack);
    }
    probe_close_file(closed->syscall_fd);
    probe_close_file(closed->wchan_fd);
    probe_close_file(closed->schedstat_fd);
    free(closed);
}

void probe_times(const struct probe *probe, struct probe_times *ret_times)
{
    struct timespec spent = {0};
    (void)clock_gettime(probe->clock, &spent);
    ret_times->cpu_ns = (uint64_t)spent.tv_sec * NS_PER_S + (uint64_t)spent.tv_nsec;
    /* Time on a processor, time of waiting for one, how often. */
    char text[96];
    char *end = text;
    if (probe_read(probe->schedstat_fd, text, sizeof text) > 0)
        (void)strtoull(text, &end, 10);
    ret_times->delay_ns = *end == ' ' ? strtoull(end, NULL, 10) : 0;
}

void probe_call(const struct probe *probe, struct probe_call *ret_call)
{
    *ret_call = (struct probe_call){.number = -1};
    /* "running", or the number and the arguments: "0 0x5 0x7ffe... ". */
    char text[256];
    ret_call->known = probe_read(probe->syscall_fd, text, sizeof text) > 0;
    if (!ret_call->known || text[0] == 'r')
        return;
    char *end = NULL;
    ret_call->waiting = true;
    ret_call->number = strtol(text, &end, 10);
    ret_call->first = strtoull(end, NULL, 16);
    size_t length = probe_read(probe->wchan_fd, ret_call->wchan, sizeof ret_call->wchan);
    if (length == 1 && ret_call->wchan[0] == '0')
        ret_call->wchan[0] = '\0';
}

static const struct {
    long number;
    const char *name;
    const char *instead;
} probe_calls[] = {
#define SYSCALL(name, instead) {SYS_##name, #name, instead},
#include "io/syscalls.def"
#undef SYSCALL
};

enum { PROBE_CALLS = sizeof probe_calls / sizeof probe_calls[0] };

const char *probe_call_name(long number, char *text, size_t size)
{
    for (size_t i = 0; i < PROBE_CALLS; i++) {
        if (probe_calls[i].number == number)
            return probe_calls[i].name;
    }
    if (number < 0)
        snprintf(text, size, "memory that is not there yet");
    else
        snprintf(text, size, "system call %ld", number);
    return text;
}

const char *probe_call_instead(long number)
{
    for (size_t i = 0; i < PROBE_CALLS; i++) {
        if (probe_calls[i].number == number)
            return probe_calls[i].instead;
    }
    return "a thread of the pool";
}

bool probe_call_is_poll(const struct probe_call *call, int fd)
{
    if (!call->waiting || call->first != (uint64_t)fd)
        return false;
#ifdef SYS_epoll_wait
    if (call->number == SYS_epoll_wait)
        return true;
#endif
    return call->number == SYS_epoll_pwait;
}

bool probe_sample(struct probe *probe, struct probe_sample *ret_sample)
{
    atomic_store(&probe->state, PROBE_ASKED);
    enum probe_state state = PROBE_ASKED;
    if (pthread_kill(probe->thread, atomic_load(&probe_signal)) == 0) {
        const struct timespec step = {.tv_nsec = PROBE_STEP_NS};
        for (int i = 0; i < PROBE_WAIT_MS * (int)NS_PER_MS / PROBE_STEP_NS; i++) {
            state = atomic_load_explicit(&probe->state, memory_order_acquire);
            if (state == PROBE_DONE)
                break;
            (void)nanosleep(&step, NULL);
        }
    }
    /* The handler may be at it this moment: it does not take long. */
    state = PROBE_ASKED;
    if (!atomic_compare_exchange_strong(&probe->state, &state, PROBE_IDLE)) {
        while (atomic_load_explicit(&probe->state, memory_order_acquire) != PROBE_DONE)
            sched_yield();
        *ret_sample = probe->sample;
        atomic_store(&probe->state, PROBE_IDLE);
        return true;
    }
    return false;
}

void probe_abort(struct probe *probe)
{
    (void)pthread_kill(probe->thread, SIGABRT);
}

/* SPDX-License-Identifier: MIT */
/*
 * loop - libuv's loop with one prepare handle, in which timers and then the owner's turn run.
 *
 * A round of libuv is: its timers, prepare, block for I/O, the callbacks of that I/O. What came in
 * by I/O therefore meets its turn at the next prepare, before the loop blocks again, and one handle
 * is enough (L1). A timerfd ends the block at the earliest due time: libuv's own timers know whole
 * milliseconds only, and a handler that waits 20 ms would mostly wait 21.
 *
 *   - The alarm is set by one system call for each time that it rings, and not at all where it
 *     rings early enough already: it may ring for a timer that was stopped meanwhile.
 *   - It rings LOOP_SLACK_NS after the earliest due time, so that timers which are due one soon
 *     after the other share a round. It never rings early.
 *   - No uv_timer is used, so none of 0 ms, with which libuv 1.44 would not poll for I/O. An idle
 *     handle keeps the loop from blocking where the turn wants to go on.
 *
 * It must not know what the turn does.
 */
#include <config.h>

#include "io/loop.h"

#include <ackd/uv.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/loop_uv.h"
#include "io/thread.h"
#include "io/watchdog.h"
#include "task/progress.h"

#define LOOP_MAGIC UINT32_C(0x6c6f6f70)

enum {
    LOOP_NAME_SIZE = 32,
    LOOP_SLACK_NS = 50000 /* what the kernel adds to every sleep of a thread, too */
};

struct loop {
    uint32_t magic;
    char name[LOOP_NAME_SIZE];
    uv_loop_t uv;
    uv_prepare_t prepare; /* runs timers and the turn */
    uv_idle_t idle;       /* active while the turn wants to run again at once */
    uv_poll_t alarms;     /* of alarm_fd: ends the block in time */
    int alarm_fd;         /* a timerfd */
    uint64_t alarm_ns;    /* when it rings; 0: it is not set, or has rung */
    bool alarm_rung;      /* and not been set since: it would end each block */
    uv_poll_t wakes;      /* of wake_fd: ends the block from another thread */
    int wake_fd;          /* an eventfd */
    atomic_bool wake_due; /* a turn is to come that nobody need ask for again */
    uint8_t *claims;      /* a bit for each descriptor that is watched: loop_claim */
    size_t claims_size;
    struct timers timers;
    uint64_t (*turn)(void *arg);
    void *turn_arg;
    uint64_t poll_until_ns;  /* of loop_poll; TIMER_NEVER otherwise */
    struct watched *watched; /* the watchdog's, NULL: nobody looks */
    struct progress *progress;
    atomic_bool stopping;
    bool threaded; /* started by loop_start and not yet joined */
    pthread_t thread;
};

static _Thread_local struct loop *loop_running;

static void loop_do_nothing(uv_handle_t *handle)
{
    (void)handle;
}

static void loop_idled(uv_idle_t *idle)
{
    (void)idle;
}

/* What was asked for meets its turn in loop_round, like all I/O. */
static void loop_woken(uv_poll_t *wakes, int status, int events)
{
    struct loop *loop = OBJECT_CAST(loop, LOOP_MAGIC, wakes->data);
    uint64_t count;
    (void)status;
    (void)events;
    ssize_t size = read(loop->wake_fd, &count, sizeof count);
    (void)size; /* nothing to read is no wake-up lost */
}

/* Those who are due meet their turn in loop_round, too. */
static void loop_alarmed(uv_poll_t *alarms, int status, int events)
{
    struct loop *loop = OBJECT_CAST(loop, LOOP_MAGIC, alarms->data);
    (void)status;
    (void)events;
    loop->alarm_ns = 0;
    loop->alarm_rung = true;
}

static uint64_t loop_clock_ns(clockid_t clock)
{
    struct timespec now;
    int status = clock_gettime(clock, &now);
    ackd_assert(status == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Ring at @at_ns; 0: do not. Either way it has not rung any more. */
static void loop_set_alarm(struct loop *loop, uint64_t at_ns)
{
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};
    int status = timerfd_settime(loop->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL);
    ackd_assert(status == 0);
    loop->alarm_ns = at_ns;
    loop->alarm_rung = false;
}

/* End the next block for @due_ns, which has not come yet. */
static void loop_arm(struct loop *loop, uint64_t due_ns)
{
    if (due_ns >= TIMER_NEVER - LOOP_SLACK_NS) {
        if (loop->alarm_rung)
            loop_set_alarm(loop, 0);
        return;
    }
    uint64_t at_ns = due_ns + LOOP_SLACK_NS;
    if (loop->alarm_ns == 0 || at_ns < loop->alarm_ns)
        loop_set_alarm(loop, at_ns);
}

/* Whether libuv has told the kernel of all that it waits for: it does so just before it blocks. */
static bool loop_is_flushed(const struct loop *loop)
{
    /* A ring of links: empty where it leads to itself. */
    const void *first;
    memcpy(&first, &loop->uv.watcher_queue, sizeof first);
    return first == (const void *)&loop->uv.watcher_queue;
}

/* Wait for events here and not in libuv, so that the watchdog can be woken before their callbacks. */
static void loop_park(struct loop *loop)
{
    int timeout_ms = uv_backend_timeout(&loop->uv);
    if (timeout_ms == 0)
        return;
    if (!loop_is_flushed(loop)) {
        uv_idle_start(&loop->idle, loop_idled); /* come round again without blocking */
        return;
    }
    if (!watchdog_park(loop->watched))
        return;
    struct pollfd events = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
    (void)poll(&events, 1, timeout_ms);
    watchdog_unpark(loop->watched);
}

static void loop_round(uv_prepare_t *prepare)
{
    struct loop *loop = OBJECT_CAST(loop, LOOP_MAGIC, prepare->data);
    if (loop->progress != NULL)
        progress_round(loop->progress, PROGRESS_LOOP);
    /* Before the turn looks: what comes later than this look asks again. */
    (void)atomic_exchange(&loop->wake_due, false);
    (void)timers_run(&loop->timers, loop_now_ns(loop));
    uint64_t due_ns = loop->turn == NULL ? TIMER_NEVER : loop->turn(loop->turn_arg);
    if (atomic_load_explicit(&loop->stopping, memory_order_relaxed))
        uv_stop(&loop->uv);
    /* The turn may have armed timers. */
    uint64_t timers_ns = timers_next_ns(&loop->timers);
    if (timers_ns < due_ns)
        due_ns = timers_ns;
    if (loop->poll_until_ns < due_ns)
        due_ns = loop->poll_until_ns;
    if (loop->progress != NULL)
        progress_round(loop->progress, PROGRESS_POLLING);
    if (due_ns != TIMER_NEVER && due_ns <= loop_now_ns(loop)) {
        uv_idle_start(&loop->idle, loop_idled);
        return;
    }
    uv_idle_stop(&loop->idle);
    loop_arm(loop, due_ns);
    if (loop->watched != NULL && watchdog_asks(loop->watched))
        loop_park(loop);
}

static int loop_init_poll(struct loop *loop, uv_poll_t *poll, int fd, uv_poll_cb ready)
{
    int status = uv_poll_init(&loop->uv, poll, fd);
    if (status != 0)
        return status;
    poll->data = loop;
    return uv_poll_start(poll, UV_READABLE, ready);
}

/* Only the descriptors and their watchers can fail. What is open then is closed by the caller. */
static int loop_init_handles(struct loop *loop)
{
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, loop_round);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return -errno;
    loop->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->alarm_fd < 0)
        return -errno;
    int status = loop_init_poll(loop, &loop->wakes, loop->wake_fd, loop_woken);
    return status != 0 ? status : loop_init_poll(loop, &loop->alarms, loop->alarm_fd, loop_alarmed);
}

/* Its handles are the last ones: the owners of others have closed them. */
static void loop_fini(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->prepare, loop_do_nothing);
    uv_close((uv_handle_t *)&loop->idle, loop_do_nothing);
    if (loop->wakes.data != NULL)
        uv_close((uv_handle_t *)&loop->wakes, loop_do_nothing);
    if (loop->alarms.data != NULL)
        uv_close((uv_handle_t *)&loop->alarms, loop_do_nothing);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int status = uv_loop_close(&loop->uv);
    ackd_assert(status == 0);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->alarm_fd >= 0)
        close(loop->alarm_fd);
}

int loop_new(const char *name, struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the loop '%s'", name);
    loop->magic = LOOP_MAGIC;
    snprintf(loop->name, sizeof loop->name, "%s", name);
    timers_init(&loop->timers);
    loop->poll_until_ns = TIMER_NEVER;
    atomic_init(&loop->stopping, false);
    atomic_init(&loop->wake_due, false);
    int status = uv_loop_init(&loop->uv);
    if (status == 0) {
        loop->wake_fd = loop->alarm_fd = -1;
        status = loop_init_handles(loop);
        if (status != 0)
            loop_fini(loop);
    }
    if (status != 0) {
        free(loop);
        return loop_fail_os(status, "cannot make the loop '%s': %s", name, uv_strerror(status));
    }
    *ret_loop = loop;
    return ACKD_OK;
}

void loop_free(struct loop **loop)
{
    struct loop *old = *loop;
    if (old == NULL)
        return;
    *loop = NULL;
    ackd_assert(old->magic == LOOP_MAGIC);
    ackd_assert(!old->threaded);
    ackd_assert(loop_running != old);
    loop_fini(old);
    ackd_assert(old->timers.count == 0);
    free(old->claims);
    old->magic = 0;
    free(old);
}

void loop_set_turn(struct loop *loop, uint64_t (*turn)(void *arg), void *arg)
{
    loop->turn = turn;
    loop->turn_arg = arg;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return loop_clock_ns(CLOCK_MONOTONIC);
}

uint64_t loop_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

uint64_t loop_wall_ns(const struct loop *loop)
{
    (void)loop;
    return loop_clock_ns(CLOCK_REALTIME);
}

struct timers *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

void loop_set_watched(struct loop *loop, struct watched *watched, struct progress *progress)
{
    loop->watched = watched;
    loop->progress = progress;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

struct loop_look {
    const struct loop *loop;
    bool expects;
};

static void loop_look_at_handle(uv_handle_t *handle, void *arg)
{
    struct loop_look *look = arg;
    const struct loop *loop = look->loop;
    bool own = handle == (const uv_handle_t *)&loop->prepare ||
               handle == (const uv_handle_t *)&loop->idle ||
               handle == (const uv_handle_t *)&loop->alarms ||
               handle == (const uv_handle_t *)&loop->wakes;
    if (!own && uv_is_active(handle) && uv_has_ref(handle))
        look->expects = true;
}

bool loop_expects(struct loop *loop)
{
    struct loop_look look = {.loop = loop, .expects = loop->uv.active_reqs.count > 0};
    uv_walk(&loop->uv, loop_look_at_handle, &look);
    return look.expects;
}

int loop_claim(struct loop *loop, int fd)
{
    size_t place = (size_t)fd / 8;
    uint8_t bit = (uint8_t)(1U << fd % 8);
    ackd_assert(fd >= 0);
    if (place >= loop->claims_size) {
        size_t size = place * 2 + 64; /* bounded by the descriptors that a process may have */
        uint8_t *claims = realloc(loop->claims, size);
        if (claims == NULL)
            return ackd_fail(ACKD_E_NOMEM, "watching the descriptor %d", fd);
        memset(claims + loop->claims_size, 0, size - loop->claims_size);
        loop->claims = claims;
        loop->claims_size = size;
    }
    if (loop->claims[place] & bit)
        return loop_fail_os(-EEXIST, "the loop '%s' watches the descriptor %d already", loop->name,
                            fd);
    loop->claims[place] |= bit;
    return ACKD_OK;
}

void loop_disclaim(struct loop *loop, int fd)
{
    loop->claims[fd / 8] &= (uint8_t) ~(1U << fd % 8);
}

struct loop *loop_current(void)
{
    return loop_running;
}

uv_loop_t *ackd_uv_loop(void)
{
    return loop_running == NULL ? NULL : &loop_running->uv;
}

void loop_run(struct loop *loop)
{
    ackd_assert(loop->magic == LOOP_MAGIC);
    ackd_assert(loop_running == NULL);
    loop_running = loop;
    if (loop->watched != NULL)
        watchdog_enter(loop->watched);
    while (!atomic_exchange(&loop->stopping, false))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (loop->watched != NULL)
        watchdog_leave(loop->watched);
    loop_running = NULL;
}

void loop_poll(struct loop *loop, uint64_t wait_ms)
{
    ackd_assert(loop->magic == LOOP_MAGIC);
    ackd_assert(loop_running == NULL);
    loop_running = loop;
    if (wait_ms > 0)
        loop->poll_until_ns = timer_after_ms(loop_now_ns(loop), wait_ms);
    uv_run(&loop->uv, wait_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    loop->poll_until_ns = TIMER_NEVER;
    loop_running = NULL;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    if (loop_running == loop)
        uv_stop(&loop->uv);
    else
        loop_wake(loop);
}

/*
 * Not by uv_async_send: where both threads share a core, the woken one often runs before that call
 * has ended, and libuv then spins for it, for tens of microseconds at every wake-up.
 */
void loop_wake(struct loop *loop)
{
    static const uint64_t one = 1;
    if (atomic_exchange(&loop->wake_due, true))
        return;
    ssize_t size = write(loop->wake_fd, &one, sizeof one);
    ackd_assert(size == sizeof one);
}

static void loop_first_request(uv_work_t *work)
{
    (void)work;
}

/*
 * libuv starts its threads with the first request, and waits for them to begin: on a loop's thread,
 * in the task that makes it. That is no fault of the task's, and where blocking calls are refused
 * libuv ends the process. So the first request is made here, where nobody else waits yet. Where it
 * cannot be made, another will be the first.
 */
static void loop_start_threads(void)
{
    uv_loop_t loop;
    uv_work_t work;
    if (uv_loop_init(&loop) != 0)
        return;
    if (uv_queue_work(&loop, &work, loop_first_request, NULL) == 0)
        uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void *loop_thread(void *arg)
{
    static pthread_once_t started = PTHREAD_ONCE_INIT;
    pthread_once(&started, loop_start_threads);
    loop_run(OBJECT_CAST(loop, LOOP_MAGIC, arg));
    return NULL;
}

int loop_start(struct loop *loop)
{
    ackd_assert(!loop->threaded);
    ACKD_TRY(thread_start(loop->name, loop_thread, loop, &loop->thread));
    loop->threaded = true;
    return ACKD_OK;
}

void loop_join(struct loop *loop)
{
    if (!loop->threaded)
        return;
    int status = pthread_join(loop->thread, NULL);
    ackd_assert(status == 0);
    loop->threaded = false;
}

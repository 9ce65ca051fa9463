/* SPDX-License-Identifier: MIT */
/*
 * loop - libuv's loop with one prepare handle, in which timers and then the owner's turn run.
 *
 * A round of libuv is: its timers, prepare, block for I/O, the callbacks of that I/O. What came in
 * by I/O therefore meets its turn at the next prepare, before the loop blocks again, and one handle
 * is enough (L1). One uv_timer ends the block at the earliest due time; its callback has nothing to
 * do.
 *
 *   - It is never armed with 0 ms: libuv would not poll for I/O. An idle handle keeps the loop from
 *     blocking where the turn wants to go on.
 *   - Its time is the due time rounded up to libuv's own millisecond, so it is never early.
 *
 * It must not know what the turn does.
 */
#include <config.h>

#include "io/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/loop_uv.h"
#include "io/thread.h"

#define LOOP_MAGIC UINT32_C(0x6c6f6f70)

enum { LOOP_NAME_SIZE = 32 };

struct loop {
    uint32_t magic;
    char name[LOOP_NAME_SIZE];
    uv_loop_t uv;
    uv_prepare_t prepare; /* runs timers and the turn */
    uv_idle_t idle;       /* active while the turn wants to run again at once */
    uv_timer_t alarm;     /* ends the block */
    uint64_t alarm_ms;    /* on libuv's clock; 0: not armed */
    uv_poll_t wakes;      /* of wake_fd: ends the block from another thread */
    int wake_fd;          /* an eventfd */
    atomic_bool wake_due; /* a turn is to come that nobody need ask for again */
    struct timers timers;
    uint64_t (*turn)(void *arg);
    void *turn_arg;
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

static void loop_alarmed(uv_timer_t *alarm)
{
    struct loop *loop = OBJECT_CAST(loop, LOOP_MAGIC, alarm->data);
    loop->alarm_ms = 0;
}

static uint64_t loop_clock_ns(clockid_t clock)
{
    struct timespec now;
    int status = clock_gettime(clock, &now);
    ackd_assert(status == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* End the next block at @due_ns, which has not come yet. */
static void loop_arm(struct loop *loop, uint64_t due_ns)
{
    if (due_ns == TIMER_NEVER) {
        if (loop->alarm_ms != 0)
            uv_timer_stop(&loop->alarm);
        loop->alarm_ms = 0;
        return;
    }
    /* libuv would block too long by the time that the turn took. */
    uv_update_time(&loop->uv);
    uint64_t now_ms = uv_now(&loop->uv);
    uint64_t due_ms = due_ns / NS_PER_MS + (due_ns % NS_PER_MS != 0);
    if (due_ms <= now_ms)
        due_ms = now_ms + 1;
    if (due_ms == loop->alarm_ms)
        return;
    int status = uv_timer_start(&loop->alarm, loop_alarmed, due_ms - now_ms, 0);
    ackd_assert(status == 0);
    loop->alarm_ms = due_ms;
}

static void loop_round(uv_prepare_t *prepare)
{
    struct loop *loop = OBJECT_CAST(loop, LOOP_MAGIC, prepare->data);
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
    if (due_ns != TIMER_NEVER && due_ns <= loop_now_ns(loop)) {
        uv_idle_start(&loop->idle, loop_idled);
        return;
    }
    uv_idle_stop(&loop->idle);
    loop_arm(loop, due_ns);
}

/* Only the eventfd and its watcher can fail. */
static int loop_init_handles(struct loop *loop)
{
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return -errno;
    int status = uv_poll_init(&loop->uv, &loop->wakes, loop->wake_fd);
    if (status != 0) {
        close(loop->wake_fd);
        return status;
    }
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->alarm);
    loop->prepare.data = loop->alarm.data = loop->wakes.data = loop;
    uv_prepare_start(&loop->prepare, loop_round);
    uv_poll_start(&loop->wakes, UV_READABLE, loop_woken);
    return 0;
}

int loop_new(const char *name, struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the loop '%s'", name);
    loop->magic = LOOP_MAGIC;
    snprintf(loop->name, sizeof loop->name, "%s", name);
    timers_init(&loop->timers);
    atomic_init(&loop->stopping, false);
    atomic_init(&loop->wake_due, false);
    int status = uv_loop_init(&loop->uv);
    if (status == 0) {
        status = loop_init_handles(loop);
        if (status != 0)
            uv_loop_close(&loop->uv);
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
    uv_close((uv_handle_t *)&old->prepare, loop_do_nothing);
    uv_close((uv_handle_t *)&old->idle, loop_do_nothing);
    uv_close((uv_handle_t *)&old->alarm, loop_do_nothing);
    uv_close((uv_handle_t *)&old->wakes, loop_do_nothing);
    uv_run(&old->uv, UV_RUN_DEFAULT);
    ackd_assert(old->timers.count == 0);
    int status = uv_loop_close(&old->uv);
    ackd_assert(status == 0);
    close(old->wake_fd);
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

uint64_t loop_wall_ns(const struct loop *loop)
{
    (void)loop;
    return loop_clock_ns(CLOCK_REALTIME);
}

struct timers *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

struct loop *loop_current(void)
{
    return loop_running;
}

void loop_run(struct loop *loop)
{
    ackd_assert(loop->magic == LOOP_MAGIC);
    ackd_assert(loop_running == NULL);
    loop_running = loop;
    while (!atomic_exchange(&loop->stopping, false))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
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

static void *loop_thread(void *arg)
{
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

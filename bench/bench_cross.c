/* SPDX-License-Identifier: MIT */
/*
 * bench_cross - what it costs to cross threads: posts to another loop, jobs of the pool, and how soon
 * a stall is told; beside what libuv and threads with a queue of their own take for the same.
 *
 * On a machine with fewer processors than threads that are awake it is the kernel's scheduling that
 * is measured.
 */
#include <config.h>

#define ACKD_ALLOW_BLOCKING /* it waits on threads of its own */
#include <ackd/ackd.h>
#include <ackd/runtime.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/log.h"
#include "base/timer.h"
#include "figure.h"

enum { POSTS = 200000, PINGS = 300, PAUSE_US = 200, JOBS = 2000, JOBS_AT_ONCE = 64, SPIN_MS = 120 };

static struct ackd_runtime *runtime;
static struct ackd_loop *far_loop;

static uint64_t now_ns(void)
{
    return figure_clock_ns(CLOCK_MONOTONIC);
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench_cross: %s: %s\n", what, ackd_error_text(ackd_error_current()));
    exit(EXIT_FAILURE);
}

static void pause_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* ------------------------------------------------------------------------ as much as there is */

static atomic_ulong arrived;

static void arrive(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
}

static void wait_for_arrivals(void)
{
    while (atomic_load(&arrived) < POSTS)
        pause_us(50);
    atomic_store(&arrived, 0);
}

static double post_by_ackd(void)
{
    uint64_t from_ns = now_ns();
    for (int i = 0; i < POSTS; i++) {
        if (ackd_post(far_loop, arrive, NULL, NULL) != ACKD_OK)
            die("post");
    }
    wait_for_arrivals();
    return (double)(now_ns() - from_ns) / POSTS;
}

/* As it is done by hand: a list under a lock, and an uv_async_t or a condition. */
struct item {
    struct item *next;
};

static struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct item *first, **end;
    bool closed;
    uv_loop_t uv;
    uv_async_t async;
    _Atomic uint64_t pinged_ns, answered_ns;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static void queue_put(void)
{
    struct item *item = malloc(sizeof *item);
    if (item == NULL)
        die("memory");
    item->next = NULL;
    pthread_mutex_lock(&queue.lock);
    *queue.end = item;
    queue.end = &item->next;
    pthread_mutex_unlock(&queue.lock);
}

static struct item *queue_take_locked(void)
{
    struct item *items = queue.first;
    queue.first = NULL;
    queue.end = &queue.first;
    return items;
}

static void consume(struct item *items)
{
    while (items != NULL) {
        struct item *item = items;
        items = item->next;
        arrive(NULL);
        free(item);
    }
}

static void async_called(uv_async_t *async)
{
    pthread_mutex_lock(&queue.lock);
    struct item *items = queue_take_locked();
    bool closed = queue.closed;
    pthread_mutex_unlock(&queue.lock);
    consume(items);
    if (atomic_load(&queue.pinged_ns) != 0 && atomic_load(&queue.answered_ns) == 0)
        atomic_store(&queue.answered_ns, now_ns());
    if (closed)
        uv_close((uv_handle_t *)async, NULL);
}

static void *run_uv(void *arg)
{
    uv_run(&queue.uv, UV_RUN_DEFAULT);
    return arg;
}

static pthread_t begin(void *(*run)(void *arg))
{
    pthread_t thread;
    queue.first = NULL;
    queue.end = &queue.first;
    queue.closed = false;
    uv_loop_init(&queue.uv);
    uv_async_init(&queue.uv, &queue.async, async_called);
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        die("thread");
    return thread;
}

static void end(pthread_t thread)
{
    pthread_mutex_lock(&queue.lock);
    queue.closed = true;
    pthread_cond_signal(&queue.filled);
    pthread_mutex_unlock(&queue.lock);
    uv_async_send(&queue.async);
    pthread_join(thread, NULL);
    uv_run(&queue.uv, UV_RUN_DEFAULT);
    uv_loop_close(&queue.uv);
}

static double post_by_uv(void)
{
    pthread_t thread = begin(run_uv);
    uint64_t from_ns = now_ns();
    for (int i = 0; i < POSTS; i++) {
        queue_put();
        uv_async_send(&queue.async);
    }
    wait_for_arrivals();
    double ns = (double)(now_ns() - from_ns) / POSTS;
    end(thread);
    return ns;
}

static void *run_queue(void *arg)
{
    pthread_mutex_lock(&queue.lock);
    while (!queue.closed) {
        struct item *items = queue_take_locked();
        if (items == NULL) {
            pthread_cond_wait(&queue.filled, &queue.lock);
            continue;
        }
        pthread_mutex_unlock(&queue.lock);
        consume(items);
        pthread_mutex_lock(&queue.lock);
    }
    pthread_mutex_unlock(&queue.lock);
    return arg;
}

static double post_by_threads(void)
{
    pthread_t thread = begin(run_queue);
    uint64_t from_ns = now_ns();
    for (int i = 0; i < POSTS; i++) {
        queue_put();
        pthread_cond_signal(&queue.filled);
    }
    wait_for_arrivals();
    double ns = (double)(now_ns() - from_ns) / POSTS;
    end(thread);
    return ns;
}

/* ------------------------------------------------------------------------ one, now and then */

static int compare(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static void answer(void *arg)
{
    (void)arg;
    atomic_store(&queue.answered_ns, now_ns());
}

static void ping_ackd(void)
{
    if (ackd_post(far_loop, answer, NULL, NULL) != ACKD_OK)
        die("post");
}

static void ping_uv(void)
{
    uv_async_send(&queue.async);
}

/* From the call to its arrival on a loop that sleeps, the median. */
static double latency(void (*ping)(void))
{
    static double pings_us[PINGS];
    for (int i = 0; i < PINGS; i++) {
        pause_us(PAUSE_US);
        atomic_store(&queue.answered_ns, 0);
        uint64_t pinged_ns = now_ns();
        atomic_store(&queue.pinged_ns, pinged_ns);
        ping();
        while (atomic_load(&queue.answered_ns) == 0)
            pause_us(20);
        pings_us[i] = (double)(atomic_load(&queue.answered_ns) - pinged_ns) / 1e3;
    }
    atomic_store(&queue.pinged_ns, 0);
    qsort(pings_us, PINGS, sizeof pings_us[0], compare);
    return pings_us[PINGS / 2];
}

static double latency_by_ackd(void)
{
    return latency(ping_ackd);
}

static double latency_by_uv(void)
{
    pthread_t thread = begin(run_uv);
    double us = latency(ping_uv);
    end(thread);
    return us;
}

/* --------------------------------------------------------------------------------- the pools */

static int compute(void *arg, struct ackd_token token)
{
    (void)arg;
    (void)token;
    return ACKD_OK;
}

static int offload(void *arg)
{
    unsigned count = *(const unsigned *)arg;
    for (unsigned i = 0; i < count; i++)
        ACKD_TRY(ackd_offload(compute, NULL));
    return ACKD_OK;
}

static int offload_beside(void *arg)
{
    unsigned at_once = *(const unsigned *)arg, each = JOBS / at_once;
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < at_once; i++)
        ACKD_TRY(ackd_spawn(&scope, offload, &each));
    return ackd_scope_join(&scope);
}

/* In us for each job. */
static double jobs_by_ackd(unsigned at_once)
{
    uint64_t from_ns = now_ns();
    if (ackd_block_on(runtime, offload_beside, &at_once) != ACKD_OK)
        die("offload");
    return (double)(now_ns() - from_ns) / 1e3 / JOBS;
}

static uv_loop_t uv;
static unsigned jobs_left;

static void uv_compute(uv_work_t *work)
{
    (void)work;
}

static void uv_computed(uv_work_t *work, int status)
{
    (void)status;
    if (jobs_left > 0) {
        jobs_left--;
        uv_queue_work(&uv, work, uv_compute, uv_computed);
    }
}

static double jobs_by_uv(unsigned at_once)
{
    static uv_work_t works[JOBS_AT_ONCE];
    uv_loop_init(&uv);
    jobs_left = JOBS - at_once;
    uint64_t from_ns = now_ns();
    for (unsigned i = 0; i < at_once; i++)
        uv_queue_work(&uv, &works[i], uv_compute, uv_computed);
    uv_run(&uv, UV_RUN_DEFAULT);
    double us = (double)(now_ns() - from_ns) / 1e3 / JOBS;
    uv_loop_close(&uv);
    return us;
}

/* --------------------------------------------------------------------------------- the stall */

static _Atomic uint64_t told_ns;

static void keep(const struct log_record *record, void *arg)
{
    (void)arg;
    if (strcmp(record->event, "loop-stalled") == 0 && atomic_load(&told_ns) == 0)
        atomic_store(&told_ns, now_ns());
}

static int spin(void *arg)
{
    uint64_t *ret_from_ns = arg;
    *ret_from_ns = now_ns();
    while (now_ns() - *ret_from_ns < SPIN_MS * NS_PER_MS)
        continue;
    return ACKD_OK;
}

/* From the beginning of a stall to its report, in ms. */
static double stall_by_ackd(void)
{
    uint64_t from_ns = 0;
    atomic_store(&told_ns, 0);
    if (ackd_block_on(runtime, spin, &from_ns) != ACKD_OK)
        die("spin");
    for (int i = 0; i < 1000 && atomic_load(&told_ns) == 0; i++)
        pause_us(1000);
    if (atomic_load(&told_ns) == 0)
        die("the stall was not told");
    return (double)(atomic_load(&told_ns) - from_ns) / 1e6;
}

int main(int argc, char **argv)
{
    enum { POST, LATENCY, JOB, JOBS_MANY, STALL, FIGURES };
    static struct figure figures[FIGURES] = {
        [POST] = {.what = "post to another loop, saturated",
                  .unit = "ns",
                  .at_most = 250,
                  .contestants = {{0}, {.name = "uv_async + lock"}, {.name = "thread + lock"}}},
        [LATENCY] = {.what = "post to a loop that sleeps, until it runs",
                     .unit = "us",
                     .contestants = {{0}, {.name = "uv_async"}}},
        [JOB] = {.what = "job on the pool and back, one at a time",
                 .unit = "us",
                 .contestants = {{0}, {.name = "uv_queue_work"}}},
        [JOBS_MANY] = {.what = "the same, 64 at a time, each",
                       .unit = "us",
                       .contestants = {{0}, {.name = "uv_queue_work"}}},
        [STALL] = {.what = "stall, until it is told", .unit = "ms", .at_most = 80}};
    bool json = figure_wants_json(argc, argv);
    const struct ackd_runtime_options options = {.name = "bench", .loops = 2};
    if (ackd_runtime_new(&options, &runtime) != ACKD_OK ||
        ackd_runtime_loop(runtime, 1, &far_loop) != ACKD_OK)
        die("runtime");
    log_use(keep, NULL);
    jobs_by_ackd(1);
    for (int round = 0; round < FIGURE_ROUNDS; round++) {
        figure_note(&figures[POST], 0, post_by_ackd());
        figure_note(&figures[POST], 1, post_by_uv());
        figure_note(&figures[POST], 2, post_by_threads());
        figure_note(&figures[LATENCY], 0, latency_by_ackd());
        figure_note(&figures[LATENCY], 1, latency_by_uv());
        figure_note(&figures[JOB], 0, jobs_by_ackd(1));
        figure_note(&figures[JOB], 1, jobs_by_uv(1));
        figure_note(&figures[JOBS_MANY], 0, jobs_by_ackd(JOBS_AT_ONCE));
        figure_note(&figures[JOBS_MANY], 1, jobs_by_uv(JOBS_AT_ONCE));
        figure_note(&figures[STALL], 0, stall_by_ackd());
    }
    figure_print_all("bench_cross", figures, FIGURES, json);
    ackd_runtime_free(&runtime);
    return EXIT_SUCCESS;
}

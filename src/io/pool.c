/* SPDX-License-Identifier: MIT */
/*
 * pool - its threads, its lanes, and one more thread that looks whether jobs starve.
 *
 * All of it is under one lock, which is held for some hundred nanoseconds at each step of a job: a
 * job pays from some hundred microseconds on. The threads have a lower priority than the loops; the
 * kernel lends a holder of the lock no higher one, so nothing that wakes a loop is done under it.
 *
 * It must not know what awaits a job: see offload.
 */
#include <config.h>

#include "io/pool.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/metric.h"
#include "io/system.h"
#include "io/thread.h"

enum {
    POOL_THREADS_DEFAULT = 2, /* for each processor, as is the next */
    POOL_THREADS_MAX = 4,
    POOL_QUEUE_DEFAULT = 1024,
    POOL_NICE = 10, /* added to the priority of those who start the threads */
    POOL_NICE_MAX = 19,
    POOL_STARVED_MS = 100,     /* in the queue, while processors are idle */
    POOL_IDLE_PERCENT = 50,    /* of their time: more than that */
    POOL_SHORT_NS = 50000,     /* a job under it costs more than it frees */
    POOL_SHORT_PERCENT = 10,   /* of all: more than that is said */
    POOL_SHORT_SAMPLES = 1000, /* before it is said, and ten times as many before it is again */
    POOL_TEXT_SIZE = 256
};

/* Of the thread whose loop submits. */
struct pool_lane {
    struct list node; /* in pool.lanes, while it has jobs */
    struct list jobs;
    bool listed;
};

struct pool_thread {
    pthread_t id;
    const struct pool_job *job; /* which it runs; NULL: none */
};

static struct {
    pthread_mutex_t life; /* of pool_open and pool_close; taken before the lock */
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t work;  /* there is a job, or it is the end */
    pthread_cond_t watch; /* there are jobs that wait, or it is the end */
    unsigned users;
    bool ending;
    struct pool_options options;
    struct list lanes; /* those that have jobs; the first is next */
    struct pool_thread *threads;
    unsigned started; /* threads */
    unsigned idle;    /* of those; one that was just started or woken counts until it takes a job */
    bool watched;     /* the watch has started */
    bool watch_parked; /* it has nothing to look at */
    pthread_t watcher;
    struct ackd_cpu_pool_counts counts; /* without oldest_queued_ns */
    uint64_t next_look;                 /* at the share of short jobs, when so many are complete */
    struct metric_set metrics;
} pool = {.life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct pool_lane pool_own_lane;
static _Thread_local const struct pool_job *pool_running_here;

bool pool_is_here(void)
{
    return pool_running_here != NULL;
}

static uint64_t pool_now_ns(void)
{
    struct timespec now;
    int status = clock_gettime(CLOCK_MONOTONIC, &now);
    ackd_assert(status == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void pool_step_back(void)
{
    int nice = getpriority(PRIO_PROCESS, 0) + POOL_NICE;
    /* Of this thread alone: on Linux each has its own. To lower it needs no privilege. */
    (void)setpriority(PRIO_PROCESS, 0, nice > POOL_NICE_MAX ? POOL_NICE_MAX : nice);
}

static void pool_step(struct pool_job *job, enum pool_state from, enum pool_state to)
{
    ackd_assert(job->state == from); /* P1 */
    job->state = to;
    if (to == POOL_QUEUED || to == POOL_RUNNING)
        atomic_store_explicit(job->progress, to == POOL_QUEUED ? "queued" : "running",
                              memory_order_relaxed);
}

/* When the oldest of those that are queued came; 0: none is. */
static uint64_t pool_oldest_ns(void)
{
    uint64_t oldest_ns = 0;
    list_for_each (node, &pool.lanes) {
        const struct pool_lane *lane = LIST_ITEM(node, pool_lane, node);
        const struct pool_job *job = LIST_ITEM(lane->jobs.next, pool_job, node);
        if (oldest_ns == 0 || job->queued_ns < oldest_ns)
            oldest_ns = job->queued_ns;
    }
    return oldest_ns;
}

static uint64_t pool_oldest_age_ns(uint64_t now_ns)
{
    uint64_t oldest_ns = pool_oldest_ns();
    return oldest_ns == 0 || oldest_ns >= now_ns ? 0 : now_ns - oldest_ns;
}

static void pool_publish(uint64_t now_ns)
{
    metric_store(&pool.metrics, METRIC_cpu_jobs_queued, pool.counts.queued);
    metric_store(&pool.metrics, METRIC_cpu_jobs_running, pool.counts.running);
    metric_store(&pool.metrics, METRIC_cpu_jobs_oldest_us, pool_oldest_age_ns(now_ns) / 1000);
}

static void pool_enqueue(struct pool_job *job)
{
    struct pool_lane *lane = job->lane = &pool_own_lane;
    if (lane->jobs.next == NULL)
        list_init(&lane->jobs);
    list_append(&lane->jobs, &job->node);
    if (!lane->listed)
        list_append(&pool.lanes, &lane->node);
    lane->listed = true;
    job->queued_ns = pool_now_ns();
    pool_step(job, POOL_NEW, POOL_QUEUED);
    pool.counts.queued++;
    pool_publish(job->queued_ns);
}

static void pool_dequeue(struct pool_job *job, enum pool_state to)
{
    struct pool_lane *lane = job->lane;
    pool_step(job, POOL_QUEUED, to);
    pool.counts.queued--;
    list_remove(&job->node);
    if (!list_empty(&lane->jobs))
        return;
    list_remove(&lane->node);
    lane->listed = false;
}

/* P2 */
static struct pool_job *pool_take(struct pool_thread *thread)
{
    struct pool_lane *lane = LIST_ITEM(pool.lanes.next, pool_lane, node);
    struct pool_job *job = LIST_ITEM(lane->jobs.next, pool_job, node);
    pool_dequeue(job, POOL_RUNNING);
    if (lane->listed) {
        list_remove(&lane->node);
        list_append(&pool.lanes, &lane->node);
    }
    thread->job = job;
    pool.counts.running++;
    return job;
}

/* What it returned, as an awaiter can have it: a failure has its error. */
static int pool_judge(const struct pool_job *job, int code)
{
    if (code > 0)
        return ackd_fail_at(ACKD_E_BAD_RETURN, job->file, job->line, job->function,
                            "the job '%s' returned %d: 0 is success, a failure is negative",
                            job->origin.name, code);
    if (code < 0 && code != ACKD_CANCELED && ackd_error_code(ackd_error_current()) != code)
        return ackd_fail_at(code, job->file, job->line, job->function,
                            "the job '%s' returned %s: %s", job->origin.name, ackd_code_name(code),
                            ackd_code_text(code));
    return code;
}

void pool_run(struct pool_job *job)
{
    struct error_slot slot = {.task_id = job->origin.task_id, .task_name = job->origin.task_name};
    struct error_slot *before = error_slot_use(&slot);
    const struct log_context *log_context = log_context_use(job->log_context);
    pool_running_here = job;
    overflow_use_job(&job->origin);
    int code = job->fn(job->arg, job->token);
    overflow_use_job(NULL);
    pool_running_here = NULL;
    job->code = pool_judge(job, code);
    if (job->code < 0 && job->code != ACKD_CANCELED)
        job->error = error_take();
    error_slot_clear(&slot);
    log_context_use(log_context);
    error_slot_use(before);
}

/* Whether it is time to say that too many jobs are short. */
static bool pool_count_run(uint64_t run_ns)
{
    pool.counts.completed++;
    metric_add(&pool.metrics, METRIC_cpu_jobs_completed, 1);
    metric_add(&pool.metrics, METRIC_cpu_jobs_run_us, run_ns / 1000);
    if (run_ns < POOL_SHORT_NS) {
        pool.counts.shorter_than_50us++;
        metric_add(&pool.metrics, METRIC_cpu_jobs_short, 1);
    }
    if (pool.counts.completed < pool.next_look)
        return false;
    if (pool.counts.shorter_than_50us * 100 <= pool.counts.completed * POOL_SHORT_PERCENT) {
        pool.next_look += POOL_SHORT_SAMPLES;
        return false;
    }
    pool.next_look = pool.counts.completed * 10;
    return true;
}

static void pool_say_short(const struct ackd_cpu_pool_counts *counts, const char *name)
{
    ackd_log_event(ACKD_LOG_WARNING, "cpu-jobs-short",
                   ACKD_FIELDS(ACKD_FIELD_INT("jobs", counts->completed),
                               ACKD_FIELD_INT("short", counts->shorter_than_50us),
                               ACKD_FIELD("job", name)),
                   "%" PRIu64 " of %" PRIu64 " jobs of the CPU pool took less than 50 us, '%s' "
                   "the last: such a job costs more than it frees. Call it directly, or give it "
                   "more to do at once",
                   counts->shorter_than_50us, counts->completed, name);
}

/* Run it, without the lock, and tell its loop. */
static void pool_serve(struct pool_thread *thread, struct pool_job *job)
{
    char name[POOL_TEXT_SIZE] = "";
    uint64_t start_ns = pool_now_ns();
    pool_run(job);
    uint64_t end_ns = pool_now_ns();
    pthread_mutex_lock(&pool.lock);
    thread->job = NULL;
    pool.idle++; /* it is back before the next job of this awaiter comes */
    pool.counts.running--;
    pool_step(job, POOL_RUNNING, POOL_ENDED);
    bool say = pool_count_run(end_ns - start_ns);
    struct ackd_cpu_pool_counts counts = pool.counts;
    pool_publish(end_ns);
    pthread_mutex_unlock(&pool.lock);
    if (say)
        snprintf(name, sizeof name, "%s", job->origin.name);
    bool posted = scheduler_post(job->scheduler, &job->post); /* P5 */
    ackd_assert(posted);
    if (say)
        pool_say_short(&counts, name);
}

static void *pool_work(void *arg)
{
    struct pool_thread *thread = arg;
    struct overflow overflow = {.stack = NULL};
    pool_step_back();
    overflow_install(&overflow);
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (list_empty(&pool.lanes) && !pool.ending)
            pthread_cond_wait(&pool.work, &pool.lock);
        pool.idle--;
        if (list_empty(&pool.lanes))
            break;
        struct pool_job *job = pool_take(thread);
        pthread_mutex_unlock(&pool.lock);
        pool_serve(thread, job);
        pthread_mutex_lock(&pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    overflow_remove(&overflow);
    return NULL;
}

/* The names of what runs, as many as there is room for. */
static void pool_name_running(char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < pool.started && length < size; i++) {
        const struct pool_job *job = pool.threads[i].job;
        if (job != NULL)
            length += (size_t)snprintf(text + length, size - length, "%s'%s'",
                                       length == 0 ? "" : ", ", job->origin.name);
    }
}

static void pool_say_starved(uint64_t age_ns)
{
    char running[POOL_TEXT_SIZE];
    pool_name_running(running, sizeof running);
    unsigned threads = pool.started;
    uint64_t queued = pool.counts.queued;
    pool.counts.starved++;
    metric_add(&pool.metrics, METRIC_cpu_pool_starved, 1);
    pthread_mutex_unlock(&pool.lock);
    ackd_log_event(ACKD_LOG_WARNING, "cpu-pool-starved",
                   ACKD_FIELDS(ACKD_FIELD_INT("queued", queued),
                               ACKD_FIELD_INT("oldest_ms", age_ns / NS_PER_MS),
                               ACKD_FIELD_INT("threads", threads)),
                   "%" PRIu64 " jobs wait for the CPU pool, the oldest for %" PRIu64
                   " ms, while processors are idle: what runs on its %u threads (%s) seems to "
                   "block. Use ackd_thread for what blocks, or raise 'cpu-threads'",
                   queued, age_ns / NS_PER_MS, threads, running);
    pthread_mutex_lock(&pool.lock);
}

/* The same time for all processors together, in ticks. */
static void pool_read_processors(uint64_t *ret_idle, uint64_t *ret_total)
{
    uint64_t ticks[8] = {0};
    *ret_idle = *ret_total = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL)
        return;
    int got = fscanf(file,
                     "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                     " %" SCNu64 " %" SCNu64,
                     &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                     &ticks[7]);
    fclose(file);
    for (int i = 0; i < got; i++)
        *ret_total += ticks[i];
    *ret_idle = ticks[3] + ticks[4]; /* idle, and idle while something waits for a disk */
}

/* Without the lock: to read them takes longer than anybody may wait for it. */
static void pool_watch_processors(uint64_t *ret_idle, uint64_t *ret_total)
{
    pthread_mutex_unlock(&pool.lock);
    pool.options.processors(ret_idle, ret_total);
    pthread_mutex_lock(&pool.lock);
}

/* For @ms, or until the end. */
static void pool_watch_wait(uint64_t ms)
{
    uint64_t due_ns = pool_now_ns() + ms * NS_PER_MS;
    struct timespec due = {.tv_sec = (time_t)(due_ns / NS_PER_S),
                           .tv_nsec = (long)(due_ns % NS_PER_S)};
    while (!pool.ending && pthread_cond_timedwait(&pool.watch, &pool.lock, &due) == 0)
        ;
}

/* Parked while no job waits: an idle process makes no wake-up. */
static void *pool_look_after(void *arg)
{
    bool episode = false; /* it was said, and goes on */
    uint64_t idle_before, total_before, idle, total;
    (void)arg;
    pthread_mutex_lock(&pool.lock);
    while (!pool.ending) {
        if (list_empty(&pool.lanes)) {
            episode = false;
            pool.watch_parked = true;
            pthread_cond_wait(&pool.watch, &pool.lock);
            pool.watch_parked = false;
            continue;
        }
        pool_watch_processors(&idle_before, &total_before);
        pool_watch_wait(POOL_STARVED_MS);
        pool_watch_processors(&idle, &total);
        uint64_t now_ns = pool_now_ns();
        uint64_t age_ns = pool_oldest_age_ns(now_ns);
        pool_publish(now_ns);
        bool starved = age_ns >= POOL_STARVED_MS * NS_PER_MS &&
                       (idle - idle_before) * 100 > (total - total_before) * POOL_IDLE_PERCENT;
        if (starved && !episode)
            pool_say_starved(age_ns);
        episode = starved || (episode && age_ns >= POOL_STARVED_MS * NS_PER_MS);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* One more thread, if the jobs that wait are more than those who are free for them. */
static int pool_grow(void)
{
    if (pool.counts.queued <= pool.idle || pool.started == pool.options.threads)
        return ACKD_OK;
    struct pool_thread *thread = &pool.threads[pool.started];
    struct error_slot slot = {.error = NULL};
    struct error_slot *before = error_slot_use(&slot);
    int code = thread_start("ackd cpu", pool_work, thread, &thread->id);
    error_slot_use(before);
    if (code == ACKD_OK) {
        pool.started++;
        pool.idle++;
    } else if (pool.started == 0) {
        return error_give(slot.error);
    }
    error_slot_clear(&slot);
    return ACKD_OK;
}

/* Without it jobs run all the same. */
static void pool_watch(void)
{
    struct error_slot slot = {.error = NULL};
    struct error_slot *before = error_slot_use(&slot);
    if (!pool.watched)
        pool.watched =
            thread_start("ackd cpu watch", pool_look_after, NULL, &pool.watcher) == ACKD_OK;
    error_slot_use(before);
    error_slot_clear(&slot);
    if (pool.watch_parked)
        pthread_cond_signal(&pool.watch);
}

static int pool_submit_locked(struct pool_job *job, bool or_full)
{
    if (pool.users == 0)
        return ackd_fail_at(ACKD_E_NOT_OPEN, job->file, job->line, job->function,
                            "the job '%s' has no pool to run on: only a runtime has one",
                            job->origin.name);
    if (or_full && pool.counts.queued >= pool.options.queue)
        return ackd_fail_at(ACKD_E_FULL, job->file, job->line, job->function,
                            "%" PRIu64 " jobs wait already, and 'cpu-queue' is %zu",
                            pool.counts.queued, pool.options.queue);
    pool_enqueue(job);
    int code = pool_grow();
    if (code != ACKD_OK) {
        pool_dequeue(job, POOL_WITHDRAWN);
        return code;
    }
    if (pool.idle > 0)
        pthread_cond_signal(&pool.work);
    if (pool.counts.queued > pool.idle)
        pool_watch();
    return ACKD_OK;
}

int pool_submit(struct pool_job *job, bool or_full)
{
    pthread_mutex_lock(&pool.lock);
    int code = pool_submit_locked(job, or_full);
    pthread_mutex_unlock(&pool.lock);
    return code;
}

bool pool_withdraw(struct pool_job *job)
{
    pthread_mutex_lock(&pool.lock);
    bool queued = job->state == POOL_QUEUED;
    if (queued) {
        pool_dequeue(job, POOL_WITHDRAWN);
        pool.counts.cancelled++;
        metric_add(&pool.metrics, METRIC_cpu_jobs_withdrawn, 1);
        pool_publish(pool_now_ns());
    }
    pthread_mutex_unlock(&pool.lock);
    return queued;
}

static int pool_make(const struct pool_options *options)
{
    unsigned processors = system_processors();
    pool.options = options == NULL ? (struct pool_options){.threads = 0} : *options;
    if (pool.options.threads == 0)
        pool.options.threads = processors * POOL_THREADS_DEFAULT;
    if (pool.options.queue == 0)
        pool.options.queue = POOL_QUEUE_DEFAULT;
    if (pool.options.processors == NULL)
        pool.options.processors = pool_read_processors;
    if (pool.options.threads > processors * POOL_THREADS_MAX)
        return ackd_fail(ACKD_E_INVAL,
                         "'cpu-threads' is %u, but this process has %u processors: computing gets "
                         "no faster by more than %u threads. For what blocks there is ackd_thread",
                         pool.options.threads, processors, processors * POOL_THREADS_MAX);
    ACKD_TRY(metric_register(&pool.metrics, ""));
    pool.threads = calloc(pool.options.threads, sizeof *pool.threads);
    if (pool.threads == NULL) {
        metric_retire(&pool.metrics);
        return ackd_fail(ACKD_E_NOMEM, "the CPU pool");
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work, &monotonic);
    pthread_cond_init(&pool.watch, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&pool.lanes);
    pool.ending = pool.watched = false;
    pool.started = pool.idle = 0;
    pool.counts = (struct ackd_cpu_pool_counts){.threads = pool.options.threads};
    pool.next_look = POOL_SHORT_SAMPLES;
    return ACKD_OK;
}

int pool_open(const struct pool_options *options)
{
    pthread_mutex_lock(&pool.life);
    pthread_mutex_lock(&pool.lock);
    int code = pool.users > 0 ? ACKD_OK : pool_make(options);
    if (code == ACKD_OK)
        pool.users++;
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.life);
    return code;
}

/* Its threads have no job, and none can come. */
static void pool_end(void)
{
    for (unsigned i = 0; i < pool.started; i++)
        pthread_join(pool.threads[i].id, NULL);
    if (pool.watched)
        pthread_join(pool.watcher, NULL);
    pthread_cond_destroy(&pool.work);
    pthread_cond_destroy(&pool.watch);
    metric_retire(&pool.metrics);
    free(pool.threads);
    pool.threads = NULL;
    pool.started = 0;
}

void pool_close(void)
{
    pthread_mutex_lock(&pool.life);
    pthread_mutex_lock(&pool.lock);
    ackd_assert(pool.users > 0);
    pool.users--;
    pool.ending = pool.users == 0;
    bool ending = pool.ending;
    if (ending) {
        ackd_assert(list_empty(&pool.lanes) && pool.counts.running == 0);
        pthread_cond_broadcast(&pool.work);
        pthread_cond_broadcast(&pool.watch);
    }
    pthread_mutex_unlock(&pool.lock);
    if (ending)
        pool_end();
    pthread_mutex_unlock(&pool.life);
}

void ackd_cpu_pool_counts(struct ackd_cpu_pool_counts *ret_counts)
{
    pthread_mutex_lock(&pool.lock);
    *ret_counts = pool.counts;
    if (pool.users > 0)
        ret_counts->oldest_queued_ns = pool_oldest_age_ns(pool_now_ns());
    pthread_mutex_unlock(&pool.lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * watchdog - looks at the loops, and tells of those that stand still.
 *
 * What a loop publishes, unchanged since the last look, begins a window; the time of the window
 * that counts is what is left after that in which the machine gave nothing (G2). That a loop waits
 * for events is seen in /proc, as its thread's wait on its own epoll descriptor: a callback in which
 * it stands publishes nothing.
 *
 * It sleeps only while every loop is parked: blocks in a poll of its own, before libuv's, after which
 * it can say that it wakes, and before the first callback of what woke it.
 *
 * What it found is written by a second thread: to look up symbols may take longer than to the next
 * look.
 *
 * It must not know what a task is for.
 */
#include <config.h>

#include "io/watchdog.h"

#include <ackd/error.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/metric.h"
#include "base/timer.h"
#include "io/blocking.h"
#include "io/loop_uv.h"
#include "io/probe.h"
#include "io/stall.h"
#include "io/symbol.h"
#include "io/thread.h"
#include "task/progress.h"
#include "task/scheduler.h"

enum {
    WATCHDOG_PERIOD_MS = 10,
    WATCHDOG_IDLE_MS = 1000, /* without a dispatch, until it sleeps */
    WATCHDOG_LATE_MS = 2,    /* more than this late for a look, it had no processor itself */
    WATCHDOG_ABORT_MS = 1000 /* for the thread to take the signal */
};

/* A time in which a loop published nothing new. */
struct window {
    uint64_t dispatches, rounds, task;
    uint64_t since_ns, seen_ns; /* its beginning, and when it was last seen to go on */
    struct probe_times begin;
    struct probe_times last;      /* at the last look at which it ran, or was made to wait */
    uint64_t last_ns, waiting_ns; /* when that was; since then it is ready, and does not run */
    uint64_t late_ns;             /* in which the watchdog itself had no processor */
    uint64_t due_ns;              /* of the time that counts: the next report */
    uint64_t told_ns;             /* of the last report; 0: none */
    bool machine_told;
};

/* ASKED by the watchdog, PARKED and AWAKE by the loop; AWAKE also by the watchdog that asked. */
enum watched_state { WATCHED_AWAKE, WATCHED_ASKED, WATCHED_PARKED };

struct watched {
    struct list node;
    struct watchdog *watchdog;
    struct loop *loop;
    struct scheduler *scheduler;
    struct progress *progress;
    struct probe *probe; /* NULL: the loop does not run */
    struct window window;
    _Atomic enum watched_state state;
};

/* What is still to be written. */
struct watchdog_report {
    struct watchdog_report *next;
    struct stall stall;
};

struct watchdog {
    pthread_mutex_t lock; /* of the list and of what is in it */
    struct list watches;
    pthread_t thread, scribe;
    pthread_mutex_t reports_lock; /* of the next five */
    pthread_cond_t reports_due;
    struct watchdog_report *reports, **reports_end;
    bool calls_due; /* reports of blocking calls, too */
    bool closing;
    int wake_fd;
    atomic_bool stopping;
    bool writes_reports;                  /* of blocking calls */
    uint64_t warn_ns, error_ns, abort_ns; /* UINT64_MAX: never */
    uint64_t active_ns;                   /* when something was last dispatched, or stood */
    uint64_t stalls, longest_ns;
    struct metric_set metrics;
    bool measured; /* the metrics are registered */
};

int watchdog_signal(int choice)
{
    static const int signals[] = {SIGURG, SIGUSR1, SIGUSR2, SIGPROF};
    ackd_assert((size_t)choice < sizeof signals / sizeof signals[0]);
    return signals[choice];
}

static uint64_t watchdog_now_ns(void)
{
    return loop_now_ns(NULL);
}

static void watchdog_wake(void *arg)
{
    static const uint64_t one = 1;
    struct watchdog *watchdog = arg;
    ssize_t size = write(watchdog->wake_fd, &one, sizeof one);
    (void)size; /* full: it is awake */
}

static uint64_t watchdog_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void watchdog_begin_window(struct watched *watched, uint64_t now_ns)
{
    const struct watchdog *watchdog = watched->watchdog;
    struct progress *progress = watched->progress;
    watched->window = (struct window){
        .dispatches = atomic_load_explicit(&progress->dispatches, memory_order_relaxed),
        .rounds = atomic_load_explicit(&progress->rounds, memory_order_relaxed),
        .task = atomic_load_explicit(&progress->task, memory_order_relaxed),
        .since_ns = now_ns,
        .seen_ns = now_ns,
        .due_ns = watchdog_least(watchdog_least(watchdog->warn_ns, watchdog->error_ns),
                                 watchdog->abort_ns)};
    probe_times(watched->probe, &watched->window.begin);
    watched->window.last = watched->window.begin;
    watched->window.last_ns = now_ns;
}

static bool watchdog_moved(const struct watched *watched)
{
    const struct window *window = &watched->window;
    struct progress *progress = watched->progress;
    return atomic_load_explicit(&progress->dispatches, memory_order_relaxed) !=
               window->dispatches ||
           atomic_load_explicit(&progress->rounds, memory_order_relaxed) != window->rounds;
}

/* The next report: twice the last one's time, or the first of an error or of the end. */
static void watchdog_set_due(const struct watchdog *watchdog, struct window *window, uint64_t ns)
{
    uint64_t due_ns = watchdog->warn_ns;
    while (due_ns <= ns)
        due_ns = due_ns > UINT64_MAX / 2 ? UINT64_MAX : due_ns * 2;
    if (watchdog->error_ns > ns)
        due_ns = watchdog_least(due_ns, watchdog->error_ns);
    if (watchdog->abort_ns > ns)
        due_ns = watchdog_least(due_ns, watchdog->abort_ns);
    window->due_ns = due_ns;
}

/* What came of a window that was told of. */
static void watchdog_end_window(struct watched *watched)
{
    struct watchdog *watchdog = watched->watchdog;
    const struct window *window = &watched->window;
    if (window->told_ns == 0)
        return;
    uint64_t ns = window->seen_ns - window->since_ns;
    if (ns > watchdog->longest_ns)
        watchdog->longest_ns = ns;
    metric_store(&watchdog->metrics, METRIC_loop_stall_longest, watchdog->longest_ns / NS_PER_MS);
    ackd_log_event(ACKD_LOG_NOTICE, "loop-resumed",
                   ACKD_FIELDS(ACKD_FIELD("loop", scheduler_name(watched->scheduler)),
                               ACKD_FIELD_INT("ms", ns / NS_PER_MS)),
                   "%s goes on: it stood still for at least %" PRIu64 " ms",
                   scheduler_name(watched->scheduler), ns / NS_PER_MS);
}

static void watchdog_tell_of_machine(struct watched *watched, uint64_t elapsed_ns,
                                     uint64_t stolen_ns)
{
    watched->window.machine_told = true;
    ackd_log_event(ACKD_LOG_NOTICE, "host-starved",
                   ACKD_FIELDS(ACKD_FIELD("loop", scheduler_name(watched->scheduler)),
                               ACKD_FIELD_INT("ms", elapsed_ns / NS_PER_MS),
                               ACKD_FIELD_INT("host_ms", stolen_ns / NS_PER_MS)),
                   "%s stood still for %" PRIu64 " ms, for %" PRIu64
                   " ms of which the process was stopped or had no processor: that is the host's "
                   "doing, not a task's",
                   scheduler_name(watched->scheduler), elapsed_ns / NS_PER_MS,
                   stolen_ns / NS_PER_MS);
}

static void watchdog_look_into(struct watched *watched, uint64_t ns, uint64_t cpu_ns,
                               struct stall *ret_stall)
{
    const struct watchdog *watchdog = watched->watchdog;
    ret_stall->task_id = watched->window.task;
    ret_stall->ns = ns;
    ret_stall->cpu_ns = cpu_ns;
    ret_stall->is_error = ns >= watchdog->error_ns;
    ret_stall->is_abort = ns >= watchdog->abort_ns;
    snprintf(ret_stall->loop, sizeof ret_stall->loop, "%s", scheduler_name(watched->scheduler));
    /* Before the signal, which ends many a call. */
    probe_call(watched->probe, &ret_stall->call);
    ret_stall->sample = (struct probe_sample){.count = 0};
    ret_stall->sampled = probe_sample(watched->probe, &ret_stall->sample);
}

/* Whether the loop waits for events, so that nothing holds it (G1). */
static bool watchdog_is_polling(const struct watched *watched, uint64_t now_ns)
{
    if (watched->window.task != PROGRESS_POLLING)
        return false;
    if (atomic_load(&watched->state) == WATCHED_PARKED)
        return true;
    struct probe_call call;
    probe_call(watched->probe, &call);
    if (call.known)
        return probe_call_is_poll(&call, uv_backend_fd(loop_uv(watched->loop)));
    /* Without /proc only a callback that computes is told apart. */
    struct probe_times times;
    probe_times(watched->probe, &times);
    return times.cpu_ns - watched->window.begin.cpu_ns < (now_ns - watched->window.since_ns) / 2;
}

/*
 * The part of the window in which the machine gave it nothing (G2): it was ready and had no
 * processor, which the kernel adds up when that ends; or the watchdog had none itself. It computed
 * in what was not stolen.
 */
static uint64_t watchdog_stolen_ns(struct watched *watched, uint64_t now_ns, uint64_t *ret_cpu_ns)
{
    struct window *window = &watched->window;
    struct probe_times times;
    struct probe_call call;
    probe_times(watched->probe, &times);
    if (times.cpu_ns != window->last.cpu_ns || times.delay_ns != window->last.delay_ns) {
        window->last = times;
        window->last_ns = now_ns;
        window->waiting_ns = 0;
    } else {
        probe_call(watched->probe, &call);
        window->waiting_ns = call.known && !call.waiting ? now_ns - window->last_ns : 0;
    }
    uint64_t elapsed_ns = now_ns - window->since_ns;
    uint64_t cpu_ns = watchdog_least(times.cpu_ns - window->begin.cpu_ns, elapsed_ns);
    uint64_t stolen_ns = times.delay_ns - window->begin.delay_ns + window->waiting_ns;
    if (stolen_ns < window->late_ns)
        stolen_ns = window->late_ns;
    *ret_cpu_ns = cpu_ns;
    return watchdog_least(stolen_ns, elapsed_ns - cpu_ns);
}

/* One look at one loop. True if a stall is to be told, which is in @ret_stall then. */
static bool watchdog_look(struct watched *watched, uint64_t now_ns, struct stall *ret_stall)
{
    struct watchdog *watchdog = watched->watchdog;
    struct window *window = &watched->window;
    bool moved = watchdog_moved(watched);
    bool idle = !moved && watchdog_is_polling(watched, now_ns);
    uint64_t dispatches =
        atomic_load_explicit(&watched->progress->dispatches, memory_order_relaxed);
    if (dispatches != window->dispatches || (!moved && !idle))
        watchdog->active_ns = now_ns;
    if (moved || idle) {
        watchdog_end_window(watched);
        watchdog_begin_window(watched, now_ns);
        return false;
    }
    window->seen_ns = now_ns;
    uint64_t elapsed_ns = now_ns - window->since_ns;
    uint64_t cpu_ns = 0;
    uint64_t stolen_ns = watchdog_stolen_ns(watched, now_ns, &cpu_ns);
    uint64_t ns = elapsed_ns - stolen_ns;
    if (elapsed_ns < window->due_ns)
        return false;
    if (ns < window->due_ns) {
        if (!window->machine_told && window->told_ns == 0 && stolen_ns > elapsed_ns / 2)
            watchdog_tell_of_machine(watched, elapsed_ns, stolen_ns);
        return false;
    }
    watchdog_look_into(watched, ns, cpu_ns, ret_stall);
    /* It may have gone on before it was looked into; that the look itself ended a call does not
     * matter. */
    bool same = ret_stall->sampled ? ret_stall->sample.dispatches == window->dispatches &&
                                         ret_stall->sample.rounds == window->rounds
                                   : !watchdog_moved(watched);
    if (!same)
        return false;
    if (window->told_ns == 0)
        metric_store(&watchdog->metrics, METRIC_loop_stalls, ++watchdog->stalls);
    window->told_ns = ns;
    watchdog_set_due(watchdog, window, ns);
    return true;
}

/* The thread that stood ends the process; if it does not, this one does. */
static void watchdog_abort(struct watchdog *watchdog, const struct stall *stall)
{
    pthread_mutex_lock(&watchdog->lock);
    list_for_each (node, &watchdog->watches) {
        struct watched *watched = LIST_ITEM(node, watched, node);
        if (watched->probe != NULL && strcmp(scheduler_name(watched->scheduler), stall->loop) == 0)
            probe_abort(watched->probe);
    }
    pthread_mutex_unlock(&watchdog->lock);
    (void)poll(NULL, 0, WATCHDOG_ABORT_MS);
    abort();
}

/* What the second thread does, until nothing is left to be written and none will come. */
static void *watchdog_write(void *arg)
{
    struct watchdog *watchdog = arg;
    pthread_mutex_lock(&watchdog->reports_lock);
    for (;;) {
        struct watchdog_report *report = watchdog->reports;
        bool calls = watchdog->calls_due;
        if (report == NULL && !calls) {
            if (watchdog->closing)
                break;
            pthread_cond_wait(&watchdog->reports_due, &watchdog->reports_lock);
            continue;
        }
        watchdog->calls_due = false;
        if (report != NULL && (watchdog->reports = report->next) == NULL)
            watchdog->reports_end = &watchdog->reports;
        pthread_mutex_unlock(&watchdog->reports_lock);
        if (calls)
            blocking_write_reports();
        if (report != NULL) {
            stall_write(&report->stall);
            if (report->stall.is_abort)
                watchdog_abort(watchdog, &report->stall);
            free(report);
        }
        pthread_mutex_lock(&watchdog->reports_lock);
    }
    pthread_mutex_unlock(&watchdog->reports_lock);
    return NULL;
}

/* Takes @report. */
static void watchdog_tell(struct watchdog *watchdog, struct watchdog_report *report)
{
    report->next = NULL;
    pthread_mutex_lock(&watchdog->reports_lock);
    *watchdog->reports_end = report;
    watchdog->reports_end = &report->next;
    pthread_cond_signal(&watchdog->reports_due);
    pthread_mutex_unlock(&watchdog->reports_lock);
}

/* A task's blocking call is to be told of. */
static void watchdog_call_due(void *arg)
{
    struct watchdog *watchdog = arg;
    pthread_mutex_lock(&watchdog->reports_lock);
    watchdog->calls_due = true;
    pthread_cond_signal(&watchdog->reports_due);
    pthread_mutex_unlock(&watchdog->reports_lock);
}

/* Look at all loops. Without memory for a report it is made at a later look. */
static void watchdog_look_at_all(struct watchdog *watchdog, uint64_t late_ns)
{
    struct watchdog_report *report = NULL;
    pthread_mutex_lock(&watchdog->lock);
    list_for_each (node, &watchdog->watches) {
        struct watched *watched = LIST_ITEM(node, watched, node);
        if (watched->probe == NULL)
            continue;
        if (report == NULL)
            report = calloc(1, sizeof *report);
        watched->window.late_ns += late_ns;
        uint64_t now_ns = watchdog_now_ns();
        if (report != NULL && watchdog_look(watched, now_ns, &report->stall)) {
            watchdog_tell(watchdog, report);
            report = NULL;
        }
    }
    pthread_mutex_unlock(&watchdog->lock);
    free(report);
}

/* Whether to sleep: nobody dispatched anything for long, and all loops are parked. */
static bool watchdog_may_sleep(struct watchdog *watchdog)
{
    bool quiet = watchdog_now_ns() - watchdog->active_ns >= WATCHDOG_IDLE_MS * NS_PER_MS;
    bool all_parked = quiet;
    list_for_each (node, &watchdog->watches) {
        struct watched *watched = LIST_ITEM(node, watched, node);
        enum watched_state from = quiet ? WATCHED_AWAKE : WATCHED_ASKED;
        enum watched_state to = quiet ? WATCHED_ASKED : WATCHED_AWAKE;
        if (watched->probe == NULL)
            continue;
        bool asked = atomic_compare_exchange_strong(&watched->state, &from, to);
        if (asked && quiet)
            loop_wake(watched->loop);
        all_parked = all_parked && from == WATCHED_PARKED;
    }
    return all_parked;
}

/* What was before it slept is no window. */
static void watchdog_begin_all(struct watchdog *watchdog)
{
    uint64_t now_ns = watchdog_now_ns();
    watchdog->active_ns = now_ns;
    list_for_each (node, &watchdog->watches) {
        struct watched *watched = LIST_ITEM(node, watched, node);
        if (watched->probe != NULL)
            watchdog_begin_window(watched, now_ns);
    }
}

/* Wait for the next look. Returns how much too late it is for that. */
static uint64_t watchdog_wait(struct watchdog *watchdog)
{
    struct pollfd polled = {.fd = watchdog->wake_fd, .events = POLLIN};
    pthread_mutex_lock(&watchdog->lock);
    bool asleep = watchdog_may_sleep(watchdog);
    pthread_mutex_unlock(&watchdog->lock);
    if (asleep)
        symbol_forget();
    uint64_t before_ns = watchdog_now_ns();
    if (poll(&polled, 1, asleep ? -1 : WATCHDOG_PERIOD_MS) > 0) {
        uint64_t wakes;
        ssize_t size = read(watchdog->wake_fd, &wakes, sizeof wakes);
        (void)size;
    }
    uint64_t passed_ns = watchdog_now_ns() - before_ns;
    if (asleep) {
        pthread_mutex_lock(&watchdog->lock);
        watchdog_begin_all(watchdog);
        pthread_mutex_unlock(&watchdog->lock);
        return 0;
    }
    uint64_t late_ns = passed_ns - watchdog_least(passed_ns, WATCHDOG_PERIOD_MS * NS_PER_MS);
    return late_ns > WATCHDOG_LATE_MS * NS_PER_MS ? late_ns : 0;
}

static void watchdog_count_calls(struct watchdog *watchdog)
{
    if (watchdog->writes_reports)
        metric_store(&watchdog->metrics, METRIC_blocking_calls, blocking_count());
}

static void *watchdog_run(void *arg)
{
    struct watchdog *watchdog = arg;
    while (!atomic_load(&watchdog->stopping)) {
        uint64_t late_ns = watchdog_wait(watchdog);
        watchdog_count_calls(watchdog);
        watchdog_look_at_all(watchdog, late_ns);
    }
    return NULL;
}

static uint64_t watchdog_ns(uint64_t ms)
{
    return ms == 0 ? UINT64_MAX : ms * NS_PER_MS;
}

/* All but the thread. */
static int watchdog_set_up(struct watchdog *watchdog)
{
    watchdog->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (watchdog->wake_fd < 0)
        return ackd_fail(ACKD_E_OS, "a descriptor for the watchdog: %s", strerror(errno));
    ACKD_TRY(metric_register(&watchdog->metrics, ""));
    watchdog->measured = true;
    watchdog->writes_reports = blocking_take_reports(watchdog_call_due, watchdog);
    return ACKD_OK;
}

static void watchdog_tear_down(struct watchdog *watchdog)
{
    if (watchdog->writes_reports)
        blocking_leave_reports(watchdog);
    if (watchdog->measured)
        metric_retire(&watchdog->metrics);
    if (watchdog->wake_fd >= 0)
        close(watchdog->wake_fd);
    pthread_mutex_destroy(&watchdog->lock);
    pthread_mutex_destroy(&watchdog->reports_lock);
    pthread_cond_destroy(&watchdog->reports_due);
    symbol_forget();
    probe_stop_signal();
    free(watchdog);
}

/* What is to be told is told before. */
static void watchdog_end_scribe(struct watchdog *watchdog)
{
    pthread_mutex_lock(&watchdog->reports_lock);
    watchdog->closing = true;
    pthread_cond_signal(&watchdog->reports_due);
    pthread_mutex_unlock(&watchdog->reports_lock);
    int status = pthread_join(watchdog->scribe, NULL);
    ackd_assert(status == 0);
}

int watchdog_new(const struct watchdog_options *options, struct watchdog **ret_watchdog)
{
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    if (watchdog == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the watchdog");
    int code = probe_use_signal(options->signal == 0 ? SIGURG : options->signal);
    if (code != ACKD_OK) {
        free(watchdog);
        return code;
    }
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_mutex_init(&watchdog->reports_lock, NULL);
    pthread_cond_init(&watchdog->reports_due, NULL);
    watchdog->reports_end = &watchdog->reports;
    list_init(&watchdog->watches);
    watchdog->warn_ns = watchdog_ns(options->warn_ms);
    watchdog->error_ns = watchdog_ns(options->error_ms);
    watchdog->abort_ns = watchdog_ns(options->abort_ms);
    code = watchdog_set_up(watchdog);
    if (code == ACKD_OK)
        code = thread_start("ackd reports", watchdog_write, watchdog, &watchdog->scribe);
    if (code == ACKD_OK) {
        code = thread_start("ackd watchdog", watchdog_run, watchdog, &watchdog->thread);
        if (code != ACKD_OK)
            watchdog_end_scribe(watchdog);
    }
    if (code != ACKD_OK) {
        watchdog_tear_down(watchdog);
        return code;
    }
    *ret_watchdog = watchdog;
    return ACKD_OK;
}

void watchdog_free(struct watchdog **watchdog)
{
    struct watchdog *freed = *watchdog;
    if (freed == NULL)
        return;
    *watchdog = NULL;
    ackd_assert(list_empty(&freed->watches));
    atomic_store(&freed->stopping, true);
    watchdog_wake(freed);
    int status = pthread_join(freed->thread, NULL);
    ackd_assert(status == 0);
    watchdog_end_scribe(freed);
    watchdog_count_calls(freed);
    watchdog_tear_down(freed);
}

int watchdog_add(struct watchdog *watchdog, struct loop *loop, struct scheduler *scheduler)
{
    struct watched *watched = calloc(1, sizeof *watched);
    if (watched == NULL)
        return ackd_fail(ACKD_E_NOMEM, "to watch %s", scheduler_name(scheduler));
    watched->watchdog = watchdog;
    watched->loop = loop;
    watched->scheduler = scheduler;
    watched->progress = scheduler_progress(scheduler);
    pthread_mutex_lock(&watchdog->lock);
    list_append(&watchdog->watches, &watched->node);
    pthread_mutex_unlock(&watchdog->lock);
    loop_set_watched(loop, watched, watched->progress);
    return ACKD_OK;
}

void watchdog_remove(struct watchdog *watchdog, struct loop *loop)
{
    struct watched *found = NULL;
    pthread_mutex_lock(&watchdog->lock);
    list_for_each (node, &watchdog->watches) {
        struct watched *watched = LIST_ITEM(node, watched, node);
        if (watched->loop == loop)
            found = watched;
    }
    if (found != NULL) {
        ackd_assert(found->probe == NULL);
        list_remove(&found->node);
    }
    pthread_mutex_unlock(&watchdog->lock);
    if (found != NULL)
        loop_set_watched(loop, NULL, NULL);
    free(found);
}

void watchdog_enter(struct watched *watched)
{
    struct watchdog *watchdog = watched->watchdog;
    /* Without memory for it the loop is not watched. */
    struct probe *probe = probe_open(watched->progress);
    pthread_mutex_lock(&watchdog->lock);
    watched->probe = probe;
    atomic_store(&watched->state, WATCHED_AWAKE);
    if (probe != NULL)
        watchdog_begin_window(watched, watchdog_now_ns());
    pthread_mutex_unlock(&watchdog->lock);
    watchdog_wake(watchdog);
}

void watchdog_leave(struct watched *watched)
{
    struct watchdog *watchdog = watched->watchdog;
    pthread_mutex_lock(&watchdog->lock);
    struct probe *probe = watched->probe;
    if (probe != NULL)
        watchdog_end_window(watched);
    watched->probe = NULL;
    pthread_mutex_unlock(&watchdog->lock);
    if (probe != NULL)
        probe_close(&probe);
}

bool watchdog_asks(const struct watched *watched)
{
    return atomic_load_explicit(&watched->state, memory_order_relaxed) == WATCHED_ASKED;
}

bool watchdog_park(struct watched *watched)
{
    enum watched_state asked = WATCHED_ASKED;
    return atomic_compare_exchange_strong(&watched->state, &asked, WATCHED_PARKED);
}

void watchdog_unpark(struct watched *watched)
{
    atomic_store(&watched->state, WATCHED_AWAKE);
    watchdog_wake(watched->watchdog);
}

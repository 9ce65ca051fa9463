/* SPDX-License-Identifier: MIT */
#define ACKD_ALLOW_BLOCKING
#include <config.h>

#include "watched.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/timer.h"

struct watched watched;

/* Also for a program that is no test. */
#define watched_that(condition)                                                     \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static pthread_mutex_t watched_lock = PTHREAD_MUTEX_INITIALIZER;

static void watched_keep(struct watched_line *line, const struct ackd_log_field *field)
{
    struct {
        const char *key;
        char *text;
        size_t size;
    } kept[] = {{"task", line->task, sizeof line->task},
                {"state", line->state, sizeof line->state},
                {"call", line->call, sizeof line->call},
                {"function", line->function, sizeof line->function},
                {"stack", line->stack, sizeof line->stack}};
    if (strcmp(field->key, "ms") == 0)
        line->ms = field->number;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strcmp(field->key, kept[i].key) == 0 && field->text != NULL)
            snprintf(kept[i].text, kept[i].size, "%s", field->text);
    }
}

static void watched_log(const struct log_record *record, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&watched_lock);
    int at = atomic_load(&watched.count);
    if (at < WATCHED_LINES) {
        struct watched_line *line = &watched.lines[at];
        snprintf(line->event, sizeof line->event, "%s", record->event);
        snprintf(line->text, sizeof line->text, "%s", record->text);
        line->level = (int)record->level;
        for (size_t i = 0; i < record->count; i++)
            watched_keep(line, &record->fields[i]);
        if (getenv("WATCHED_TRACE") != NULL)
            fprintf(stderr, "# %s: %s\n", line->event, line->text);
        atomic_store(&watched.count, at + 1);
        if (strcmp(record->event, "loop-stalled") == 0)
            atomic_fetch_add(&watched.reported, 1);
    }
    pthread_mutex_unlock(&watched_lock);
}

static uint64_t watched_now_ns(void *arg)
{
    (void)arg;
    return loop_now_ns(watched.loop);
}

static void watched_wake(void *arg)
{
    (void)arg;
    loop_wake(watched.loop);
}

static uint64_t watched_turn(void *arg)
{
    (void)arg;
    return scheduler_turn(watched.scheduler);
}

void watched_open(struct watchdog_options options)
{
    memset(&watched, 0, sizeof watched);
    log_use(watched_log, NULL);
    struct scheduler_options scheduler = {
        .name = "loop 0", .now_ns = watched_now_ns, .wake = watched_wake};
    watched_that(watchdog_new(&options, &watched.watchdog) == ACKD_OK);
    watched_that(loop_new("loop 0", &watched.loop) == ACKD_OK);
    watched_that(scheduler_new(&scheduler, &watched.scheduler) == ACKD_OK);
    watched_that(watchdog_add(watched.watchdog, watched.loop, watched.scheduler) == ACKD_OK);
    loop_set_turn(watched.loop, watched_turn, NULL);
}

static void watched_done(struct ackd_task *task, int code, const struct ackd_error *error,
                         enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)error;
    (void)reason;
    (void)arg;
    watched_that(code == ACKD_OK);
    if (atomic_fetch_sub(&watched.live, 1) == 1)
        loop_stop(watched.loop);
}

void watched_spawn(const char *name, ackd_task_fn *fn, void *arg)
{
    struct scheduler_root root = {.fn = fn, .arg = arg, .name = name, .done = watched_done};
    atomic_fetch_add(&watched.live, 1);
    watched_that(scheduler_spawn(watched.scheduler, &root, NULL) == ACKD_OK);
}

void watched_start(void)
{
    watched_that(loop_start(watched.loop) == ACKD_OK);
}

void watched_close(void)
{
    loop_join(watched.loop);
    watchdog_remove(watched.watchdog, watched.loop);
    scheduler_free(&watched.scheduler);
    loop_free(&watched.loop);
    watchdog_free(&watched.watchdog);
    log_use(NULL, NULL);
}

unsigned watched_count(const char *event)
{
    unsigned count = 0;
    pthread_mutex_lock(&watched_lock);
    for (int i = 0; i < atomic_load(&watched.count); i++)
        count += strcmp(watched.lines[i].event, event) == 0;
    pthread_mutex_unlock(&watched_lock);
    return count;
}

const struct watched_line *watched_line(const char *event, unsigned index)
{
    for (int i = 0; i < atomic_load(&watched.count); i++) {
        if (strcmp(watched.lines[i].event, event) == 0 && index-- == 0)
            return &watched.lines[i];
    }
    fprintf(stderr, "there is no such line of '%s'\n", event);
    abort();
}

void watched_pause_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* SPDX-License-Identifier: MIT */
/* blocking - the policy, the places, and the reports. It must not know how a call is forwarded. */
#define ACKD_ALLOW_BLOCKING
#include <config.h>

#include "io/blocking.h"

#include <ackd/log.h>
#include <ackd/task.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "io/subject.h"
#include "io/symbol.h"

enum { BLOCKING_PLACES = 1024 }; /* beyond them nothing is reported, but refused all the same */

struct blocking_report {
    struct blocking_report *next;
    const struct blocking_row *call;
    const void *place;
    bool refused;
    char loop[32];
    struct subject subject;
};

static _Atomic enum ackd_blocking_policy blocking_policy;
static _Atomic uint64_t blocking_calls;
static _Atomic(const void *) blocking_places[BLOCKING_PLACES];

static pthread_mutex_t blocking_lock = PTHREAD_MUTEX_INITIALIZER;
static struct blocking_report *blocking_first; /* in the order in which they came */
static struct blocking_report **blocking_end = &blocking_first;
static void (*blocking_wake)(void *arg); /* NULL: nobody takes reports */
static void *blocking_wake_arg;

/* The task that may block now. */
static _Thread_local const void *blocking_permitted;

struct ackd_blocking ackd_blocking_begin(void)
{
    struct ackd_blocking before = {blocking_permitted};
    blocking_permitted = ackd_task_current();
    return before;
}

void ackd_blocking_end(struct ackd_blocking *blocking)
{
    blocking_permitted = blocking->opaque;
}

void blocking_set_policy(enum ackd_blocking_policy policy)
{
    atomic_store(&blocking_policy, policy);
}

uint64_t blocking_count(void)
{
    return atomic_load_explicit(&blocking_calls, memory_order_relaxed);
}

struct blocking_row {
    const char *name;
    bool refusable;
    const char *instead;
};

static const struct blocking_row blocking_table[] = {
#define BLOCKING_CALL(name, refusable, instead) {#name, refusable, instead},
#include "io/blocking_calls.def"
#undef BLOCKING_CALL
};

static const struct blocking_row *blocking_find(const char *call)
{
    for (size_t i = 0; i < sizeof blocking_table / sizeof blocking_table[0]; i++) {
        if (strcmp(blocking_table[i].name, call) == 0)
            return &blocking_table[i];
    }
    return NULL;
}

bool blocking_is_call(const char *function)
{
    return blocking_find(function) != NULL;
}

/* Whether nobody was here before (B1). */
static bool blocking_is_new(const void *place)
{
    size_t at = (uintptr_t)place * UINT64_C(0x9e3779b97f4a7c15) >> 54;
    for (size_t i = 0; i < BLOCKING_PLACES; i++) {
        const void *there = NULL;
        _Atomic(const void *) *slot = &blocking_places[(at + i) % BLOCKING_PLACES];
        if (atomic_compare_exchange_strong(slot, &there, place))
            return true;
        if (there == place)
            return false;
    }
    return false;
}

static void blocking_write(const struct blocking_report *report)
{
    struct symbol symbol;
    symbol_find(report->place, false, &symbol);
    char who[256], place[256];
    subject_format(&report->subject, who, sizeof who);
    symbol_format_place(&symbol, place, sizeof place);
    const char *function = symbol.function[0] == '\0' ? "?" : symbol.function;
    /* What poll() is in code that was compiled with checks of sizes. */
    const char *call = strcmp(report->call->name, "__poll_chk") == 0 ? "poll" : report->call->name;
    struct subject_context context;
    subject_context(&report->subject, &context);
    const struct log_context *before = log_context_use(&context.context);
    ackd_log_event(ACKD_LOG_WARNING, "blocking-call",
                   ACKD_FIELDS(ACKD_FIELD("loop", report->loop),
                               ACKD_FIELD("task", report->subject.glance.task_name),
                               ACKD_FIELD_INT("task_id", report->subject.glance.task_id),
                               ACKD_FIELD("call", call), ACKD_FIELD("function", function),
                               ACKD_FIELD("place", place)),
                   "%s %s %s(), which blocks all of %s, in %s at %s: use %s%s", who,
                   report->refused ? "was refused" : "called", call, report->loop, function, place,
                   report->call->instead,
                   report->refused ? "" : ", or permit it with ACKD_BLOCKING()");
    log_context_use(before);
}

/* Into the hands of who takes reports; false: nobody does. */
static bool blocking_leave(struct blocking_report *report)
{
    pthread_mutex_lock(&blocking_lock);
    bool taken = blocking_wake != NULL;
    if (taken) {
        report->next = NULL;
        *blocking_end = report;
        blocking_end = &report->next;
        blocking_wake(blocking_wake_arg);
    }
    pthread_mutex_unlock(&blocking_lock);
    return taken;
}

static void blocking_report(const struct blocking_row *call, const void *place, bool refused)
{
    struct blocking_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return;
    report->call = call;
    report->place = place;
    report->refused = refused;
    snprintf(report->loop, sizeof report->loop, "%s", scheduler_name(scheduler_current()));
    subject_take(&report->subject);
    if (blocking_leave(report))
        return;
    blocking_write(report);
    free(report);
}

bool ackd_blocking_refuses(const char *call, const void *place)
{
    const struct ackd_task *task = ackd_task_current();
    enum ackd_blocking_policy policy = atomic_load_explicit(&blocking_policy, memory_order_relaxed);
    if (task == NULL || policy == ACKD_BLOCKING_ALLOW || blocking_permitted == task)
        return false;
    atomic_fetch_add_explicit(&blocking_calls, 1, memory_order_relaxed);
    const struct blocking_row *row = blocking_find(call);
    ackd_assert(row != NULL);
    bool refused = policy == ACKD_BLOCKING_REFUSE && row->refusable;
    if (blocking_is_new(place))
        blocking_report(row, place, refused);
    return refused;
}

bool blocking_take_reports(void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&blocking_lock);
    bool free_to_take = blocking_wake == NULL;
    if (free_to_take) {
        blocking_wake = wake;
        blocking_wake_arg = arg;
    }
    pthread_mutex_unlock(&blocking_lock);
    return free_to_take;
}

void blocking_write_reports(void)
{
    pthread_mutex_lock(&blocking_lock);
    struct blocking_report *report = blocking_first;
    blocking_first = NULL;
    blocking_end = &blocking_first;
    pthread_mutex_unlock(&blocking_lock);
    while (report != NULL) {
        struct blocking_report *next = report->next;
        blocking_write(report);
        free(report);
        report = next;
    }
}

void blocking_leave_reports(void *arg)
{
    pthread_mutex_lock(&blocking_lock);
    if (blocking_wake_arg == arg) {
        blocking_wake = NULL;
        blocking_wake_arg = NULL;
    }
    pthread_mutex_unlock(&blocking_lock);
    blocking_write_reports();
}

/* SPDX-License-Identifier: MIT */
/*
 * error - errors as immutable, reference-counted trees, and the slots that hold the current ones.
 *
 * It must not know what a task is; it notes the name that the slot carries.
 */
#include <config.h>

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "base/assert.h"

enum { ERROR_TRACE_MAX = 16, ERROR_CHILDREN_MAX = 1024, ERROR_TEXT_SIZE = 1024 };

struct error_place {
    const char *file;
    const char *function;
    int line;
};

struct ackd_error {
    atomic_uint references; /* 0: static, never freed */
    int code;
    int os_code;
    enum ackd_verdict verdict;
    uint64_t delay_ms;
    struct error_place place;
    uint64_t task_id;
    const struct ackd_error *cause;            /* owned */
    struct error_list children;                /* at most ERROR_CHILDREN_MAX are kept */
    struct ackd_error *next;                   /* the next to be freed */
    const struct ackd_error *origin;           /* owned: what it is a copy of; NULL: none */
    struct error_place trace[ERROR_TRACE_MAX]; /* nearest first */
    size_t trace_count;                        /* of all; at most ERROR_TRACE_MAX are kept */
    const char *task_name;                     /* in the same block, as is the text */
    const char *text;
};

static const struct {
    int code;
    const char *name;
    const char *text;
} error_codes[] = {
    {ACKD_OK, "OK", "done"},
#define ACKD_ERROR(name, value, text) {value, #name, text},
#include <ackd/errors.def>
#undef ACKD_ERROR
};

enum { ERROR_CODE_COUNT = sizeof error_codes / sizeof error_codes[0] };

/* What is current when there is no memory left to say more: the code, and what follows from it. */
#define ERROR_STATIC(name, value, described)                   \
    {.code = (value),                                          \
     .verdict = (value) == ACKD_E_DEAD   ? ACKD_VERDICT_DEAD   \
                : (value) == ACKD_E_DROP ? ACKD_VERDICT_DROP   \
                                         : ACKD_VERDICT_RETRY, \
     .place = {"", "", 0},                                     \
     .task_name = "",                                          \
     .text = (described)},
static struct ackd_error error_static[ERROR_CODE_COUNT] = {ERROR_STATIC(OK, ACKD_OK, "done")
#define ACKD_ERROR ERROR_STATIC
#include <ackd/errors.def>
#undef ACKD_ERROR
};

static _Thread_local struct error_slot error_own_slot __attribute__((tls_model("initial-exec")));
_Thread_local struct error_slot *error_slot_now;

static size_t error_code_index(int code)
{
    /* The table holds 0, -1, -2, ... in order: a test checks it. */
    return code <= 0 && code > -(int)ERROR_CODE_COUNT ? (size_t)-code : SIZE_MAX;
}

const char *ackd_code_name(int code)
{
    size_t index = error_code_index(code);
    return index != SIZE_MAX ? error_codes[index].name : code <= ACKD_E_USER ? "E_USER" : "?";
}

const char *ackd_code_text(int code)
{
    size_t index = error_code_index(code);
    if (index != SIZE_MAX)
        return error_codes[index].text;
    return code <= ACKD_E_USER ? "an error of the handler" : "an unknown error";
}

struct error_name error_name(int code)
{
    struct error_name name;
    if (code < ACKD_E_USER)
        snprintf(name.text, sizeof name.text, "E_USER-%u", (unsigned)ACKD_E_USER - (unsigned)code);
    else
        snprintf(name.text, sizeof name.text, "%s", ackd_code_name(code));
    return name;
}

const char *ackd_verdict_name(enum ackd_verdict verdict)
{
    static const char *const names[] = {"done", "retry", "dead", "drop", "release", "orphan"};
    ackd_assert((size_t)verdict < sizeof names / sizeof names[0]);
    return names[verdict];
}

static struct error_slot *error_current_slot(void)
{
    return error_slot_now != NULL ? error_slot_now : &error_own_slot;
}

void error_slot_clear(struct error_slot *slot)
{
    const struct ackd_error *error = slot->error;
    slot->error = NULL;
    ackd_error_unref(error);
}

const struct ackd_error *ackd_error_ref(const struct ackd_error *error)
{
    struct ackd_error *counted = (struct ackd_error *)(uintptr_t)error;
    if (error != NULL && atomic_load_explicit(&counted->references, memory_order_relaxed) > 0)
        atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return error;
}

/* Let go of a reference; the last one puts the error in front of @doomed. */
static struct ackd_error *error_drop(const struct ackd_error *error, struct ackd_error *doomed)
{
    struct ackd_error *counted = (struct ackd_error *)(uintptr_t)error;
    if (error == NULL || atomic_load_explicit(&counted->references, memory_order_relaxed) == 0)
        return doomed;
    if (atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) > 1)
        return doomed;
    counted->next = doomed;
    return counted;
}

void ackd_error_unref(const struct ackd_error *error)
{
    /* In a loop: trees may be deep, and a task's stack is small. */
    struct ackd_error *doomed = error_drop(error, NULL);
    while (doomed != NULL) {
        struct ackd_error *own = doomed;
        doomed = error_drop(own->cause, own->next);
        doomed = error_drop(own->origin, doomed);
        for (size_t i = 0; i < own->children.kept; i++)
            doomed = error_drop(own->children.items[i], doomed);
        free(own->children.items);
        free(own);
    }
}

/* An error of @code without text of its own, from memory that is always there. */
static struct ackd_error *error_make_static(int code)
{
    size_t index = error_code_index(code);
    return &error_static[index == SIZE_MAX ? (size_t)-ACKD_E_NOMEM : index];
}

/* A new error with one reference; a static one if there is no memory. */
static struct ackd_error *error_make(int code, struct error_place place, const char *text)
{
    const struct error_slot *slot = error_current_slot();
    const char *task_name = slot->task_name == NULL ? "" : slot->task_name;
    size_t text_size = strlen(text) + 1;
    size_t name_size = strlen(task_name) + 1;
    struct ackd_error *error = malloc(sizeof *error + text_size + name_size);
    if (error == NULL)
        return error_make_static(code);
    *error = (struct ackd_error){.code = code,
                                 .verdict = ACKD_VERDICT_RETRY,
                                 .place = place,
                                 .task_id = slot->task_id,
                                 .text = (char *)(error + 1),
                                 .task_name = (char *)(error + 1) + text_size};
    atomic_init(&error->references, 1);
    memcpy(error + 1, text, text_size);
    memcpy((char *)(error + 1) + text_size, task_name, name_size);
    return error;
}

static bool error_is_static(const struct ackd_error *error)
{
    return error >= error_static && error < error_static + ERROR_CODE_COUNT;
}

static tss_t error_ends; /* of threads: what they leave in their own slots */
static bool error_ends_seen;
static _Thread_local bool error_end_seen; /* of this one */

static void error_thread_ends(void *slot)
{
    error_slot_clear(slot);
}

__attribute__((constructor)) static void error_see_ends(void)
{
    error_ends_seen = tss_create(&error_ends, error_thread_ends) == thrd_success;
}

/* Put @error, with its reference, into the current slot. */
static int error_set(struct ackd_error *error)
{
    struct error_slot *slot = error_current_slot();
    if (slot == &error_own_slot && !error_end_seen)
        error_end_seen = error_ends_seen && tss_set(error_ends, slot) == thrd_success;
    /* It may be the same one: then the slot has two references, and keeps one. */
    ackd_error_unref(slot->error);
    slot->error = error;
    return error->code;
}

ACKD_PRINTF(4, 0)
static struct ackd_error *error_vmake(int code, struct error_place place, int os_code,
                                      const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static struct ackd_error *error_vmake(int code, struct error_place place, int os_code,
                                      const char *format, va_list args)
{
    char text[ERROR_TEXT_SIZE];
    char prefix[64] = "";
    if (code >= 0 || code == ACKD_CANCELED) {
        snprintf(prefix, sizeof prefix, "ackd_fail(%d) is not a failure: ", code);
        code = ACKD_E_INVAL;
    }
    size_t used = (size_t)snprintf(text, sizeof text, "%s", prefix);
    vsnprintf(text + used, sizeof text - used, format, args);
    struct ackd_error *error = error_make(code, place, text);
    if (!error_is_static(error) && code == ACKD_E_OS)
        error->os_code = os_code;
    return error;
}

int ackd_fail_at(int code, const char *file, int line, const char *function, const char *format,
                 ...)
{
    int os_code = errno;
    va_list args;
    va_start(args, format);
    struct error_place place = {file, function, line};
    struct ackd_error *error = error_vmake(code, place, os_code, format, args);
    va_end(args);
    errno = os_code;
    return error_set(error);
}

/* The current error becomes the cause of @error, and its verdict is kept. */
static int error_set_over_current(struct ackd_error *error, bool keep_verdict)
{
    struct error_slot *slot = error_current_slot();
    if (!error_is_static(error) && slot->error != NULL) {
        error->cause = slot->error;
        slot->error = NULL;
        if (keep_verdict) {
            error->verdict = error->cause->verdict;
            error->delay_ms = error->cause->delay_ms;
        }
    }
    return error_set(error);
}

int ackd_wrap_at(int code, const char *file, int line, const char *function, const char *format,
                 ...)
{
    int os_code = errno;
    va_list args;
    va_start(args, format);
    struct error_place place = {file, function, line};
    struct ackd_error *error = error_vmake(code, place, os_code, format, args);
    va_end(args);
    errno = os_code;
    return error_set_over_current(error, true);
}

int ackd_retry_after_at(uint64_t delay_ms, const char *file, int line, const char *function,
                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct error_place place = {file, function, line};
    struct ackd_error *error = error_vmake(ACKD_E_RETRY, place, 0, format, args);
    va_end(args);
    if (!error_is_static(error))
        error->delay_ms = delay_ms;
    return error_set_over_current(error, false);
}

int ackd_verdict_at(enum ackd_verdict verdict, const char *file, int line, const char *function,
                    const char *format, ...)
{
    int code = verdict == ACKD_VERDICT_DEAD   ? ACKD_E_DEAD
               : verdict == ACKD_VERDICT_DROP ? ACKD_E_DROP
                                              : ACKD_E_RETRY;
    va_list args;
    va_start(args, format);
    struct error_place place = {file, function, line};
    struct ackd_error *error = error_vmake(code, place, 0, format, args);
    va_end(args);
    if (!error_is_static(error) && code != ACKD_E_RETRY)
        error->verdict = verdict;
    return error_set_over_current(error, false);
}

int ackd_trace_at(int code, const char *file, int line, const char *function)
{
    struct ackd_error *error = error_current_slot()->error;
    if (error == NULL || error->code != code || error_is_static(error))
        return code;
    /* E2. It may have come from a thread that read it and let go of it: that is over, then. */
    if (atomic_load_explicit(&error->references, memory_order_acquire) > 1)
        return code;
    if (error->trace_count < ERROR_TRACE_MAX)
        error->trace[error->trace_count] = (struct error_place){file, function, line};
    error->trace_count++;
    return code;
}

const struct ackd_error *ackd_error_current(void)
{
    return error_current_slot()->error;
}

const struct ackd_error *error_take(void)
{
    struct error_slot *slot = error_current_slot();
    const struct ackd_error *error = slot->error;
    slot->error = NULL;
    return error;
}

int error_give(const struct ackd_error *error)
{
    if (error == NULL)
        return ackd_fail(ACKD_E_INTERNAL, "an error was lost");
    return error_set((struct ackd_error *)(uintptr_t)error);
}

const struct ackd_error *error_for(int code)
{
    const struct ackd_error *error = error_current_slot()->error;
    if (error == NULL || error->code != code)
        (void)ackd_fail(code, "%s", ackd_code_text(code));
    return error_current_slot()->error;
}

void error_clear(void)
{
    error_slot_clear(error_current_slot());
}

int ackd_error_code(const struct ackd_error *error)
{
    return error == NULL ? ACKD_OK : error->code;
}

const char *ackd_error_text(const struct ackd_error *error)
{
    return error == NULL ? "" : error->text;
}

const char *ackd_error_file(const struct ackd_error *error)
{
    return error == NULL ? "" : error->place.file;
}

int ackd_error_line(const struct ackd_error *error)
{
    return error == NULL ? 0 : error->place.line;
}

const char *ackd_error_function(const struct ackd_error *error)
{
    return error == NULL ? "" : error->place.function;
}

int ackd_error_errno(const struct ackd_error *error)
{
    return error == NULL ? 0 : error->os_code;
}

uint64_t ackd_error_task_id(const struct ackd_error *error)
{
    return error == NULL ? 0 : error->task_id;
}

const char *ackd_error_task_name(const struct ackd_error *error)
{
    return error == NULL ? "" : error->task_name;
}

enum ackd_verdict ackd_error_verdict(const struct ackd_error *error)
{
    return error == NULL ? ACKD_VERDICT_DONE : error->verdict;
}

uint64_t ackd_error_delay_ms(const struct ackd_error *error)
{
    return error == NULL ? 0 : error->delay_ms;
}

const struct ackd_error *ackd_error_cause(const struct ackd_error *error)
{
    return error == NULL ? NULL : error->cause;
}

size_t ackd_error_child_count(const struct ackd_error *error)
{
    return error == NULL ? 0 : error->children.count;
}

const struct ackd_error *ackd_error_child(const struct ackd_error *error, size_t index)
{
    return error != NULL && index < error->children.kept ? error->children.items[index] : NULL;
}

size_t ackd_error_trace_count(const struct ackd_error *error)
{
    return error == NULL ? 0 : error->trace_count;
}

bool ackd_error_trace(const struct ackd_error *error, size_t index, const char **ret_file,
                      int *ret_line, const char **ret_function)
{
    if (index >= ackd_error_trace_count(error) || index >= ERROR_TRACE_MAX)
        return false;
    *ret_file = error->trace[index].file;
    *ret_line = error->trace[index].line;
    *ret_function = error->trace[index].function;
    return true;
}

const struct ackd_error *error_origin(const struct ackd_error *error)
{
    return error->origin == NULL ? error : error->origin;
}

/* Append @error, reference taken. The same one is listed once, as the copy that says most. */
static void error_list_add(struct error_list *list, const struct ackd_error *error)
{
    for (size_t i = 0; i < list->kept; i++) {
        const struct ackd_error *item = list->items[i];
        if (error_origin(item) != error_origin(error))
            continue;
        bool more = error->children.count > item->children.count;
        if (more)
            list->items[i] = error;
        ackd_error_unref(more ? item : error);
        return;
    }
    list->count++;
    bool full = (list->kept & (list->kept - 1)) == 0; /* it doubles */
    if (full && list->kept < ERROR_CHILDREN_MAX) {
        size_t room = list->kept == 0 ? 1 : 2 * list->kept;
        const struct ackd_error **grown = realloc(list->items, room * sizeof *grown);
        full = grown == NULL;
        if (grown != NULL)
            list->items = grown;
    }
    if (full)
        ackd_error_unref(error);
    else
        list->items[list->kept++] = error;
}

static void error_list_clear(struct error_list *list)
{
    for (size_t i = 0; i < list->kept; i++)
        ackd_error_unref(list->items[i]);
    free(list->items);
    *list = (struct error_list){0};
}

void error_collect(struct error_bundle *bundle, const struct ackd_error *error)
{
    if (bundle->first == NULL) {
        bundle->first = error;
        return;
    }
    if (bundle->list.count == 0) {
        if (error_origin(error) == error_origin(bundle->first)) {
            bool more = error->children.count > bundle->first->children.count;
            ackd_error_unref(more ? bundle->first : error);
            bundle->first = more ? error : bundle->first;
            return;
        }
        error_list_add(&bundle->list, ackd_error_ref(bundle->first));
    }
    error_list_add(&bundle->list, error);
}

const struct ackd_error *error_bundle_end(struct error_bundle *bundle, const char *file, int line,
                                          const char *function)
{
    const struct ackd_error *first = bundle->first;
    struct error_list list = bundle->list;
    *bundle = (struct error_bundle){0};
    if (list.count == 0)
        return first;
    char text[48];
    snprintf(text, sizeof text, "%zu failures", list.count);
    struct ackd_error *error =
        error_make(ACKD_E_AGGREGATE, (struct error_place){file, function, line}, text);
    bool dead = list.kept > 0;
    uint64_t delay_ms = 0;
    for (size_t i = 0; i < list.kept; i++) {
        dead = dead && list.items[i]->verdict == ACKD_VERDICT_DEAD;
        if (list.items[i]->delay_ms > delay_ms)
            delay_ms = list.items[i]->delay_ms;
    }
    if (error_is_static(error)) {
        error_list_clear(&list);
    } else {
        error->verdict = dead ? ACKD_VERDICT_DEAD : ACKD_VERDICT_RETRY;
        error->delay_ms = dead ? 0 : delay_ms;
        error->children = list;
    }
    ackd_error_unref(first);
    return error;
}

int ackd_aggregate_at(const struct ackd_error *const *errors, size_t count, const char *file,
                      int line, const char *function)
{
    struct error_bundle bundle = {0};
    for (size_t i = 0; i < count; i++) {
        if (errors[i] != NULL)
            error_collect(&bundle, ackd_error_ref(errors[i]));
    }
    const struct ackd_error *error = error_bundle_end(&bundle, file, line, function);
    return error == NULL ? ACKD_OK : error_give(error);
}

/* The same again, with one reference; a static one if there is no memory. */
static struct ackd_error *error_copy(const struct ackd_error *error)
{
    struct error_slot slot = {.task_id = error->task_id, .task_name = error->task_name};
    struct error_slot *before = error_slot_use(&slot);
    struct ackd_error *copy = error_make(error->code, error->place, error->text);
    error_slot_use(before);
    if (error_is_static(copy))
        return copy;
    copy->verdict = error->verdict;
    copy->delay_ms = error->delay_ms;
    copy->os_code = error->os_code;
    copy->cause = ackd_error_ref(error->cause);
    copy->origin = ackd_error_ref(error_origin(error));
    memcpy(copy->trace, error->trace, sizeof copy->trace);
    copy->trace_count = error->trace_count;
    for (size_t i = 0; i < error->children.kept; i++)
        error_list_add(&copy->children, ackd_error_ref(error->children.items[i]));
    copy->children.count = error->children.count;
    return copy;
}

const struct ackd_error *error_with_child(const struct ackd_error *primary,
                                          const struct ackd_error *later)
{
    if (later == NULL || later == primary || error_is_static(primary)) {
        ackd_error_unref(later);
        return primary;
    }
    struct ackd_error *own = (struct ackd_error *)(uintptr_t)primary;
    if (atomic_load_explicit(&own->references, memory_order_acquire) > 1) {
        own = error_copy(primary); /* E2 */
        if (error_is_static(own)) {
            ackd_error_unref(later);
            return primary;
        }
        ackd_error_unref(primary);
    }
    if (error_origin(later) != error_origin(own)) {
        error_list_add(&own->children, later);
        return own;
    }
    for (size_t i = 0; i < later->children.kept; i++)
        error_list_add(&own->children, ackd_error_ref(later->children.items[i]));
    ackd_error_unref(later);
    return own;
}

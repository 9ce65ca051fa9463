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

#include "base/assert.h"

enum { ERROR_TRACE_MAX = 16, ERROR_CHILDREN_MAX = 64, ERROR_TEXT_SIZE = 1024 };

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
    const struct ackd_error **children;        /* owned */
    size_t child_count;                        /* of all; at most ERROR_CHILDREN_MAX are kept */
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

/* What is current when there is no memory left to say more. */
static struct ackd_error error_static[ERROR_CODE_COUNT];

static _Thread_local struct error_slot error_own_slot __attribute__((tls_model("initial-exec")));
static _Thread_local struct error_slot *error_slot __attribute__((tls_model("initial-exec")));

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

const char *ackd_verdict_name(enum ackd_verdict verdict)
{
    static const char *const names[] = {"done", "retry", "dead", "drop", "release", "orphan"};
    ackd_assert((size_t)verdict < sizeof names / sizeof names[0]);
    return names[verdict];
}

static struct error_slot *error_current_slot(void)
{
    return error_slot != NULL ? error_slot : &error_own_slot;
}

struct error_slot *error_slot_use(struct error_slot *slot)
{
    struct error_slot *before = error_slot;
    error_slot = slot;
    return before;
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

void ackd_error_unref(const struct ackd_error *error)
{
    /* A chain of causes is let go in a loop: it may be long, and a task's stack is small. */
    while (error != NULL) {
        struct ackd_error *counted = (struct ackd_error *)(uintptr_t)error;
        if (atomic_load_explicit(&counted->references, memory_order_relaxed) == 0)
            return;
        if (atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) > 1)
            return;
        for (size_t i = 0; i < ackd_error_child_count(error) && i < ERROR_CHILDREN_MAX; i++)
            ackd_error_unref(error->children[i]);
        free(counted->children);
        const struct ackd_error *cause = error->cause;
        free(counted);
        error = cause;
    }
}

/* An error of @code without text of its own, from memory that is always there. */
static struct ackd_error *error_make_static(int code)
{
    size_t index = error_code_index(code);
    struct ackd_error *error = &error_static[index == SIZE_MAX ? -ACKD_E_NOMEM : (int)index];
    /* Written with the same values by whoever comes: a race changes nothing. */
    error->code = index == SIZE_MAX ? ACKD_E_NOMEM : code;
    error->verdict = ACKD_VERDICT_RETRY;
    error->text = ackd_code_text(error->code);
    error->task_name = "";
    error->place = (struct error_place){"", "", 0};
    return error;
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

/* Put @error, with its reference, into the current slot. */
static int error_set(struct ackd_error *error)
{
    struct error_slot *slot = error_current_slot();
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
    if (atomic_load_explicit(&error->references, memory_order_relaxed) > 1)
        return code; /* E2 */
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
    return error == NULL ? 0 : error->child_count;
}

const struct ackd_error *ackd_error_child(const struct ackd_error *error, size_t index)
{
    return index < ackd_error_child_count(error) && index < ERROR_CHILDREN_MAX
               ? error->children[index]
               : NULL;
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

/* Append @child, reference taken, to the children of @error, which nobody else holds. */
static void error_add_child(struct ackd_error *error, const struct ackd_error *child)
{
    size_t kept = error->child_count < ERROR_CHILDREN_MAX ? error->child_count : ERROR_CHILDREN_MAX;
    for (size_t i = 0; i < kept; i++) {
        if (error->children[i] == child) {
            ackd_error_unref(child);
            return;
        }
    }
    const struct ackd_error **grown = NULL;
    if (kept < ERROR_CHILDREN_MAX)
        grown = realloc(error->children, (kept + 1) * sizeof *grown);
    if (grown == NULL) {
        if (kept == ERROR_CHILDREN_MAX)
            error->child_count++;
        ackd_error_unref(child);
        return;
    }
    grown[kept] = child;
    error->children = grown;
    error->child_count = kept + 1;
}

const struct ackd_error *error_aggregate(const struct ackd_error *const *children, size_t count)
{
    ackd_assert(count > 0);
    bool same = true;
    bool dead = true;
    for (size_t i = 0; i < count; i++) {
        same = same && children[i] == children[0];
        dead = dead && children[i]->verdict == ACKD_VERDICT_DEAD;
    }
    if (same) {
        for (size_t i = 1; i < count; i++)
            ackd_error_unref(children[i]);
        return children[0];
    }
    char text[64];
    snprintf(text, sizeof text, "%zu failures", count);
    struct error_place place = {ackd_error_file(children[0]), ackd_error_function(children[0]),
                                ackd_error_line(children[0])};
    struct ackd_error *error = error_make(ACKD_E_AGGREGATE, place, text);
    if (error_is_static(error)) {
        for (size_t i = 0; i < count; i++)
            ackd_error_unref(children[i]);
        return error;
    }
    error->verdict = dead ? ACKD_VERDICT_DEAD : ACKD_VERDICT_RETRY;
    for (size_t i = 0; i < count; i++)
        error_add_child(error, children[i]);
    return error;
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
        /* Somebody else reads it (E2): the same again, on top of it. */
        struct ackd_error *copy = error_make(primary->code, primary->place, primary->text);
        if (error_is_static(copy)) {
            ackd_error_unref(later);
            return primary;
        }
        copy->verdict = primary->verdict;
        copy->delay_ms = primary->delay_ms;
        copy->os_code = primary->os_code;
        copy->cause = ackd_error_ref(primary->cause);
        ackd_error_unref(primary);
        own = copy;
    }
    error_add_child(own, later);
    return own;
}

struct error_text {
    char *at;
    size_t size;
    size_t length;
};

static void error_append(struct error_text *out, const char *format, ...) ACKD_PRINTF(2, 3);
static void error_append(struct error_text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = out->length < out->size ? out->length : out->size;
    int length = vsnprintf(out->size == 0 ? NULL : out->at + used, out->size - used, format, args);
    va_end(args);
    if (length > 0)
        out->length += (size_t)length;
}

enum { ERROR_DEPTH_MAX = 32 };

static void error_format_node(struct error_text *out, const struct ackd_error *error, int depth,
                              const char *relation)
{
    for (int step = 0; error != NULL && step < ERROR_DEPTH_MAX; step++) {
        error_append(out, "%*s%s%s: %s", 2 * depth, "", relation, ackd_code_name(error->code),
                     error->text);
        if (error->os_code != 0)
            error_append(out, ": %s", strerror(error->os_code));
        if (error->place.line > 0)
            error_append(out, " (%s:%d)", error->place.file, error->place.line);
        if (error->task_id != 0)
            error_append(out, " in task #%llu '%s'", (unsigned long long)error->task_id,
                         error->task_name);
        error_append(out, "\n");
        if (depth < ERROR_DEPTH_MAX) {
            for (size_t i = 0; i < error->child_count && i < ERROR_CHILDREN_MAX; i++)
                error_format_node(out, error->children[i], depth + 1, "also ");
        }
        error = error->cause;
        relation = "because ";
        depth++;
    }
}

size_t ackd_error_format(const struct ackd_error *error, char *text, size_t size)
{
    struct error_text out = {.at = text, .size = size};
    if (size > 0)
        text[0] = '\0';
    error_format_node(&out, error, 0, "");
    return out.length;
}

/* SPDX-License-Identifier: MIT */
/*
 * error_format - an error with all that led to it, as text.
 *
 * What is an error's child or cause in two places is printed where it comes first. The tree is
 * walked without recursion: it may be deep, and a task's stack is small.
 */
#include <config.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    ERROR_FORMAT_STEPS = 32, /* to begin with, as are those seen */
    ERROR_FORMAT_SEEN = 64,
    ERROR_FORMAT_INDENT_MAX = 32
};

struct error_format_step {
    const struct ackd_error *error;
    const char *relation;
    size_t depth;
};

struct error_format {
    char *at;
    size_t size, length;             /* of the text */
    struct error_format_step *steps; /* to be done, the last one first */
    size_t step_count, step_room;
    const struct ackd_error **seen; /* hashed; twice the room for those there are */
    size_t seen_count, seen_room;
    bool no_memory;
    struct error_format_step own_steps[ERROR_FORMAT_STEPS];
    const struct ackd_error *own_seen[ERROR_FORMAT_SEEN];
};

static void error_format_append(struct error_format *out, const char *format, ...)
    ACKD_PRINTF(2, 3);
static void error_format_append(struct error_format *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = out->length < out->size ? out->length : out->size;
    int length = vsnprintf(out->size == 0 ? NULL : out->at + used, out->size - used, format, args);
    va_end(args);
    if (length > 0)
        out->length += (size_t)length;
}

static void error_format_push(struct error_format *out, const struct ackd_error *error,
                              const char *relation, size_t depth)
{
    if (error == NULL)
        return;
    if (out->step_count == out->step_room) {
        bool own = out->steps == out->own_steps;
        struct error_format_step *grown =
            realloc(own ? NULL : out->steps, 2 * out->step_room * sizeof *grown);
        if (grown == NULL) {
            out->no_memory = true;
            return;
        }
        if (own)
            memcpy(grown, out->own_steps, sizeof out->own_steps);
        out->steps = grown;
        out->step_room *= 2;
    }
    out->steps[out->step_count++] = (struct error_format_step){error, relation, depth};
}

static const struct ackd_error **error_format_find(const struct error_format *out,
                                                   const struct ackd_error *error)
{
    uint64_t hash = (uint64_t)(uintptr_t)error * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (out->seen_room - 1);
    while (out->seen[at] != NULL && out->seen[at] != error)
        at = (at + 1) & (out->seen_room - 1);
    return &out->seen[at];
}

static bool error_format_grow_seen(struct error_format *out)
{
    const struct ackd_error **before = out->seen;
    const struct ackd_error **grown = calloc(2 * out->seen_room, sizeof *grown);
    if (grown == NULL)
        return false;
    size_t room = out->seen_room;
    out->seen = grown;
    out->seen_room = 2 * room;
    for (size_t i = 0; i < room; i++) {
        if (before[i] != NULL)
            *error_format_find(out, before[i]) = before[i];
    }
    if (before != out->own_seen)
        free(before);
    return true;
}

/* Whether @error comes for the first time. */
static bool error_format_note(struct error_format *out, const struct ackd_error *error)
{
    if (2 * out->seen_count >= out->seen_room && !error_format_grow_seen(out)) {
        out->no_memory = true;
        return false;
    }
    const struct ackd_error **place = error_format_find(out, error);
    if (*place != NULL)
        return false;
    *place = error;
    out->seen_count++;
    return true;
}

static void error_format_line(struct error_format *out, const struct error_format_step *step)
{
    const struct ackd_error *error = step->error;
    size_t indent = step->depth < ERROR_FORMAT_INDENT_MAX ? step->depth : ERROR_FORMAT_INDENT_MAX;
    error_format_append(out, "%*s%s%s: %s", (int)(2 * indent), "", step->relation,
                        error_name(ackd_error_code(error)).text, ackd_error_text(error));
    if (ackd_error_errno(error) != 0)
        error_format_append(out, ": %s", strerror(ackd_error_errno(error)));
    if (ackd_error_line(error) > 0)
        error_format_append(out, " (%s:%d)", ackd_error_file(error), ackd_error_line(error));
    if (ackd_error_task_id(error) != 0)
        error_format_append(out, " in task #%llu '%s'",
                            (unsigned long long)ackd_error_task_id(error),
                            ackd_error_task_name(error));
    error_format_append(out, "\n");
}

/* Its children come next, then its cause. */
static void error_format_follow(struct error_format *out, const struct error_format_step *step)
{
    const struct ackd_error *error = step->error;
    size_t count = ackd_error_child_count(error), kept = count;
    while (kept > 0 && ackd_error_child(error, kept - 1) == NULL)
        kept--;
    if (kept < count)
        error_format_append(out, "%*s(of its %zu further errors %zu were kept)\n",
                            (int)(2 * (step->depth + 1)), "", count, kept);
    error_format_push(out, ackd_error_cause(error), "because ", step->depth + 1);
    for (size_t i = kept; i-- > 0;)
        error_format_push(out, ackd_error_child(error, i), "also ", step->depth + 1);
}

size_t ackd_error_format(const struct ackd_error *error, char *text, size_t size)
{
    struct error_format out = {
        .at = text, .size = size, .step_room = ERROR_FORMAT_STEPS, .seen_room = ERROR_FORMAT_SEEN};
    out.steps = out.own_steps;
    out.seen = out.own_seen;
    if (size > 0)
        text[0] = '\0';
    error_format_push(&out, error, "", 0);
    while (out.step_count > 0) {
        struct error_format_step step = out.steps[--out.step_count];
        if (!error_format_note(&out, step.error))
            continue;
        const struct ackd_error *origin = error_origin(step.error);
        /* A copy of one that was printed may have further children. */
        if (origin == step.error || error_format_note(&out, origin))
            error_format_line(&out, &step);
        error_format_follow(&out, &step);
    }
    if (out.no_memory)
        error_format_append(&out, "(there is more, and no memory to say it)\n");
    if (out.steps != out.own_steps)
        free(out.steps);
    if (out.seen != out.own_seen)
        free(out.seen);
    return out.length;
}

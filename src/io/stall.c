/* SPDX-License-Identifier: MIT */
/* stall - the log line. It must not know when one is due. */
#include <config.h>

#include "io/stall.h"

#include <ackd/log.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/timer.h"
#include "io/blocking.h"
#include "io/symbol.h"
#include "task/progress.h"

enum { STALL_FRAMES_SHOWN = 16, STALL_STACK_SIZE = 1024, STALL_TEXT_SIZE = 512 };

enum stall_kind { STALL_COMPUTING, STALL_BLOCKED, STALL_MIXED };

struct stall_place {
    struct symbol symbol;         /* the innermost that is of a handler */
    char stack[STALL_STACK_SIZE]; /* innermost first, with '<' in between */
};

/* Three quarters of the time decide; less of it where it computes at this moment. */
static enum stall_kind stall_kind(const struct stall *stall)
{
    if (stall->call.known && !stall->call.waiting && stall->cpu_ns >= stall->ns / 4)
        return STALL_COMPUTING;
    if (stall->cpu_ns >= stall->ns / 4 * 3)
        return STALL_COMPUTING;
    return stall->cpu_ns <= stall->ns / 4 ? STALL_BLOCKED : STALL_MIXED;
}

/* Our own functions in front of the C library's are not where anything happens. */
static bool stall_is_below(const struct symbol *symbol)
{
    return symbol->below || blocking_is_call(symbol->function);
}

static void stall_find_place(const struct probe_sample *sample, struct stall_place *ret_place)
{
    bool found = false;
    size_t length = 0;
    int shown = 0;
    *ret_place = (struct stall_place){.stack = ""};
    for (int i = 0; i < sample->count; i++) {
        struct symbol symbol;
        symbol_find(sample->frames[i], i == 0 && sample->exact, &symbol);
        if (i == 0 || (!found && !stall_is_below(&symbol)))
            ret_place->symbol = symbol;
        found = found || !stall_is_below(&symbol);
        if (shown == STALL_FRAMES_SHOWN || length + 4 >= STALL_STACK_SIZE)
            continue;
        if (shown++ > 0)
            length += (size_t)snprintf(ret_place->stack + length, STALL_STACK_SIZE - length, " < ");
        length += symbol_format(&symbol, ret_place->stack + length, STALL_STACK_SIZE - length);
    }
}

/* "CPU-bound in fold at report.c:88", "blocked in read at report.c:90 (load)" */
static void stall_format_state(const struct stall *stall, const struct symbol *symbol, char *text,
                               size_t size)
{
    char name[64], place[256] = "";
    const char *call =
        stall->call.waiting ? probe_call_name(stall->call.number, name, sizeof name) : NULL;
    bool named = stall->sampled && symbol->function[0] != '\0';
    if (stall->sampled)
        symbol_format_place(symbol, place, sizeof place);
    const char *at = stall->sampled ? " at " : "";
    if (stall_kind(stall) == STALL_COMPUTING) {
        snprintf(text, size, "CPU-bound%s%s%s%s", named ? " in " : "",
                 named ? symbol->function : "", at, place);
        return;
    }
    char computed[64] = "";
    if (stall_kind(stall) == STALL_MIXED)
        snprintf(computed, sizeof computed, "CPU-bound for %" PRIu64 " ms, else ",
                 stall->cpu_ns / NS_PER_MS);
    snprintf(text, size, "%sblocked%s%s%s%s%s%s%s", computed, call == NULL ? "" : " in ",
             call == NULL ? "" : call, at, place, named ? " (" : "", named ? symbol->function : "",
             named ? ")" : "");
}

static void stall_format_who(const struct stall *stall, char *text, size_t size)
{
    bool in_task = stall->task_id != PROGRESS_LOOP && stall->task_id != PROGRESS_POLLING;
    if (stall->sampled)
        subject_format(&stall->sample.subject, text, size);
    else if (in_task)
        snprintf(text, size, "task #%" PRIu64, stall->task_id);
    else
        snprintf(text, size, "(loop callback)");
}

static const char *stall_instead(const struct stall *stall)
{
    if (stall_kind(stall) == STALL_COMPUTING || !stall->call.waiting)
        return "ackd_checkpoint() within the computation";
    return probe_call_instead(stall->call.number);
}

/* With the fields of the subject as the line's context. Not inlined: a sanitizer makes both frames
 * as large as one may be. */
static __attribute__((noinline)) void stall_log(const struct stall *stall,
                                                const struct stall_place *place, const char *who,
                                                const char *state)
{
    static const char *const kinds[] = {"computing", "blocked", "mixed"};
    const struct subject *subject = &stall->sample.subject;
    char where[256], name[64], waited[64] = "";
    const char *call =
        stall->call.waiting ? probe_call_name(stall->call.number, name, sizeof name) : "";
    symbol_format_place(&place->symbol, where, sizeof where);
    if (stall->sampled)
        snprintf(waited, sizeof waited, " %" PRIu64 " ready task%s waited.", subject->glance.ready,
                 subject->glance.ready == 1 ? "" : "s");
    ackd_log_event(
        stall->is_error ? ACKD_LOG_ERROR : ACKD_LOG_WARNING, "loop-stalled",
        ACKD_FIELDS(ACKD_FIELD("loop", stall->loop), ACKD_FIELD("task", subject->glance.task_name),
                    ACKD_FIELD_INT("task_id", subject->glance.task_id),
                    ACKD_FIELD_INT("ms", stall->ns / NS_PER_MS),
                    ACKD_FIELD_INT("cpu_ms", stall->cpu_ns / NS_PER_MS),
                    ACKD_FIELD("state", kinds[stall_kind(stall)]), ACKD_FIELD("call", call),
                    ACKD_FIELD("wchan", stall->call.wchan),
                    ACKD_FIELD("function", place->symbol.function), ACKD_FIELD("place", where),
                    ACKD_FIELD_INT("waiting", subject->glance.ready),
                    ACKD_FIELD("stack", place->stack)),
        "%s blocked for %" PRIu64 " ms by %s: %s.%s Use %s, or ackd_offload().%s", stall->loop,
        stall->ns / NS_PER_MS, who, state, waited, stall_instead(stall),
        stall->is_abort ? " The process ends here, as 'abort' of 'stall' says." : "");
}

void stall_write(const struct stall *stall)
{
    struct stall_place place;
    stall_find_place(&stall->sample, &place);
    char who[256], state[STALL_TEXT_SIZE];
    stall_format_who(stall, who, sizeof who);
    stall_format_state(stall, &place.symbol, state, sizeof state);
    struct subject_context context;
    subject_context(&stall->sample.subject, &context);
    const struct log_context *before = log_context_use(&context.context);
    stall_log(stall, &place, who, state);
    log_context_use(before);
}

/* SPDX-License-Identifier: MIT */
/* refusal - the count, the places that were told of, and the backtrace. */
#include <config.h>

#include "task/refusal.h"

#include <ackd/log.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFUSAL_SITES = 512, /* places remembered; what is refused beyond them is counted, not logged */
    REFUSAL_FRAMES = 14,
    REFUSAL_OWN_FRAMES = 2, /* ours, at the top of a backtrace */
    REFUSAL_TRACE_SIZE = 512
};

static _Atomic uint64_t refusal_refused;
static _Atomic uint64_t refusal_sites[REFUSAL_SITES];

uint64_t refusal_count(void)
{
    return atomic_load_explicit(&refusal_refused, memory_order_relaxed);
}

/* Whether nothing was refused there before. */
static bool refusal_is_first(uint64_t site)
{
    uint64_t key = (site * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    for (size_t tried = 0; tried < REFUSAL_SITES; tried++) {
        _Atomic uint64_t *place = &refusal_sites[((key >> 40) + tried) % REFUSAL_SITES];
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(place, &there, key))
            return true;
        if (there == key)
            return false;
    }
    return false;
}

/* "handler.so(save+0x1c)" of "/usr/lib/ackd/handler.so(save+0x1c) [0x7f...]". */
static size_t refusal_put_frame(char *text, size_t size, const char *symbol)
{
    const char *end = strchr(symbol, ')');
    size_t length = end == NULL ? strlen(symbol) : (size_t)(end + 1 - symbol);
    const char *from = symbol;
    for (const char *at = symbol; at < symbol + length; at++)
        if (*at == '/')
            from = at + 1;
    int put = snprintf(text, size, "%.*s", (int)(symbol + length - from), from);
    return put < 0 ? 0 : (size_t)put;
}

static void refusal_trace(char *text, size_t size)
{
    void *frames[REFUSAL_FRAMES];
    int count = backtrace(frames, REFUSAL_FRAMES);
    char **symbols = backtrace_symbols(frames, count);
    text[0] = '\0';
    if (symbols == NULL)
        return;
    size_t used = 0;
    for (int i = REFUSAL_OWN_FRAMES; i < count && used + 4 < size; i++) {
        if (used > 0)
            used += (size_t)snprintf(text + used, size - used, " < ");
        used += refusal_put_frame(text + used, size - used, symbols[i]);
    }
    free(symbols);
}

static __attribute__((noinline)) void refusal_tell(int code, const char *file, int line)
{
    char trace[REFUSAL_TRACE_SIZE];
    char place[256];
    refusal_trace(trace, sizeof trace);
    snprintf(place, sizeof place, "%s:%d", file, line);
    ackd_log_event(ACKD_LOG_ERROR, "refused",
                   ACKD_FIELDS(ACKD_FIELD("code", ackd_code_name(code)), ACKD_FIELD("place", place),
                               ACKD_FIELD("backtrace", trace)),
                   "%s", ackd_error_text(ackd_error_current()));
}

int refusal_at(int code, const void *site, const char *file, int line, const char *function,
               const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    code = ackd_fail_at(code, file, line, function, "%s", text);
    atomic_fetch_add_explicit(&refusal_refused, 1, memory_order_relaxed);
    uint64_t key = site != NULL ? (uintptr_t)site : (uintptr_t)file + ((uint64_t)line << 48);
    if (refusal_is_first(key))
        refusal_tell(code, file, line);
    return code;
}

/* SPDX-License-Identifier: MIT */
/*
 * context - a place where execution was left, with what the sanitizers want to know of it.
 *
 *   C1  To TSan a stack in use is one fiber, also where several tasks follow one another on it.
 */
#ifndef ACKD_TASK_CONTEXT_H
#define ACKD_TASK_CONTEXT_H

#include <stddef.h>

#include "task/sanitizer.h"
#include "task/switch.h"

struct context {
    void *place; /* of switch_to */
#if SANITIZER_ADDRESS
    const void *low; /* bounds of its stack */
    size_t size;
#endif
#if SANITIZER_THREAD
    void *fiber;
#endif
};

/* Note the bounds of a stack that is to be entered. */
static inline void context_set_bounds(struct context *context, const void *low, size_t size)
{
#if SANITIZER_ADDRESS
    context->low = low;
    context->size = size;
#else
    (void)context;
    (void)low;
    (void)size;
#endif
}

static inline void context_make_fiber(struct context *context)
{
#if SANITIZER_THREAD
    context->fiber = __tsan_create_fiber(0);
#else
    (void)context;
#endif
}

static inline void context_end_fiber(struct context *context)
{
#if SANITIZER_THREAD
    __tsan_destroy_fiber(context->fiber);
#else
    (void)context;
#endif
}

/* @context is where this thread runs now. */
static inline void context_is_here(struct context *context)
{
#if SANITIZER_THREAD
    context->fiber = __tsan_get_current_fiber();
#else
    (void)context;
#endif
}

static inline void context_switch(struct context *from, struct context *to)
{
#if SANITIZER_ADDRESS
    void *fake;
    __sanitizer_start_switch_fiber(&fake, to->low, to->size);
#endif
#if SANITIZER_THREAD
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    switch_to(&from->place, to->place);
#if SANITIZER_ADDRESS
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

/* The first thing on a new stack: @from is where it was entered from. */
static inline void context_arrived(struct context *from)
{
#if SANITIZER_ADDRESS
    __sanitizer_finish_switch_fiber(NULL, &from->low, &from->size);
#else
    (void)from;
#endif
}

/* The last thing on a stack: nothing of @from is used again. */
static inline void context_leave(struct context *from, struct context *to)
{
#if SANITIZER_ADDRESS
    __sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
#if SANITIZER_THREAD
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    switch_to(&from->place, to->place);
    __builtin_unreachable();
}

#endif

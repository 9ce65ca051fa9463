/* SPDX-License-Identifier: MIT */
/*
 * stack - the memory that tasks run on: guarded, lazily committed, and kept for the next task.
 *
 * From low to high: the guard, which faults when touched; the room for frames; a block for the
 * task's small allocations; the stack's own description. The tops of neighbours are staggered, so
 * that a thousand parked tasks do not fight for the same cache sets.
 *
 *   S1  A stack that is kept holds no more committed memory than STACK_KEEP bytes and the top.
 *   S2  A guard is at least STACK_GUARD_SIZE bytes, and code is built with
 *       -fstack-clash-protection: no frame jumps over it.
 *   S3  With guards by mprotect each stack is two mappings, so their number is bounded by
 *       vm.max_map_count; that they fit is checked before the first is made.
 */
#ifndef ACKD_TASK_STACK_H
#define ACKD_TASK_STACK_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "task/context.h"
#include "task/scheduler.h"

enum {
    STACK_SIZE_MIN = 32 * 1024,
    STACK_SIZE_DEFAULT = 256 * 1024,
#ifdef __aarch64__
    STACK_GUARD_SIZE = 64 * 1024, /* what the compilers' probes count on there */
#else
    STACK_GUARD_SIZE = 16 * 1024,
#endif
    STACK_KEEP = 16 * 1024, /* below its top a stack that was deeper is given back to the kernel */
    STACK_BLOCK_SIZE = 512, /* for the task's first allocations */
    STACK_SIZES = 8,        /* different sizes of which some are kept */
};

struct stack {
    struct stack *next; /* in the pool */
    struct context context;
    char *low;                 /* lowest byte that may be used: the guard ends here */
    char *top;                 /* frames begin below this, at the block */
    const uint64_t *watermark; /* zero unless a task went this deep */
    size_t size;               /* as asked for: a multiple of the page */
    unsigned uses;
    unsigned valgrind_id;
};

struct stack_shelf {
    size_t size;
    struct stack *first; /* last in, first out: the warmest */
};

struct stack_pool {
    struct stack_shelf shelves[STACK_SIZES];
    size_t page_size;
    size_t cached, cached_max;
    size_t live;       /* with a task */
    size_t made;       /* ever: staggers the tops */
    size_t reserved;   /* of the process's bound of mappings */
    size_t high_water; /* bytes, of all tasks so far */
    bool by_region;    /* guards by MADV_GUARD_INSTALL: no mapping of their own */
};

/*
 * @stacks_max is how many will be live at once. ACKD_E_INVAL where vm.max_map_count does not allow
 * for them together with those of the pools that are there; the text names the sysctl and the
 * value.
 */
ACKD_MUST_CHECK int stack_pool_init(struct stack_pool *pool, enum stack_guard guard,
                                    size_t stacks_max, size_t cached_max);
void stack_pool_fini(struct stack_pool *pool);

/* At least @size bytes of room; NULL with the error set when the kernel gives no more. */
struct stack *stack_take(struct stack_pool *pool, size_t size);
void stack_give(struct stack_pool *pool, struct stack *stack);

/*
 * A stack whose task ended may be left entered, and counted among those that are kept: the next
 * task on it then needs neither a pool nor an entry. False where it is to be given back instead:
 * there are enough, or it is to be measured.
 */
bool stack_rest(struct stack_pool *pool, const struct stack *stack);
/* It is used again; or it goes for good. */
static inline void stack_resume(struct stack_pool *pool, struct stack *stack)
{
    pool->cached--;
    pool->live++;
    stack->uses++;
}
void stack_end_rest(struct stack_pool *pool, struct stack *stack);

/* What stack_take makes of @size: whole pages, within bounds. */
size_t stack_round(const struct stack_pool *pool, size_t size);

/* Bytes of room in use at the deepest so far, to the page. */
size_t stack_depth(const struct stack_pool *pool, const struct stack *stack);

/* Measure a stack whose task ended if it went deep, and give the depth back (S1); 0: it did not. */
size_t stack_trim(struct stack_pool *pool, struct stack *stack);

static inline bool stack_went_deep(const struct stack *stack)
{
    return __builtin_expect(*stack->watermark != 0, 0);
}

/* Whether @address is in the guard of @stack. */
static inline bool stack_guards(const struct stack *stack, const void *address)
{
    const char *at = address;
    return at < stack->low && at >= stack->low - STACK_GUARD_SIZE;
}

#endif

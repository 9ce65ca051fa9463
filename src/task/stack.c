/* SPDX-License-Identifier: MIT */
/* stack - maps, guards, keeps and trims stacks. It must not know what runs on them. */
#include <config.h>

#include "task/stack.h"

#include <ackd/error.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "base/assert.h"

/* Kernel 6.13 and later; not in every libc's header. */
enum { STACK_MADV_GUARD_INSTALL = 102 };

enum {
    STACK_COLOURS = 16,
    STACK_COLOUR_STEP = 192,    /* bytes: three cache lines */
    STACK_MAPS_DEFAULT = 65530, /* the kernel's own vm.max_map_count */
    STACK_MAPS_SPARE = 2000,    /* for libraries and allocators still to come */
    STACK_MEASURE_EVERY = 1024, /* uses between two looks at a stack that never went deep */
    STACK_WATERMARK_SIZE = 8,   /* bytes */
    STACK_PAGES_AT_ONCE = 256,
    STACK_LINE = 64,     /* bytes that a processor fetches at a time */
    STACK_FORESEEN = 12, /* such lines: the frames of a task that soon waits */
};

/* A watermark that is never reached: to Valgrind, what lies below the frames must not be read. */
static const uint64_t stack_no_watermark;

/* Stacks that the pools of this process may come to have. */
static atomic_size_t stack_reserved;

static size_t stack_maps_max(void)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    unsigned long max = 0;
    if (file != NULL) {
        if (fscanf(file, "%lu", &max) != 1)
            max = 0;
        fclose(file);
    }
    return max == 0 ? STACK_MAPS_DEFAULT : max;
}

static size_t stack_maps_now(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    size_t lines = 0;
    if (file == NULL)
        return 0;
    for (int byte; (byte = getc(file)) != EOF;)
        lines += byte == '\n';
    fclose(file);
    return lines;
}

static bool stack_region_works(size_t page_size)
{
    char *probe = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    /* Some emulators take any advice and do nothing: see that the kernel cannot write there. */
    bool works = madvise(probe, page_size, STACK_MADV_GUARD_INSTALL) == 0 &&
                 uname((struct utsname *)probe) != 0;
    munmap(probe, page_size);
    return works;
}

/* S3 */
static int stack_reserve(struct stack_pool *pool, size_t stacks_max)
{
    size_t others = atomic_fetch_add(&stack_reserved, stacks_max);
    pool->reserved = stacks_max;
    size_t max = stack_maps_max();
    size_t taken = stack_maps_now() + STACK_MAPS_SPARE;
    size_t room = max > taken ? (max - taken) / 2 : 0;
    if (others <= room && stacks_max <= room - others)
        return ACKD_OK;
    atomic_fetch_sub(&stack_reserved, stacks_max);
    pool->reserved = 0;
    return ackd_fail(ACKD_E_INVAL,
                     "%zu tasks need more memory mappings than vm.max_map_count = %zu allows (%zu "
                     "fit): lower the bound of tasks, or 'sysctl vm.max_map_count=%zu'",
                     stacks_max, max, others < room ? room - others : 0,
                     2 * (others + stacks_max) + taken);
}

int stack_pool_init(struct stack_pool *pool, enum stack_guard guard, size_t stacks_max,
                    size_t cached_max)
{
    *pool =
        (struct stack_pool){.page_size = (size_t)sysconf(_SC_PAGESIZE), .cached_max = cached_max};
    ackd_assert(STACK_GUARD_SIZE % pool->page_size == 0 || pool->page_size > STACK_GUARD_SIZE);
    if (guard != STACK_GUARD_MPROTECT)
        pool->by_region = stack_region_works(pool->page_size);
    if (guard == STACK_GUARD_REGION && !pool->by_region)
        return ackd_fail(ACKD_E_INVAL, "stack-guard 'region' needs a kernel of 6.13 or later: use "
                                       "'auto' or 'mprotect'");
    return pool->by_region ? ACKD_OK : stack_reserve(pool, stacks_max);
}

size_t stack_round(const struct stack_pool *pool, size_t size)
{
    if (size < STACK_SIZE_MIN)
        size = STACK_SIZE_MIN;
    if (size > SIZE_MAX / 2)
        size = SIZE_MAX / 2;
    return (size + pool->page_size - 1) & ~(pool->page_size - 1);
}

static size_t stack_guard_size(const struct stack_pool *pool)
{
    return pool->page_size > STACK_GUARD_SIZE ? pool->page_size : STACK_GUARD_SIZE;
}

/* What is mapped above the room for frames: the block, the description, the stagger. */
static size_t stack_head_size(const struct stack_pool *pool)
{
    size_t size = STACK_BLOCK_SIZE + sizeof(struct stack) + STACK_COLOURS * STACK_COLOUR_STEP + 128;
    return (size + pool->page_size - 1) & ~(pool->page_size - 1);
}

static bool stack_protect(const struct stack_pool *pool, char *guard)
{
    size_t size = stack_guard_size(pool);
    if (pool->by_region)
        return madvise(guard, size, STACK_MADV_GUARD_INSTALL) == 0;
    return mprotect(guard, size, PROT_NONE) == 0;
}

/* Where the part begins that a stack keeps when it is trimmed: its watermark. */
static uintptr_t stack_keep(const struct stack *stack)
{
    return ((uintptr_t)stack->top - STACK_KEEP) & ~(uintptr_t)63;
}

static struct stack *stack_map(struct stack_pool *pool, size_t size)
{
    size_t guard = stack_guard_size(pool);
    size_t whole = guard + size + stack_head_size(pool);
    char *bytes = mmap(NULL, whole, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (bytes == MAP_FAILED) {
        (void)ackd_fail(ACKD_E_NOMEM, "a stack of %zu bytes: %s", size, strerror(errno));
        return NULL;
    }
    sanitizer_open(bytes, whole); /* what was at this address before may have left its marks */
    /* A huge page would commit the room of eight stacks at the first touch of one. */
    (void)madvise(bytes, whole, MADV_NOHUGEPAGE);
    if (!stack_protect(pool, bytes)) {
        (void)ackd_fail(ACKD_E_NOMEM, "the guard of a stack: %s (vm.max_map_count?)",
                        strerror(errno));
        munmap(bytes, whole);
        return NULL;
    }
    size_t colour = pool->made++ % STACK_COLOURS * STACK_COLOUR_STEP;
    char *head = bytes + whole - colour - ((sizeof(struct stack) + 63) & ~(size_t)63);
    struct stack *stack = (struct stack *)head;
    stack->low = bytes + guard;
    stack->top = head - STACK_BLOCK_SIZE;
    stack->size = size;
    stack->watermark =
        RUNNING_ON_VALGRIND ? &stack_no_watermark : (const uint64_t *)stack_keep(stack);
#ifdef HAVE_VALGRIND_VALGRIND_H
    stack->valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(stack->low, stack->top);
#endif
    return stack;
}

static void stack_unmap(const struct stack_pool *pool, struct stack *stack)
{
#ifdef HAVE_VALGRIND_VALGRIND_H
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
    size_t guard = stack_guard_size(pool);
    size_t whole = guard + stack->size + stack_head_size(pool);
    char *bytes = stack->low - guard;
    sanitizer_open(bytes, whole); /* what is mapped there next is not this stack */
    munmap(bytes, whole);
}

/* The shelf of a size; NULL if there are too many sizes already. */
static struct stack_shelf *stack_shelf(struct stack_pool *pool, size_t size)
{
    for (size_t i = 0; i < STACK_SIZES; i++) {
        struct stack_shelf *shelf = &pool->shelves[i];
        if (shelf->size == size)
            return shelf;
        if (shelf->size == 0) {
            shelf->size = size;
            return shelf;
        }
    }
    return NULL;
}

/* Have the stack that is taken next, and where the one after it is, fetched meanwhile. */
static inline void stack_foresee(const struct stack *next)
{
    if (next == NULL)
        return;
    __builtin_prefetch(next->next, 1);
    for (size_t line = 1; line <= STACK_FORESEEN; line++)
        __builtin_prefetch(next->top - line * STACK_LINE, 1);
}

struct stack *stack_take(struct stack_pool *pool, size_t size)
{
    struct stack_shelf *shelf = stack_shelf(pool, size);
    struct stack *stack = shelf == NULL ? NULL : shelf->first;
    if (stack != NULL) {
        shelf->first = stack->next;
        pool->cached--;
        stack_foresee(shelf->first);
    } else {
        stack = stack_map(pool, size);
        if (stack == NULL)
            return NULL;
    }
    pool->live++;
    stack->uses++;
    size_t whole = (size_t)((char *)stack - stack->low);
    sanitizer_open(stack->low, whole);
    sanitizer_root_add(stack->low, whole);
    context_set_bounds(&stack->context, stack->low, (size_t)(stack->top - stack->low));
    context_make_fiber(&stack->context);
    return stack;
}

size_t stack_depth(const struct stack_pool *pool, const struct stack *stack)
{
    unsigned char resident[STACK_PAGES_AT_ONCE];
    size_t page = pool->page_size;
    const char *clean = (const char *)((uintptr_t)stack->watermark & ~(uintptr_t)(page - 1));
    for (char *from = stack->low; from < stack->top; from += page * STACK_PAGES_AT_ONCE) {
        size_t count = ((size_t)(stack->top - from) + page - 1) / page;
        if (count > STACK_PAGES_AT_ONCE)
            count = STACK_PAGES_AT_ONCE;
        if (mincore(from, count * page, resident) != 0)
            return 0;
        for (size_t i = 0; i < count; i++) {
            /* To look at the watermark maps its page, so that page alone says nothing. */
            bool looked_at = from + i * page == clean && *stack->watermark == 0;
            if ((resident[i] & 1) && !looked_at)
                return (size_t)(stack->top - (from + i * page));
        }
    }
    return 0;
}

/* Note how deep it went, and give what is below the watermark back to the kernel. */
static size_t stack_measure(struct stack_pool *pool, struct stack *stack)
{
    size_t depth = stack_depth(pool, stack);
    if (depth > pool->high_water)
        pool->high_water = depth;
    if (depth <= STACK_KEEP + pool->page_size && !stack_went_deep(stack))
        return depth;
    uintptr_t page = pool->page_size;
    uintptr_t end = (stack_keep(stack) + STACK_WATERMARK_SIZE + page - 1) & -page;
    size_t size = end - (uintptr_t)stack->low;
    sanitizer_open(stack->low, size);
    if (madvise(stack->low, size, MADV_DONTNEED) != 0)
        memset(stack->low, 0, size);
    return depth;
}

size_t stack_trim(struct stack_pool *pool, struct stack *stack)
{
    return stack_went_deep(stack) ? stack_measure(pool, stack) : 0;
}

/* A frame full of zeros leaves no mark, so now and then we look without one. */
static bool stack_is_to_be_measured(const struct stack *stack)
{
    return stack_went_deep(stack) || stack->uses % STACK_MEASURE_EVERY == 1;
}

bool stack_rest(struct stack_pool *pool, const struct stack *stack)
{
    /* The address sanitizer's own frames of a stack end only where it is left for good. */
    if (SANITIZER_ADDRESS || pool->cached >= pool->cached_max || stack_is_to_be_measured(stack))
        return false;
    ackd_assert(pool->live > 0);
    pool->live--;
    pool->cached++;
    return true;
}

void stack_end_rest(struct stack_pool *pool, struct stack *stack)
{
    context_end_fiber(&stack->context);
    sanitizer_root_remove(stack->low, (size_t)((char *)stack - stack->low));
    pool->cached--;
    stack_unmap(pool, stack);
}

void stack_give(struct stack_pool *pool, struct stack *stack)
{
    ackd_assert(pool->live > 0);
    context_end_fiber(&stack->context);
    sanitizer_root_remove(stack->low, (size_t)((char *)stack - stack->low));
    if (stack_is_to_be_measured(stack))
        stack_measure(pool, stack);
    pool->live--;
    struct stack_shelf *shelf = stack_shelf(pool, stack->size);
    if (shelf == NULL || pool->cached >= pool->cached_max) {
        stack_unmap(pool, stack);
        return;
    }
    stack->next = shelf->first;
    shelf->first = stack;
    pool->cached++;
}

void stack_pool_fini(struct stack_pool *pool)
{
    ackd_assert(pool->live == 0);
    for (size_t i = 0; i < STACK_SIZES; i++) {
        while (pool->shelves[i].first != NULL) {
            struct stack *stack = pool->shelves[i].first;
            pool->shelves[i].first = stack->next;
            stack_unmap(pool, stack);
        }
    }
    atomic_fetch_sub(&stack_reserved, pool->reserved);
    pool->reserved = 0;
}

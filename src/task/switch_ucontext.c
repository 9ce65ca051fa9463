/* SPDX-License-Identifier: MIT */
/*
 * switch by ucontext: for any processor the C library knows, at some ten times the cost, because it
 * asks the kernel about the signal mask each time.
 */
#include <config.h>

#include "task/switch.h"

#include <stdlib.h>
#include <ucontext.h>

#include "base/assert.h"

/* What a new stack begins with: getcontext took what the task before had set. */
static void switch_make_pristine(void)
{
#if defined __x86_64__
    uint32_t vector_word = 0x1f80;
    uint16_t legacy_word = 0x037f;
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(vector_word), "m"(legacy_word));
#elif defined __aarch64__
    __asm__ volatile("msr fpcr, xzr");
#endif
}

/* makecontext passes int only, so a pointer travels in two halves. */
static void switch_enter(unsigned entry_high, unsigned entry_low, unsigned arg_high,
                         unsigned arg_low)
{
    uintptr_t entry = (uintptr_t)((uint64_t)entry_high << 32 | entry_low);
    uintptr_t arg = (uintptr_t)((uint64_t)arg_high << 32 | arg_low);
    switch_make_pristine();
    ((void (*)(void *))entry)((void *)arg);
    abort();
}

void switch_entry(void)
{
    abort();
}

void *switch_init(void *top, void (*entry)(void *arg), void *arg)
{
    enum {
        SWITCH_ROOM = 4096
    }; /* all that makecontext writes below; where it ends it does not ask */
    ucontext_t *context = (ucontext_t *)(((uintptr_t)top - sizeof *context) & ~(uintptr_t)63);
    if (getcontext(context) != 0)
        ackd_assert(!"getcontext");
    context->uc_stack.ss_sp = (char *)context - SWITCH_ROOM;
    context->uc_stack.ss_size = SWITCH_ROOM;
    context->uc_link = NULL;
    uint64_t entry_bits = (uintptr_t)entry;
    uint64_t arg_bits = (uintptr_t)arg;
    makecontext(context, (void (*)(void))switch_enter, 4, (unsigned)(entry_bits >> 32),
                (unsigned)entry_bits, (unsigned)(arg_bits >> 32), (unsigned)arg_bits);
    return context;
}

void switch_to(void **save, void *to)
{
    ucontext_t own;
    *save = &own;
    if (swapcontext(&own, to) != 0)
        ackd_assert(!"swapcontext");
}

struct switch_frame switch_frame(const void *place)
{
    const ucontext_t *context = place;
#if defined __x86_64__
    return (struct switch_frame){(const void *)context->uc_mcontext.gregs[REG_RIP],
                                 (const void *const *)context->uc_mcontext.gregs[REG_RBP]};
#elif defined __aarch64__
    return (struct switch_frame){(const void *)context->uc_mcontext.pc,
                                 (const void *const *)context->uc_mcontext.regs[29]};
#else
    (void)context;
    return (struct switch_frame){NULL, NULL};
#endif
}

/* SPDX-License-Identifier: MIT */
/*
 * switch - from one stack to another, and nothing else.
 *
 * Three functions, in one of switch_x86_64.S, switch_aarch64.S and switch_ucontext.c. What the
 * processor's calling convention keeps across a call is kept, with the control words of the
 * floating point unit: one task's rounding mode is not another's. It must not know what a task is.
 */
#ifndef ACKD_TASK_SWITCH_H
#define ACKD_TASK_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Prepare the stack that ends at @top, aligned to 16 bytes, to call @entry(@arg) when it is first
 * switched to. @entry must not return. Returns what to pass to switch_to.
 */
void *switch_init(void *top, void (*entry)(void *arg), void *arg);

/* Leave this stack, noting in @save where, and go on where @to was left. */
void switch_to(void **save, void *to);

/* The outermost frame of every stack that switch_init made: backtraces end here. Never called. */
void switch_entry(void);

/* Of a stack that was left at @place: where it goes on, and the frame pointer there. */
struct switch_frame {
    const void *resume;
    const void *const *frame;
};
#ifdef SWITCH_UCONTEXT
struct switch_frame switch_frame(const void *place);
#else
static inline struct switch_frame switch_frame(const void *place)
{
    const void *const *words = place;
#if defined __x86_64__
    return (struct switch_frame){words[7], words[6]};
#else
    return (struct switch_frame){words[1], words[0]};
#endif
}
#endif

/*
 * Whether the floating point control words are as switch_init sets them, so that the stack may go
 * to the next task without a switch. Where we cannot tell cheaply: false.
 */
static inline bool switch_is_pristine(void)
{
#if defined __x86_64__
    uint32_t vector_word;
    uint16_t legacy_word;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(vector_word), "=m"(legacy_word));
    return (vector_word & ~UINT32_C(0x3f)) == 0x1f80 && legacy_word == 0x037f;
#elif defined __aarch64__
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return word == 0;
#else
    return false;
#endif
}

#endif

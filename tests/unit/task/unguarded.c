/* SPDX-License-Identifier: MIT */
/* unguarded - see the header. The build leaves -fstack-clash-protection out for this file. */
#include <config.h>

#include "unguarded.h"

#include <stdint.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wframe-larger-than="
int unguarded_use_large_local(void *arg)
{
    volatile char large[200 * 1024];
    __asm__ volatile("" : : "r"(large) : "memory"); /* clang would make it smaller */
    large[0] = (char)(intptr_t)arg;
    return large[0];
}
#pragma GCC diagnostic pop

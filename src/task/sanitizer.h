/* SPDX-License-Identifier: MIT */
/*
 * sanitizer - which checkers this build runs under, and the little they must be told about stacks.
 *
 * A checker that is not told of a switch takes another stack's frames for its own. All calls are
 * nothing in an ordinary build but Valgrind's, which are made only where a stack is mapped.
 */
#ifndef ACKD_TASK_SANITIZER_H
#define ACKD_TASK_SANITIZER_H

#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZER_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREAD 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZER_ADDRESS 1
#endif
#ifdef __SANITIZE_THREAD__
#define SANITIZER_THREAD 1
#endif
#ifndef SANITIZER_ADDRESS
#define SANITIZER_ADDRESS 0
#endif
#ifndef SANITIZER_THREAD
#define SANITIZER_THREAD 0
#endif

#if SANITIZER_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if SANITIZER_THREAD
#include <sanitizer/tsan_interface.h>
#endif

/* Nobody may touch it until it is opened again: kept blocks of tasks that ended. */
static inline void sanitizer_shut(const void *bytes, size_t size)
{
#if SANITIZER_ADDRESS
    ASAN_POISON_MEMORY_REGION(bytes, size);
#else
    (void)bytes;
    (void)size;
#endif
}

static inline void sanitizer_open(const void *bytes, size_t size)
{
#if SANITIZER_ADDRESS
    ASAN_UNPOISON_MEMORY_REGION(bytes, size);
#else
    (void)bytes;
    (void)size;
#endif
}

/* What a parked stack points at is not leaked. */
static inline void sanitizer_root_add(const void *bytes, size_t size)
{
#if SANITIZER_ADDRESS
    __lsan_register_root_region(bytes, size);
#else
    (void)bytes;
    (void)size;
#endif
}

static inline void sanitizer_root_remove(const void *bytes, size_t size)
{
#if SANITIZER_ADDRESS
    __lsan_unregister_root_region(bytes, size);
#else
    (void)bytes;
    (void)size;
#endif
}

#endif

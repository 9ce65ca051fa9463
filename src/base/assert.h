/* SPDX-License-Identifier: MIT */
/*
 * assert - faults in ackd itself. They stay on in release builds: to go on with a broken invariant
 * would lose messages. What a peer, a plugin or a user does wrong is an error, not an assertion.
 */
#ifndef ACKD_BASE_ASSERT_H
#define ACKD_BASE_ASSERT_H

#include <stdint.h>

/* Print the place and abort. */
_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function);

#define ackd_assert(condition)                    \
    (__builtin_expect(!!(condition), 1) ? (void)0 \
                                        : assert_failed(#condition, __FILE__, __LINE__, __func__))

/*
 * Objects that come back as void * from a library or a plugin carry a magic number as first member,
 * and pass through OBJECT_CAST: (struct link *) with link->magic == LINK_MAGIC.
 */
#define OBJECT_CAST(type, MAGIC, pointer) \
    ((struct type *)object_check((pointer), (MAGIC), #type, __FILE__, __LINE__, __func__))

static inline void *object_check(void *pointer, uint32_t magic, const char *type, const char *file,
                                 int line, const char *function)
{
    if (__builtin_expect(pointer == (void *)0 || *(uint32_t *)pointer != magic, 0))
        assert_failed(type, file, line, function);
    return pointer;
}

#endif

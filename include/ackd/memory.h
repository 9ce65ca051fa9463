/* SPDX-License-Identifier: MIT */
/*
 * memory - what lives exactly as long as the task.
 *
 * An early return must not leak, so a task has memory of its own that goes when it ends, after its
 * children ended and its deferred calls ran. Outside of a task these return NULL, or
 * ACKD_E_NOT_IN_TASK.
 */
#ifndef ACKD_MEMORY_H
#define ACKD_MEMORY_H

#include <stddef.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

/* Memory of the current task, aligned for any type, not zeroed. NULL with the error set when out of
 * memory. */
ACKD_API void *ackd_alloc(size_t size) __attribute__((malloc, alloc_size(1)));
ACKD_API char *ackd_strdup(const char *text) __attribute__((malloc));
ACKD_API char *ackd_printf(const char *format, ...) ACKD_PRINTF(1, 2);

/*
 * Call fn(arg) when the current task ends, last registered first, whatever way it ends. The call
 * may await; it is shielded from cancellation for ACKD_DEFER_MS in all, so that clean-up is done
 * and is bounded.
 */
#define ACKD_DEFER_MS 5000
ACKD_API ACKD_MUST_CHECK int ackd_defer(void (*fn)(void *arg), void *arg);

ACKD_END_DECLS

#endif

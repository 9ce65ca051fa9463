/* SPDX-License-Identifier: MIT */
/* runtime - what the rest of the host needs of <ackd/runtime.h>'s. */
#ifndef ACKD_HOST_RUNTIME_H
#define ACKD_HOST_RUNTIME_H

#include <ackd/runtime.h>

#include "host/executor.h"

/* NULL beyond the last that was started. Waits where they are being started. */
struct executor *runtime_executor_that_runs(struct ackd_runtime *runtime, size_t index);

/* B1: whether a thread that must not be held asks, with @what, to hold itself: ACKD_E_ON_LOOP.
 * @instead is what a loop does in its place. */
ACKD_MUST_CHECK int runtime_check_thread(const char *what, const char *instead, const char *file,
                                         int line, const char *function);

#endif

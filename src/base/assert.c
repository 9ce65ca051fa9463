/* SPDX-License-Identifier: MIT */
/* assert - the last words of a process that found itself in an impossible state. */
#include <config.h>

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function)
{
    fprintf(stderr, "ackd: %s:%d: %s: impossible: not '%s'. This is a fault in ackd.\n", file, line,
            function, condition);
    abort();
}

/* SPDX-License-Identifier: MIT */
/* logsink - lines to standard error, as logfmt. */
#include <config.h>

#include "io/logsink.h"

#include "base/log.h"

int logsink_open(enum logsink_format format)
{
    (void)format;
    log_use(NULL, NULL);
    return 0;
}

void logsink_close(void)
{
}

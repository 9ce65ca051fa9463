/* SPDX-License-Identifier: MIT */
/*
 * environment - what a program is told about its message.
 *
 * Names are ours: a header cannot become PATH or LD_PRELOAD, for it always has ACKD_HEADER_ before
 * it. Values are as they were sent; what is too large, or has a zero byte, is left out and counted
 * in ACKD_HEADERS_LEFT_OUT, never cut: half a value would be another one.
 */
#ifndef ACKD_EXEC_ENVIRONMENT_H
#define ACKD_EXEC_ENVIRONMENT_H

#include <ackd/ackd.h>

enum {
    ENVIRONMENT_MAX = 512,             /* variables in all */
    ENVIRONMENT_HEADERS_MAX = 64,      /* headers of one message */
    ENVIRONMENT_VALUE_MAX = 4096,      /* bytes of one header */
    ENVIRONMENT_BYTES_MAX = 64 * 1024, /* of all headers together */
    ENVIRONMENT_NAME_MAX = 64          /* bytes of a header's name */
};

/*
 * A list of NAME=VALUE, ended by NULL, in the memory of the task: @inherited without what is
 * ackd's own affair with systemd, then @added, then the message. Of two with one name the later
 * counts, among headers the first. ACKD_E_NOMEM; ACKD_E_FULL beyond ENVIRONMENT_MAX.
 */
ACKD_MUST_CHECK int environment_make(const struct ackd_message *message, char *const *inherited,
                                     const char *const *added, const char *const **ret_list);

#endif

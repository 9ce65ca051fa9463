/* SPDX-License-Identifier: MIT */
/*
 * source - files as bytes: read whole, within a bound, wiped when let go.
 */
#ifndef ACKD_CONFIG_SOURCE_H
#define ACKD_CONFIG_SOURCE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>

enum { SOURCE_CONFIG_MAX = 1 << 20, SOURCE_SECRET_MAX = 1 << 16 };

struct source {
    char *bytes; /* owned; ended by a NUL that is not counted */
    size_t size;
    bool open_to_all;     /* everybody may read it */
    bool writable_by_all; /* everybody may write to it */
};

/*
 * Read all of @file, at most @limit bytes. A @secret is a regular file that not everybody may read
 * or write, else ACKD_E_REFUSED. ACKD_E_TOO_LARGE, ACKD_E_OS, ACKD_E_NOMEM. The text of the error
 * completes the sentence "FILE ...".
 */
ACKD_MUST_CHECK int source_read(const char *file, size_t limit, bool secret,
                                struct source *ret_source);
void source_free(struct source *source);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * findings - all that is wrong with a configuration, gathered to be told at once.
 *
 *   F1  A line is FILE:LINE:COLUMN: TEXT, without control characters, of bounded length.
 *   F2  Lines come in the order of the files, then of the places in them.
 *   F3  At most FINDINGS_MAX are kept; what is beyond is counted.
 */
#ifndef ACKD_CONFIG_FINDINGS_H
#define ACKD_CONFIG_FINDINGS_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum { FINDINGS_MAX = 100, FINDINGS_TEXT_SIZE = 1024, FINDINGS_QUOTE_SIZE = 96 };

/* Where something stands. Lines and columns count from 1, columns in characters; line 0 means the
 * file as a whole. */
struct place {
    const char *file; /* lives as long as the snapshot */
    uint32_t order;   /* of the file among those read */
    int line;
    int column;
};

struct finding;

struct findings {
    struct finding *lines; /* owned */
    size_t count;
    size_t capacity;
    size_t more;     /* found beyond FINDINGS_MAX */
    bool incomplete; /* a file could not be read to its end: what seems missing may stand there */
    bool out_of_memory;
    bool warnings; /* they forbid nothing, and say so */
};

void findings_init(struct findings *findings);
void findings_fini(struct findings *findings);
void findings_add(struct findings *findings, const struct place *place, const char *format, ...)
    ACKD_PRINTF(3, 4);
bool findings_any(const struct findings *findings);
/* Give the lines away, in order (F2). ACKD_E_NOMEM. */
ACKD_MUST_CHECK int findings_take(struct findings *findings, struct config_errors *ret_errors);

/* @text in at most FINDINGS_QUOTE_SIZE bytes, cut with "..." where it is longer. Returns @quote. */
const char *findings_quote(const char *text, char *quote);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * keep - a small file that is written anew again and again, by a thread of its own.
 *
 *   E1  Whoever reads the file finds one text that was put, whole, also after a power cut.
 *   E2  The last text that was put is written at the end, by keep_free; those in between may be passed
 *       over. At most one in KEEP_EVERY_MS is written.
 *   E3  keep_put never waits for a disk.
 */
#ifndef ACKD_IO_KEEP_H
#define ACKD_IO_KEEP_H

#include <ackd/abi.h>
#include <stddef.h>

enum { KEEP_TEXT_SIZE = 512, KEEP_EVERY_MS = 100 };

struct keep;

/* What is in the file @path, as a string in KEEP_TEXT_SIZE bytes at @text. ACKD_E_NOT_FOUND,
 * ACKD_E_TOO_LARGE, ACKD_E_OS. It blocks: at the start only. */
ACKD_MUST_CHECK int keep_read(const char *path, char *text);

/* @path is copied; its folder must exist, and take files. ACKD_E_OS, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int keep_new(const char *path, struct keep **ret_keep);
/* Write what was put last, and end. */
void keep_free(struct keep **keep);
/* Have @text written: less than KEEP_TEXT_SIZE bytes. */
void keep_put(struct keep *keep, const char *text);
/* The errno of the last attempt to write; 0: it was written. */
int keep_error(struct keep *keep);

#endif

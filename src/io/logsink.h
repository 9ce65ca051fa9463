/* SPDX-License-Identifier: MIT */
/*
 * logsink - where log lines go: the journal with its fields, or standard error as logfmt or JSON.
 *
 * Never blocks: what cannot be written is counted, and the count is told by the next line that can.
 * More than 20 warnings a second of one event are counted and told once a second, and so are errors
 * that say of themselves that they may come in floods. Other errors are not limited, nor is what
 * was asked for: the lines of handlers, and reports.
 */
#ifndef ACKD_IO_LOGSINK_H
#define ACKD_IO_LOGSINK_H

#include <ackd/abi.h>
#include <stdint.h>

/* AUTO: the journal if standard error is connected to it (JOURNAL_STREAM), else logfmt. */
enum logsink_format { LOGSINK_AUTO, LOGSINK_JOURNAL, LOGSINK_LOGFMT, LOGSINK_JSON };

/* ACKD_E_OS where the journal was asked for and is not there. */
ACKD_MUST_CHECK int logsink_open(enum logsink_format format);
/* Lines go to standard error by themselves again; no other thread may be logging. */
void logsink_close(void);

struct logsink_counts {
    uint64_t written;
    uint64_t dropped; /* nobody took them */
    uint64_t limited; /* left out: too many of their event in a second */
};
/* Since the start of the process. From any thread. */
void logsink_counts(struct logsink_counts *ret_counts);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * dump - a survey as people and programs read it: text, and JSON. One line is one task everywhere,
 * in the log too.
 */
#ifndef ACKD_HOST_DUMP_H
#define ACKD_HOST_DUMP_H

#include <ackd/abi.h>
#include <ackd/inspect.h>
#include <stddef.h>

#include "base/buffer.h"
#include "host/survey.h"

struct dump {
    struct buffer buffer;
    int (*write)(const void *bytes, size_t size, void *arg);
    /* What the code at an address is called; NULL: the address itself is shown. */
    void (*name)(const void *address, char *text, size_t size);
    void *arg;
    bool json;
    size_t loops;
    int code; /* of the first that failed */
};

/* "awaiting timer in f (file.c:7)", or its state. */
void dump_doing(const struct ackd_task_info *task, char *text, size_t size);
/* All that there is to say of a task in a line: without indentation, nor an end of line. */
void dump_line(const struct ackd_task_info *task, char *text, size_t size);
/* The same of a loop, and of what the roots of a name came to. */
void dump_loop_line(const struct survey *survey, char *text, size_t size);
void dump_tally_line(const struct survey *survey, const struct tally *tally, char *text,
                     size_t size);

/* From dump_begin to dump_end; each survey is sorted first. */
void dump_begin(struct dump *dump);
void dump_survey(struct dump *dump, const struct survey *survey);
/* One that does not answer: @task is the id of what holds it, as in task/progress.h. */
void dump_stalled(struct dump *dump, const char *loop, uint64_t task, uint64_t ms);
/* ACKD_E_NOMEM, or what write() returned. */
ACKD_MUST_CHECK int dump_end(struct dump *dump);

#endif

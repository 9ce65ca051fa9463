/* SPDX-License-Identifier: MIT */
/*
 * subject - who runs on a thread: the task and what its log lines carry, copied, so that another
 * thread can tell of it later, in its name.
 */
#ifndef ACKD_IO_SUBJECT_H
#define ACKD_IO_SUBJECT_H

#include "base/log.h"
#include "task/scheduler.h"

enum { SUBJECT_FIELDS = 6, SUBJECT_KEY_SIZE = 24, SUBJECT_TEXT_SIZE = 64 };

struct subject {
    struct scheduler_glance glance;
    size_t count;
    struct {
        char key[SUBJECT_KEY_SIZE];
        char text[SUBJECT_TEXT_SIZE];
        bool textual;
        int64_t number;
    } fields[SUBJECT_FIELDS];
};

/* Of this thread, now. Safe in a signal handler. */
void subject_take(struct subject *ret_subject);

/* "task #812 'orders' (delivery 4711, queue reports)", or "(loop callback)". Returns the length. */
size_t subject_format(const struct subject *subject, char *text, size_t size);

/* The fields as a context for log lines, which points into both. */
struct subject_context {
    struct log_context context;
    struct ackd_log_field fields[SUBJECT_FIELDS];
};
void subject_context(const struct subject *subject, struct subject_context *ret_context);

#endif

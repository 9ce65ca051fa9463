/* SPDX-License-Identifier: MIT */
/*
 * lint - what is wrong with how tasks use the runtime, seen from the numbers that there are anyway.
 *
 * Nothing is done for it while tasks run: a look passes it every task, then asks for the rest.
 *
 *   L1  Of each kind no more than LINT_EACH are told one by one; lint_end says how many there were.
 */
#ifndef ACKD_TASK_LINT_H
#define ACKD_TASK_LINT_H

#include <stddef.h>
#include <stdint.h>

#include "task/scheduler.h"

enum lint_kind {
#define LINT(name, text, hint) LINT_##name,
#include "task/lints.def"
#undef LINT
    LINT_KIND_COUNT
};

enum { LINT_EACH = 4, LINT_SITES = 64, LINT_TEXT_SIZE = 256 };

struct lint_finding {
    const char *kind, *hint;
    uint64_t task_id; /* 0: of no single one */
    char text[LINT_TEXT_SIZE];
};

struct lint_site {
    const char *file;
    int line;
    size_t count;
};

struct lint {
    void (*found)(const struct lint_finding *finding, void *arg);
    void *arg;
    size_t counts[LINT_KIND_COUNT];
    size_t tasks; /* that wait for something outside, or could run */
    struct lint_site sites[LINT_SITES];
};

void lint_begin(struct lint *lint, void (*found)(const struct lint_finding *finding, void *arg),
                void *arg);
void lint_task(struct lint *lint, const struct scheduler_view *view);
/* What is seen in the sums of @scheduler and of the process. On its loop's thread. */
void lint_end(struct lint *lint, const struct scheduler *scheduler);

#endif

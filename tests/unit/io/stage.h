/* SPDX-License-Identifier: MIT */
/* stage - a real loop with a scheduler, on which a test plays one root task. */
#ifndef ACKD_TESTS_IO_STAGE_H
#define ACKD_TESTS_IO_STAGE_H

#include <ackd/ackd.h>

#include "io/loop.h"
#include "task/scheduler.h"

struct stage {
    struct loop *loop;
    struct scheduler *scheduler;
    ackd_task_fn *fn; /* what it plays */
    void *arg;
    int code; /* how the root ended */
    enum ackd_cancel_reason reason;
    char text[512];     /* of its error */
    char task_name[64]; /* which the error names */
    uint64_t task_id;
};

void stage_open(struct stage *stage, const char *name);
/* Checks that no task is left (S11). */
void stage_close(struct stage *stage);
/* Play fn(arg) on this thread, to its end. */
void stage_play(struct stage *stage, ackd_task_fn *fn, void *arg);
/* The same on a thread of the loop's own; stage_join waits for the end. */
void stage_start(struct stage *stage, ackd_task_fn *fn, void *arg);
void stage_join(struct stage *stage);

/* Open a stage, play fn(arg), close it; fails the test unless it returned ACKD_OK and left nothing
 * behind: no task, no timer, no descriptor. */
void stage_expect(ackd_task_fn *fn, void *arg);

/* Within a task: what is not so ends it with where and what. */
#define TASK_CHECK(condition)                                                                    \
    do {                                                                                         \
        if (!(condition))                                                                        \
            return ackd_fail(ACKD_E_USER, "line %d: not %s (current: %s)", __LINE__, #condition, \
                             ackd_error_text(ackd_error_current()));                             \
    } while (0)

#define TASK_CHECK_CODE(expression, expected)                                                  \
    do {                                                                                       \
        int stage_code = (expression);                                                         \
        if (stage_code != (expected))                                                          \
            return ackd_fail(ACKD_E_USER, "line %d: %s is %s (current: %s)", __LINE__,         \
                             #expression, stage_code == 0 ? "OK" : ackd_code_name(stage_code), \
                             ackd_error_text(ackd_error_current()));                           \
    } while (0)
/* The current error's text contains @part; <string.h>. */
#define TASK_CHECK_TEXT(part) \
    TASK_CHECK(strstr(ackd_error_text(ackd_error_current()), (part)) != NULL)

/* Open descriptors of this process. */
int stage_descriptors(void);
/* Turns of all stages so far. */
unsigned stage_turns(void);

/* The monotonic clock. */
uint64_t stage_now_ns(void);

#endif

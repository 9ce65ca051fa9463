/* SPDX-License-Identifier: MIT */
/*
 * inspect - what every task of a runtime does right now: what it awaits, where, and since when.
 *
 *     ackd_tasks_dump(runtime, STDERR_FILENO, ACKD_DUMP_TEXT);
 *
 * All here may be called from any thread but a loop's or the CPU pool's, while the runtime runs.
 * Loops are asked one after the other, a slice of their tasks in each turn, so that none of them
 * stands still for it; each task is shown as it was when its slice was taken. A loop that does not
 * answer within a second is named as stalled, with the task that holds it, and left out.
 *
 * Nothing is noted for this while tasks run but the times, which come from the scheduler's clock: it
 * is looked at every few dispatches, and at each one where tasks are slow.
 */
#ifndef ACKD_INSPECT_H
#define ACKD_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/error.h>
#include <ackd/runtime.h>
#include <ackd/task.h>

ACKD_BEGIN_DECLS

enum { ACKD_TASK_FRAMES = 8 };

/* Strings are borrowed for the call. */
struct ackd_task_info {
    const char *loop;
    uint64_t id, parent_id; /* 0: it has none */
    const char *name;
    enum ackd_task_state state;
    bool unobserved; /* it has failed, its handle is held, and nobody has looked at the failure */
    uint64_t state_ns, age_ns;
    uint64_t busy_ns, ready_ns, awaiting_ns; /* age_ns together */
    uint64_t longest_ns;                     /* run without an await that suspended */
    uint32_t dispatches, yields;
    uint64_t deadline_left_ns; /* UINT64_MAX: it has none */
    const char *await_kind;    /* "timer", "task", "socket", ...; NULL unless it awaits something */
    const char *await_what;    /* e.g. its name; may be NULL */
    const char *await_state;   /* how far it is: "queued", "running"; NULL: nobody says */
    const char *await_file, *await_function; /* where it awaits; how long: state_ns */
    int await_line;
    const char *spawn_file; /* "" for what the runtime started itself */
    int spawn_line;
    enum ackd_cancel_reason cancel_reason; /* as it sees it where it is; NONE: go on */
    const char *cancel_who;                /* the name of the source that cancelled it, or NULL */
    enum ackd_cancel_reason cancel_asked;  /* of the task; a shield may hold it off */
    size_t stack_size, stack_used, stack_depth; /* bytes: now, and at the deepest so far */
    const char *owner;                          /* of what it detaches; or NULL */
    uint64_t delivery;                          /* tag of its message; 0: none */
    unsigned depth;                             /* in the tree: 0 for those without a parent */
    const void *frames[ACKD_TASK_FRAMES];       /* where it stands, innermost first; with
                                                   ACKD_DUMP_FRAMES */
    unsigned frame_count;
};

enum ackd_dump_flags {
    ACKD_DUMP_TEXT = 0,
    ACKD_DUMP_JSON = 1,  /* one object, in one line */
    ACKD_DUMP_FRAMES = 2 /* with a backtrace of each task that does not run */
};

/*
 * Call fn for each task, parents before their children, on the calling thread. ACKD_E_ON_LOOP,
 * ACKD_E_NOMEM; ACKD_E_TIMEOUT where a loop did not answer: the others were visited. @flags:
 * ACKD_DUMP_FRAMES or 0.
 */
ACKD_API ACKD_MUST_CHECK int
ackd_tasks_visit(struct ackd_runtime *runtime, unsigned flags,
                 void (*fn)(const struct ackd_task_info *task, void *arg), void *arg);

/*
 * Write all tasks to @fd as text, or as JSON: a line for each loop, the tree of its tasks, what the
 * roots of each name came to, and what looks wrong. As ackd_tasks_visit, but that a loop which does
 * not answer is part of what is written, and no error; ACKD_E_OS.
 */
ACKD_API ACKD_MUST_CHECK int ackd_tasks_dump(struct ackd_runtime *runtime, int fd, unsigned flags);

/* What looks wrong: */
struct ackd_task_lint {
    const char *loop;
    const char *kind; /* "never-yielded", "self-wakes", "ready-wait", "long-await", "one-site",
                         "short-offloads", "unobserved", "stack" */
    const char *text; /* a sentence */
    const char *hint; /* what to do */
    uint64_t task_id; /* 0: of no single one */
};
ACKD_API ACKD_MUST_CHECK int
ackd_tasks_lint(struct ackd_runtime *runtime,
                void (*fn)(const struct ackd_task_lint *lint, void *arg), void *arg);

ACKD_END_DECLS

#endif

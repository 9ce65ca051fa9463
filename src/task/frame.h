/* SPDX-License-Identifier: MIT */
/*
 * frame - what a task has entered and not yet left: a scope, a deadline, a shield, a
 * token's block.
 *
 * The caller's structure holds only a pointer to its frame, so that a block left by an early return
 * without its pop leaves nothing behind that could be overwritten: the frame knows where the
 * structure was, and is left as soon as the task is seen to be above that place.
 *
 *   F1  A task's frames are a chain, innermost first; their nodes are its part of the cancel tree.
 *   F2  A frame is left by its own pop, or by frame_sweep when its block is gone.
 */
#ifndef ACKD_TASK_FRAME_H
#define ACKD_TASK_FRAME_H

#include <ackd/error.h>

#include "base/timer.h"
#include "task/cancel.h"
#include "task/token.h"
#include "task/wait.h"

enum frame_kind { FRAME_SCOPE, FRAME_DEADLINE, FRAME_SHIELD, FRAME_TOKEN };

struct frame {
    struct cancel node; /* first: a task's innermost node is its innermost frame's */
    struct frame *outer;
    const void *block; /* the caller's structure */
    const char *file, *function;
    int line;
    enum frame_kind kind : 8;
    union {
        struct {
            struct wait *joiner;
            /* Told of each child that ended, in place of what the policy says; NULL: not. */
            void (*ended)(struct frame *scope, struct ackd_task *task);
            const struct ackd_error *failure; /* owned: the first, with later ones as children */
            size_t live, canceled;            /* children */
            enum ackd_cancel_reason reason;   /* of the first that was cancelled */
            enum ackd_scope_policy policy;
            bool closed;
        } scope;
        struct {
            struct timer timer;
            uint64_t start_ns, due_ns, limit_ms;
            const struct ackd_error *error; /* owned: made when the limit passed */
        } limit;                            /* of a deadline or a shield */
        struct token_watch watch;           /* of a token's block */
    };
};

/* A block of memory for a frame; NULL: out of memory. And back. */
struct frame *frame_cut(struct scheduler *scheduler);
void frame_give(struct scheduler *scheduler, struct frame *frame);

/* Enter: the current task's innermost frame from now on. NULL when out of memory. */
struct frame *frame_enter(struct ackd_task *task, enum frame_kind kind, const void *block,
                          const char *file, int line, const char *function);
/* Out of the chain and the tree, and free. */
void frame_leave(struct frame *frame);

/* Leave the frames whose blocks were left without a pop: @stack_now is above them. Scopes among
 * them are cancelled and joined. May suspend. */
void frame_sweep(struct ackd_task *task, const void *stack_now);
/* Leave every frame: the task's function returned. May suspend. */
void frame_sweep_all(struct ackd_task *task);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * token - the bridge between sources, which belong to any thread, and the cancel trees of loops.
 *
 * Inwards: a watch has a node of a tree cancelled when a source is; the node of a block, or of a
 * task that was spawned with a token. Outwards: what cancels a node cancels the source that
 * ackd_token_current made for it.
 */
#ifndef ACKD_TASK_TOKEN_H
#define ACKD_TASK_TOKEN_H

#include <ackd/cancel.h>

#include "task/registration.h"

struct ackd_task;
struct cancel;
struct frame;

struct token_watch {
    struct registration registration;
    struct ackd_cancel_source *source;
    struct cancel *node;
    bool held; /* with a reference: the source is not lent */
};

/* On the node's loop. */
void token_watch_start(struct token_watch *watch, struct ackd_token token, struct cancel *node);
/* Before the node goes. What was said of it by the source is said no more. */
void token_watch_end(struct token_watch *watch);

/* A task that was spawned with @token, and its end. @frame, out of frame_cut, holds the watch. */
void token_heed(struct ackd_task *task, struct ackd_token token, struct frame *frame);
void token_heed_no_more(struct ackd_task *task);

#endif

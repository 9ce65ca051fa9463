/* SPDX-License-Identifier: MIT */
/*
 * error - the errors of <ackd/error.h> from inside: where they are kept, and how they travel.
 *
 *   E1  A slot owns at most one reference. The current slot of a thread is the thread's own, or the
 * one that error_slot_use put in its place: the scheduler points it at the running task's. E2  An
 * error is immutable but for its trace, which only grows while the slot holds the sole reference.
 */
#ifndef ACKD_BASE_ERROR_H
#define ACKD_BASE_ERROR_H

#include <ackd/error.h>

struct error_slot {
    struct ackd_error *error; /* owned; NULL: none */
    uint64_t task_id;         /* noted in errors made here; 0: not a task */
    const char *task_name;    /* borrowed; NULL: not a task */
};

/* Make @slot the current one of this thread; NULL: the thread's own. Returns what was current
 * before. */
struct error_slot *error_slot_use(struct error_slot *slot);
/* Let go of what the slot holds. */
void error_slot_clear(struct error_slot *slot);

/* Take the current error out of its slot, with its reference. May be NULL. */
const struct ackd_error *error_take(void);
/* Make @error the current one; takes the reference. Returns its code; ACKD_E_INTERNAL for NULL. */
int error_give(const struct ackd_error *error);
/* The current error, if its code is @code; else a new one of that code. Borrowed. E.g. for logging.
 */
const struct ackd_error *error_for(int code);
/* For a failure that changes nothing for the caller: say why beside the call. */
static inline void error_ignore(int code)
{
    (void)code;
}
/* Forget the current error. */
void error_clear(void);

/*
 * An error that stands for several: ACKD_E_AGGREGATE with @children in that order, each reference
 * taken, the same one listed once. One child alone is returned as it is. The verdict is retry
 * unless all say dead.
 */
const struct ackd_error *error_aggregate(const struct ackd_error *const *children, size_t count);
/* @primary with @later as one more of its children; takes both references. @primary keeps its code.
 */
const struct ackd_error *error_with_child(const struct ackd_error *primary,
                                          const struct ackd_error *later);

#endif

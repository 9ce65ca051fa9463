/* SPDX-License-Identifier: MIT */
/*
 * error - the errors of <ackd/error.h> from inside: where they are kept, and how they travel.
 *
 *   E1  A slot owns at most one reference. The current slot of a thread is the thread's own, or the
 *       one that error_slot_use put in its place: the scheduler points it at the running task's.
 *   E2  An error is immutable but for its trace and its children, which only grow while one party
 *       holds the sole reference.
 */
#ifndef ACKD_BASE_ERROR_H
#define ACKD_BASE_ERROR_H

#include <ackd/error.h>

struct error_slot {
    struct ackd_error *error; /* owned; NULL: none */
    uint64_t task_id;         /* noted in errors made here; 0: not a task */
    const char *task_name;    /* borrowed; NULL: not a task */
};

/* The current slot of this thread; NULL: its own. For error_slot_use alone. */
extern _Thread_local struct error_slot *error_slot_now __attribute__((tls_model("initial-exec")));

/* Make @slot the current one of this thread; NULL: the thread's own. Returns what was current
 * before. Inline, for there are several at each switch of tasks. */
static inline struct error_slot *error_slot_use(struct error_slot *slot)
{
    struct error_slot *before = error_slot_now;
    error_slot_now = slot;
    return before;
}
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

/* "E_TIMEOUT"; for a code of a handler's own with its number: "E_USER-7". Use it as
 * error_name(code).text. */
struct error_name {
    char text[24];
};
struct error_name error_name(int code);

/* Failures on their way to be one; zeroed to begin with. */
struct error_bundle {
    const struct ackd_error *first; /* owned; NULL: none so far */
    struct error_list {
        const struct ackd_error **items; /* owned, with their references; the same one once */
        size_t kept, count;              /* not all are kept, all are counted */
    } list;                              /* of all, once there are two */
};
/* Takes the reference. */
void error_collect(struct error_bundle *bundle, const struct ackd_error *error);
/*
 * What stands for all of them: NULL for none; one alone as it is; else ACKD_E_AGGREGATE at that
 * place, with the others as children in the order in which they were collected. Its verdict is
 * retry, with the longest delay that any asks for, unless all say dead. The bundle is empty
 * afterwards.
 */
const struct ackd_error *error_bundle_end(struct error_bundle *bundle, const char *file, int line,
                                          const char *function);
/*
 * @primary with @later as one more of its children; takes both references. @primary keeps its code.
 * Where somebody else holds it, a copy gets the child: that is the same error still, whose origin
 * says so.
 */
const struct ackd_error *error_with_child(const struct ackd_error *primary,
                                          const struct ackd_error *later);

/* What it is a copy of; itself if it is none. */
const struct ackd_error *error_origin(const struct ackd_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * source - what is cancelled from any thread, and seen through tokens.
 *
 *   B1  The reason is set before the first call is made, and never changes.
 *   B2  A source is counted (heap), or lent: it lies in somebody's structure, between source_init
 *       and source_fini. A lent one has no references; its tokens are good until source_fini.
 *   B3  What it shares between threads is under the lock of its registrations, but for reason and
 *       references. No call is made under the lock.
 *   B4  Chains of links may be long: what they cause is done in a loop, parents before children.
 */
#ifndef ACKD_TASK_SOURCE_H
#define ACKD_TASK_SOURCE_H

#include <ackd/cancel.h>

#include "task/after.h"
#include "task/registration.h"

enum { SOURCE_MAGIC = 0x50c4ce15, SOURCE_WHO_SIZE = 64 };

struct ackd_cancel_source {
    uint32_t magic;
    _Atomic uint32_t references;
    _Atomic enum ackd_cancel_reason reason;
    bool lent;
    uint32_t cancelling; /* threads that make its calls */
    struct registrations registrations;
    struct after after;
    struct ackd_cancel_source *next; /* to be freed, or to have its calls made */
    char who[SOURCE_WHO_SIZE];
    size_t link_count;
    struct source_link *links; /* to its parents */
};

/* One with a reference, and room for that many links; NULL: out of memory. */
struct ackd_cancel_source *source_new(size_t links);

/* Allocates nothing. */
void source_init(struct ackd_cancel_source *source);
/* On the thread whose memory it is. Waits while another thread makes its calls; what is registered
 * then is dropped. */
void source_fini(struct ackd_cancel_source *source);

static inline enum ackd_cancel_reason source_reason(const struct ackd_cancel_source *source)
{
    return atomic_load_explicit(&source->reason, memory_order_acquire);
}

/* One more reference, unless it has none any more, or is lent. */
bool source_try_ref(struct ackd_cancel_source *source);

/* As ackd_cancel_register, called on @home's loop; NULL: on the thread that cancels. */
void source_register(struct ackd_cancel_source *source, struct registration *registration,
                     struct home *home, void (*fn)(void *arg), void *arg);

/* ackd_cancel in two steps: the mark, which a second time does nothing, and the calls (B4). */
void source_mark(struct ackd_cancel_source *source, enum ackd_cancel_reason reason,
                 const char *who);
void source_make_calls(struct ackd_cancel_source *source);

#endif

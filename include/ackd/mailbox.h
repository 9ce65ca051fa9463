/* SPDX-License-Identifier: MIT */
/*
 * mailbox - a bounded queue between tasks of one loop; what Channel is to .NET. ("Channel" is
 * RabbitMQ's word.)
 *
 * Items are pointers; who owns what they point at is the users' rule. First in, first out, also
 * among those who wait at either end. A cancelled receive has taken no item, a cancelled send has
 * delivered none.
 */
#ifndef ACKD_MAILBOX_H
#define ACKD_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

#include <ackd/abi.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

struct ackd_mailbox;

/* What send does when there is no room. */
enum ackd_mailbox_full {
    ACKD_MAILBOX_WAIT,        /* waits for room */
    ACKD_MAILBOX_REJECT,      /* returns ACKD_E_FULL */
    ACKD_MAILBOX_DROP_OLDEST, /* the first in the queue is dropped */
    ACKD_MAILBOX_DROP_NEWEST, /* the last in the queue is dropped */
    ACKD_MAILBOX_DROP_WRITE   /* the new one is dropped */
};

struct ackd_mailbox_options {
    const char *name; /* borrowed, shown in dumps; required */
    size_t capacity;  /* items; at least 1 */
    enum ackd_mailbox_full full;
    /* Given each item that a DROP mode drops, and what is left at free. Required with a DROP mode. */
    void (*drop)(void *item, void *arg);
    void *arg;
};

/* ACKD_E_INVAL where an option is missing or wrong, ACKD_E_NOMEM. All memory is taken here. */
ACKD_API ACKD_MUST_CHECK int ackd_mailbox_new(const struct ackd_mailbox_options *options,
                                              struct ackd_mailbox **ret_mailbox);
/* Nobody may wait at it: who does gets ACKD_E_CLOSED, and the log says so. NULL does nothing. */
ACKD_API void ackd_mailbox_free(struct ackd_mailbox **mailbox);

/* ACKD_E_CLOSED after complete, ACKD_E_FULL by mode, ACKD_E_WRONG_LOOP. */
#define ackd_mailbox_send(mailbox, item) ackd_mailbox_send_at((mailbox), (item), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_mailbox_send_at(struct ackd_mailbox *mailbox, void *item,
                                                const char *file, int line, const char *function);
/* Without waiting: ACKD_E_FULL also in the mode WAIT. May be called outside of tasks, on the loop.
 */
ACKD_API ACKD_MUST_CHECK int ackd_mailbox_try_send(struct ackd_mailbox *mailbox, void *item);

/*
 * The next item. Once it is complete and empty: what complete was given, or ACKD_E_CLOSED.
 */
#define ackd_mailbox_receive(mailbox, ret_item) \
    ackd_mailbox_receive_at((mailbox), (ret_item), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_mailbox_receive_at(struct ackd_mailbox *mailbox, void **ret_item,
                                                   const char *file, int line,
                                                   const char *function);
/* Without waiting: whether there was one. */
ACKD_API ACKD_MUST_CHECK bool ackd_mailbox_try_receive(struct ackd_mailbox *mailbox,
                                                       void **ret_item);

/*
 * No more is sent: waiting senders get ACKD_E_CLOSED; what is queued can still be received. With a
 * failure in @code its current error is kept, and given to receivers afterwards; ACKD_OK or
 * ACKD_CANCELED: an orderly end. False if it was complete already.
 */
ACKD_API bool ackd_mailbox_complete(struct ackd_mailbox *mailbox, int code);
ACKD_API size_t ackd_mailbox_count(const struct ackd_mailbox *mailbox);

ACKD_END_DECLS

#endif

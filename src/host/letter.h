/* SPDX-License-Identifier: MIT */
/*
 * letter - a copy of a message, with the story of what happened to it: to a delay queue, to the dead
 * letters, or back to its own queue.
 *
 * What of the message is on the copy, the table ledger/copy.def says.
 *
 *   W1  A letter fits into one header frame of the broker. Where the publisher's headers leave no
 *       room, a dead letter goes without those that do not fit, and tells how many; any other is
 *       refused, since its handler would see another message.
 *   W2  The job and its delivery outlive the letter.
 */
#ifndef ACKD_HOST_LETTER_H
#define ACKD_HOST_LETTER_H

#include "host/consumer.h"

enum {
    LETTER_ERROR_MAX = 8000,      /* bytes of error text in the header of a dead letter */
    LETTER_ERROR_AGAIN_MAX = 1000 /* ... of one that is to be tried again */
};

enum letter_kind {
    LETTER_AGAIN, /* failed, and to be tried again */
    LETTER_DEAD,  /* not to be tried again */
    LETTER_SAME   /* nothing new happened to it */
};

struct letter_text {
    enum letter_kind kind;
    const char *queue;              /* where it goes; borrowed until it is done */
    uint32_t failures;              /* so far */
    uint64_t left_ms;               /* to wait after that queue */
    const struct ackd_error *error; /* NULL for LETTER_SAME */
};

struct letter;

/* The error is current in done() unless @code is ACKD_OK. Frees nothing. */
typedef void letter_done(struct letter *letter, struct job *job, int code);

/* ACKD_E_TOO_LARGE by W1, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int letter_new(struct job *job, const struct letter_text *text, letter_done *done,
                               struct letter **ret_letter);
/* The error id, which is in its headers and belongs into the log line. */
const char *letter_id(const struct letter *letter);
void letter_publish(struct letter *letter);
void letter_free(struct letter **letter);

#endif
